"""How the gateway does: what it answered in the last minutes, and how quickly."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncMinute

from mailings.gateway import Cause
from mailings.models import Pulse

LOOKED_BACK = timedelta(minutes=5)
AS_AGREED = (Cause.ACCEPTED, Cause.REFUSED)


@dataclass(frozen=True, slots=True)
class Answered:
    """So many requests came to this end."""

    cause: Cause
    http_status: int | None
    number: int


@dataclass(frozen=True, slots=True)
class Vitals:
    """The requests of the last minutes by their ends, the most frequent first.

    `p50_ms` … say how long so many of a hundred took at most; None when there were no requests.
    """

    requests: int
    answers: list[Answered]
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None

    @property
    def good(self) -> int:
        """Those that were answered as agreed, with a yes or a no."""
        return sum(answer.number for answer in self.answers if answer.cause in AS_AGREED)

    @property
    def per_second(self) -> float:
        return self.requests / LOOKED_BACK.total_seconds()


def take(now: datetime) -> Vitals:
    """What was noted in the five minutes before `now`."""
    return _summed(Pulse.objects.filter(moment__gt=now - LOOKED_BACK, moment__lte=now))


def between(since: datetime, until: datetime) -> Vitals:
    """What was noted in [since, until), to the minute, as far as `pace` keeps it."""
    return _summed(Pulse.objects.filter(moment__gte=since, moment__lt=until))


def bad_minutes(since: datetime, until: datetime) -> int:
    """In how many minutes of [since, until) most of the requests were in trouble."""
    rows = Pulse.objects.filter(moment__gte=since, moment__lt=until, is_trouble__isnull=False)
    per_minute = rows.annotate(minute=TruncMinute("moment")).order_by().values_list("minute", "is_trouble")
    well, troubled = Counter[datetime](), Counter[datetime]()
    for minute, is_trouble, number in per_minute.annotate(Sum("number")):
        (troubled if is_trouble else well)[minute] += number
    return sum(number > well[minute] for minute, number in troubled.items())


def _summed(rows: QuerySet[Pulse]) -> Vitals:
    rows = rows.order_by()
    counted = rows.values_list("cause", "http_status", "latency_ms").annotate(Sum("number"))
    ends: Counter[tuple[str, int | None]] = Counter()
    latencies: Counter[int] = Counter()
    for cause, status, latency_ms, number in counted:
        ends[cause, status] += number
        latencies[latency_ms] += number
    in_order = sorted(ends.items(), key=lambda end: (-end[1], end[0][0], end[0][1] or 0))
    return Vitals(
        requests=ends.total(),
        answers=[Answered(Cause(cause), status, number) for (cause, status), number in in_order],
        p50_ms=_at_most(latencies, 0.50),
        p95_ms=_at_most(latencies, 0.95),
        p99_ms=_at_most(latencies, 0.99),
    )


def _at_most(latencies: Counter[int], share: float) -> int | None:
    """The shortest bound that this share of the requests kept."""
    wanted, seen = share * latencies.total(), 0
    for latency_ms in sorted(latencies):
        seen += latencies[latency_ms]
        if seen >= wanted:
            return latency_ms
    return None
