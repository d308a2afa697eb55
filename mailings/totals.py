"""How many requests ever came to which end: sums that outlive the pulses they were made of."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import BigIntegerField, F, Sum
from django.db.models.functions import Cast, Coalesce

from mailings.gateway import Cause
from mailings.models import Pulse, RequestTotal

Key = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Total:
    """So many requests came to this end, and took so long together. `http_status` 0: no answer;
    `latency_ms`, the upper bound of the bucket, 0: nobody knows how long they took."""

    cause: Cause
    http_status: int
    latency_ms: int
    number: int
    took_ms: int


def add(pulses: Iterable[Pulse]) -> None:
    """Takes these over. Call it in the transaction that makes sums of them."""
    number, took_ms = Counter[Key](), Counter[Key]()
    for pulse in pulses:
        if not pulse.is_late:
            key = (pulse.cause, pulse.http_status or 0, pulse.latency_ms)
            number[key] += pulse.number
            took_ms[key] += pulse.took_ms
    _gain(number, took_ms)


def add_lost(number: int) -> None:
    """Takes over so many requests whose workers were gone. Call it in the transaction that settles them."""
    _gain({(Cause.WORKER_LOST.value, 0, 0): number} if number else {}, Counter())


def _gain(number: dict[Key, int], took_ms: Counter[Key]) -> None:
    """In the order of the keys: two that meet wait for each other instead of for ever."""
    for key in sorted(number):
        end = dict(zip(("cause", "http_status", "latency_ms"), key, strict=True))
        RequestTotal.objects.bulk_create([RequestTotal(**end)], ignore_conflicts=True)
        RequestTotal.objects.filter(**end).update(
            number=F("number") + number[key], took_ms=F("took_ms") + took_ms[key]
        )


def read() -> list[Total]:
    """As of one instant: the sums, and the pulses that are in none yet, in one statement."""
    ends = ("cause", "status", "latency_ms")
    summed = RequestTotal.objects.order_by().annotate(status=F("http_status"))
    fresh = Pulse.objects.filter(is_sum=False, is_late=False).order_by()
    fresh_sums = (
        fresh.annotate(status=Coalesce("http_status", 0))
        .values_list(*ends)
        .annotate(all=_integer("number"), took=_integer("took_ms"))
    )
    number, took_ms = Counter[Key](), Counter[Key]()
    for cause, status, latency_ms, many, took in summed.values_list(*ends, "number", "took_ms").union(
        fresh_sums, all=True
    ):
        number[cause, status, latency_ms] += many
        took_ms[cause, status, latency_ms] += took
    return [Total(Cause(key[0]), *key[1:], number[key], took_ms[key]) for key in sorted(number)]


def _integer(column: str) -> Cast:
    """PostgreSQL's sum is a decimal, and in a union only the first query's columns are converted."""
    return Cast(Sum(column), BigIntegerField())
