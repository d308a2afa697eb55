"""What a run of faults is judged by: what was asked for, the ledger, and the simulator's journal.

`gather` reads the ledger as bare columns: nothing here goes through the service's own queries.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any

from django.db.models import Sum

from clients.models import Client
from mailings.models import Attempt, Mailing, Message, Standing, Tally


@dataclass(frozen=True, slots=True)
class Person:
    """A client as the run was given him. `stopped_at` (Unix seconds): he opted out or was deleted then."""

    phone: int
    zone: str
    attributes: Mapping[str, str]
    stopped_at: float | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What a mailing was told from `since` on (Unix seconds). Not `sending`: paused, cancelled or deleted."""

    since: float
    text: str
    ends_at: float
    window: tuple[time, time] | None = None
    hold: bool = False
    sending: bool = True


@dataclass(frozen=True, slots=True)
class Order:
    """A mailing as it was ordered: its recipients by phone, and what it was told in the course of time."""

    id: int
    starts_at: float
    recipients: frozenset[int]
    versions: tuple[Version, ...]
    is_over: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """A message of the ledger. The phone is None when the client was deleted."""

    id: int
    mailing: int
    phone: int | None
    state: str


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt of the ledger, from when to when (Unix seconds)."""

    message: int
    number: int
    began_at: float
    ended_at: float
    outcome: str
    cause: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the gateway saw it, at a moment of its own clock (Unix seconds)."""

    at: float
    id: int | None
    phone: int
    text: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is held against everything else."""

    orders: Mapping[int, Order]
    people: Mapping[int, Person]
    rows: tuple[Row, ...]
    tries: tuple[Try, ...]
    requests: tuple[Asked, ...]
    tally: Mapping[tuple[int, str], int]


class Plot:
    """What a run was given, noted while it goes on: who is written to, and what was changed when."""

    def __init__(self, *, ahead_s: float = 0.0) -> None:
        """`ahead_s`: by how much the run pretends that it is later than it is."""
        self.ahead_s = ahead_s
        self.people: dict[int, Person] = {}
        self.orders: dict[int, Order] = {}

    def note_people(self) -> None:
        """The directory as it is now."""
        columns = Client.objects.filter(opted_out_at=None).order_by("id")
        for phone, zone, attributes in columns.values_list("phone", "timezone", "attributes"):
            self.people.setdefault(int(phone), Person(int(phone), zone, attributes))

    def note_stopped(self, phone: int, at: float) -> None:
        """He may not be written to from then on."""
        self.people[phone] = replace(self.people[phone], stopped_at=at)

    def order(self, mailing: Mailing) -> None:
        """A new mailing, by tags or to everybody whom the directory has now."""
        self.note_people()
        chosen = Client.objects.filter(opted_out_at=None)
        if mailing.tags:
            chosen = chosen.filter(tag__in=mailing.tags)
        phones = frozenset(map(int, chosen.order_by().values_list("phone", flat=True)))
        first = _version(mailing, since=float("-inf"), sending=True)
        self.orders[mailing.pk] = Order(mailing.pk, mailing.starts_at.timestamp(), phones, (first,))

    def change(self, mailing: Mailing, at: float, *, sending: bool = True) -> None:
        """What the mailing says now holds from `at` on."""
        order = self.orders[mailing.pk]
        version = _version(mailing, since=at, sending=sending)
        self.orders[mailing.pk] = replace(order, versions=(*order.versions, version))

    def gather(self, journal: Iterable[Mapping[str, Any]]) -> Evidence:
        """The ledger as it stands, and the gateway's journal."""
        over = {
            key: state in ("finished", "cancelled") and not closing
            for key, state, closing in Mailing.objects.order_by().values_list("id", "state", "closing")
        }
        return Evidence(
            orders={key: replace(order, is_over=over[key]) for key, order in self.orders.items()},
            people=self.people,
            rows=tuple(_rows()),
            tries=tuple(_tries()),
            requests=tuple(_asked(entry, self.ahead_s) for entry in journal),
            tally=_tally(),
        )


def _version(mailing: Mailing, *, since: float, sending: bool) -> Version:
    window = None
    if mailing.send_from is not None and mailing.send_until is not None:
        window = (mailing.send_from, mailing.send_until)
    end = mailing.ends_at.timestamp()
    return Version(since, mailing.text, end, window, mailing.on_unknown == "hold", sending)


def _rows() -> Iterable[Row]:
    columns = Message.objects.order_by("id").values_list("id", "mailing", "client__phone", "state")
    for id_, mailing, phone, state in columns.iterator():
        yield Row(id_, mailing, int(phone) if phone else None, state)


def _tries() -> Iterable[Try]:
    names = ("message", "number", "started_at", "duration_ms", "outcome", "cause")
    for message, number, began, duration_ms, outcome, cause in (
        Attempt.objects.order_by("message", "number").values_list(*names).iterator()
    ):
        start: datetime = began
        yield Try(
            message, number, start.timestamp(), start.timestamp() + (duration_ms or 0) / 1000, outcome, cause
        )


def _asked(entry: Mapping[str, Any], ahead_s: float) -> Asked:
    body = entry["body"] if isinstance(entry["body"], dict) else {}
    return Asked(
        at=entry["at"] + ahead_s,
        id=entry["id"],
        phone=body.get("phone", 0),
        text=body.get("text", ""),
        accepted=entry["accepted"],
    )


def _tally() -> dict[tuple[int, str], int]:
    folded = Standing.objects.order_by().values_list("mailing", "state").annotate(Sum("number"))
    fresh = Tally.objects.order_by().values_list("mailing", "state").annotate(Sum("delta"))
    sums = Counter[tuple[int, str]]()
    for mailing, state, number in folded.union(fresh, all=True):
        sums[mailing, state] += number
    return dict(sums)
