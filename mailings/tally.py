"""The counts: deltas appended with each transition, folded into sums every few seconds, read instead of messages.

What is read is always the sums and the deltas that are not folded yet, in one statement: of a fold, which moves
from one to the other, it sees all or nothing.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import BigIntegerField, Count, DateTimeField, F, Model, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast

from mailings.models import Breakdown, Dimension, Forgotten, Mailing, Message, Minute, Quarter, Standing, Tally
from mailings.policy import Reason, State, Traits

# the columns of a message that are its traits, in this order
DIMENSIONS = tuple(dimension.value for dimension in Dimension)
# how many rows one fold takes, and how many one statement writes: an old SQLite takes 999 values
FOLDED = 900
WRITTEN = 180

Counts = dict[State, int]
# a mailing id, and where messages of it are
Where = tuple[int, State, Reason]


class Changes:
    """What one transition changes: who left where, and who came. Gathered message by message, written by `add`."""

    def __init__(self) -> None:
        self._came: defaultdict[Where, list[Traits]] = defaultdict(list)
        self._left: defaultdict[Where, list[Traits]] = defaultdict(list)

    def come(self, where: Where, *messages: Traits) -> None:
        self._came[where] += messages

    def leave(self, where: Where, *messages: Traits) -> None:
        self._left[where] += messages

    def deltas(self) -> Iterator[tuple[Where, int, str]]:
        """Where, by how many, and the parts of it as `Tally` keeps them."""
        for where in self._came.keys() | self._left.keys():
            came, left = self._came.get(where, []), self._left.get(where, [])
            parts = dict(zip(DIMENSIONS, map(_delta, _columns(came), _columns(left)), strict=True))
            if any(parts.values()):
                yield where, len(came) - len(left), json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def _columns(messages: Sequence[Traits]) -> Iterable[tuple[str, ...]]:
    return zip(*messages, strict=True) if messages else ((),) * len(DIMENSIONS)


def _delta(came: Iterable[str], left: Iterable[str]) -> dict[str, int]:
    delta = Counter(came)
    delta.subtract(Counter(left))
    return {value: number for value, number in delta.items() if number}


def add(changes: Changes, moment: datetime) -> None:
    """Appends the changes. Call it in the transaction of the transition."""
    minute = moment.replace(second=0, microsecond=0)
    Tally.objects.bulk_create(
        Tally(
            mailing_id=mailing_id, minute=minute, state=state.value, reason=reason.value, delta=delta, parts=parts
        )
        for (mailing_id, state, reason), delta, parts in changes.deltas()
    )


def forget(mailing_id: int, gone: Iterable[tuple[str, ...]]) -> None:
    """Tells of each of these messages that it was forgotten: its state, reason and traits.

    Call it in the transaction that deletes them. The sums stay as they are.
    """
    rows: Counter[tuple[Any, ...]] = Counter()
    for state, *values in gone:
        for dimension, value in zip(("reason", *DIMENSIONS), values, strict=True):
            rows[mailing_id, dimension, value, state] += 1
    _gain(Forgotten, ("mailing", "dimension", "value", "state"), rows)


# -- folding -------------------------------------------------------------------------------------------


def fold(rows: int = FOLDED) -> int:
    """Moves the oldest `rows` of what was appended into the sums. Returns how many there were.

    One transaction: killed at any line, nothing was folded. Any number may fold at once, each its own rows.
    """
    with transaction.atomic():
        appended = Tally.objects.select_for_update(skip_locked=True).order_by("id")
        taken = list(appended.values_list("id", "mailing", "minute", "state", "reason", "delta", "parts")[:rows])
        standings: Counter[tuple[Any, ...]] = Counter()
        minutes: Counter[tuple[Any, ...]] = Counter()
        quarters: Counter[tuple[Any, ...]] = Counter()
        broken_down: Counter[tuple[Any, ...]] = Counter()
        for _, mailing_id, minute, state, reason, delta, parts in taken:
            standings[mailing_id, state, reason] += delta
            minutes[mailing_id, state, minute] += delta
            quarters[mailing_id, state, reason, quarter(minute)] += delta
            for dimension, value, number in _parts(parts):
                broken_down[mailing_id, dimension, value, state] += number
        _gain(Standing, ("mailing", "state", "reason"), standings)
        _gain(Minute, ("mailing", "state", "minute"), minutes)
        _gain(Quarter, ("mailing", "state", "reason", "minute"), quarters)
        _gain(Breakdown, ("mailing", "dimension", "value", "state"), broken_down)
        Tally.objects.filter(id__in=[row[0] for row in taken]).delete()
    return len(taken)


def quarter(moment: datetime) -> datetime:
    """The beginning of its quarter of an hour."""
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def _parts(text: str) -> Iterator[tuple[str, str, int]]:
    """The dimension, the value and the delta of each part."""
    for dimension, values in json.loads(text).items():
        for value, number in values.items():
            yield dimension, value, number


def _gain(model: type[Model], key: Sequence[str], sums: Mapping[tuple[Any, ...], int]) -> None:
    """Adds to the rows of these keys, which are made when missing. In the order of the keys: two folds that meet
    wait for each other instead of for ever."""
    fields: list[Any] = [model._meta.get_field(name) for name in (*key, "number")]  # Field or relation
    rows = sorted((*values, number) for values, number in sums.items() if number)
    table = connection.ops.quote_name(model._meta.db_table)
    columns = [connection.ops.quote_name(one.column) for one in fields]
    one_row = f"({', '.join(['%s'] * len(fields))})"
    with connection.cursor() as cursor:
        for start in range(0, len(rows), WRITTEN):
            piece = rows[start : start + WRITTEN]
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one_row] * len(piece))} "
                f"ON CONFLICT ({', '.join(columns[:-1])}) DO UPDATE SET number = {table}.number + excluded.number",
                [
                    one.get_db_prep_save(value, connection)
                    for row in piece
                    for one, value in zip(fields, row, strict=True)
                ],
            )


def _sum(column: str) -> Cast:
    """An integer: PostgreSQL's sum is a decimal, and in a union only the first query's columns are converted."""
    return Cast(Sum(column), BigIntegerField())


# -- reading -------------------------------------------------------------------------------------------


def counts(mailing_ids: Iterable[int]) -> dict[int, Counts]:
    """How many messages of each mailing are in each state; every state is there, 0 included."""
    ids = list(mailing_ids)
    return {mailing_id: dict.fromkeys(State, 0) for mailing_id in ids} | _by_mailing(Q(mailing__in=ids))


def counts_of(mailings: QuerySet[Mailing]) -> dict[int, Counts]:
    """As `counts`, of all these mailings but for those that have no messages."""
    return _by_mailing(Q(mailing__in=mailings.order_by().values("id")))


def _by_mailing(wanted: Q) -> dict[int, Counts]:
    folded = Standing.objects.filter(wanted).order_by().values_list("mailing", "state", "number")
    fresh = Tally.objects.filter(wanted).order_by().values_list("mailing", "state").annotate(total=_sum("delta"))
    found: dict[int, Counts] = {}
    for mailing_id, state, number in folded.union(fresh, all=True):
        counts_here = found.get(mailing_id)
        if counts_here is None:
            counts_here = found[mailing_id] = dict.fromkeys(State, 0)
        counts_here[state] += number  # type: ignore[index]  # a State is its text, and there are ten thousands
    return found


def total(mailings: QuerySet[Mailing]) -> Counts:
    """How many messages of all these mailings together are in each state."""
    wanted = Q(mailing__in=mailings.order_by().values("id"))
    folded = Standing.objects.filter(wanted).order_by().values_list("state").annotate(total=_sum("number"))
    fresh = Tally.objects.filter(wanted).order_by().values_list("state").annotate(total=_sum("delta"))
    found = dict.fromkeys(State, 0)
    for state, number in folded.union(fresh, all=True):
        found[State(state)] += number
    return found


def by_reason() -> Counter[Reason]:
    """How many messages of all mailings there are for each reason; a reason says the state."""
    folded = Standing.objects.order_by().values_list("reason").annotate(total=_sum("number"))
    fresh = Tally.objects.order_by().values_list("reason").annotate(total=_sum("delta"))
    found: Counter[Reason] = Counter()
    for reason, number in folded.union(fresh, all=True):
        found[Reason(reason)] += number
    return found


def mailings_with(state: State, reason: Reason | None = None) -> dict[int, int]:
    """The mailings that are not deleted and have messages in this state (for this reason), and how many."""
    wanted = Q(mailing__deleted_at=None, state=state.value)
    wanted &= Q(reason=reason.value) if reason else Q()
    return {key: found[state] for key, found in _by_mailing(wanted).items() if found[state]}


def number(mailing_id: int, reason: Reason) -> int:
    """How many messages of this mailing are where they are for this reason."""
    return sum(_by_mailing(Q(mailing=mailing_id, reason=reason.value)).get(mailing_id, {}).values())


def per_minute(mailing_id: int, state: State) -> list[tuple[datetime, int]]:
    """By how many the messages in `state` grew in each minute in which they did anything."""
    wanted = Q(mailing=mailing_id, state=state.value)
    folded = Minute.objects.filter(wanted).order_by().values_list("minute", "number")
    fresh = Tally.objects.filter(wanted).order_by().values_list("minute", "delta")
    grown: Counter[datetime] = Counter()
    for minute, number in folded.union(fresh, all=True):
        grown[minute] += number
    return sorted(grown.items())


def grown_since(moment: datetime, mailing_ids: Iterable[int] | QuerySet[Mailing, int]) -> dict[int, Counts]:
    """By how many the messages of each of these mailings grew in each state since the minute of `moment`."""
    wanted = Q(minute__gte=moment.replace(second=0, microsecond=0), mailing__in=mailing_ids)
    folded = (
        Minute.objects.filter(wanted).order_by().values_list("mailing", "state").annotate(total=_sum("number"))
    )
    fresh = Tally.objects.filter(wanted).order_by().values_list("mailing", "state").annotate(total=_sum("delta"))
    grown: dict[int, Counts] = {}
    for mailing_id, state, number in folded.union(fresh, all=True):
        grown.setdefault(mailing_id, dict.fromkeys(State, 0))[State(state)] += number
    return grown


def grown_by_quarter(since: datetime, until: datetime) -> dict[datetime, Counts]:
    """By how many the messages of all mailings that are not deleted grew in each state, by quarters of an hour.

    Both bounds are beginnings of a quarter.
    """
    columns = ("minute", "state")
    found: dict[datetime, Counts] = {}
    for moment, state, number in _in_time(since, until, columns):
        found.setdefault(quarter(moment), dict.fromkeys(State, 0))[State(state)] += number
    return found


def grown_by_reason(since: datetime, until: datetime) -> dict[int, Counter[tuple[State, Reason]]]:
    """By how many the messages of each mailing that is not deleted grew in each state for each reason.

    Both bounds are beginnings of a quarter of an hour. A mailing in which nothing happened is not there.
    """
    found: dict[int, Counter[tuple[State, Reason]]] = {}
    for mailing_id, state, reason, number in _in_time(since, until, ("mailing", "state", "reason")):
        found.setdefault(mailing_id, Counter())[State(state), Reason(reason)] += number
    return found


def _in_time(since: datetime, until: datetime, columns: Sequence[str]) -> QuerySet[Quarter, tuple[Any, ...]]:
    """Sums by these columns over [since, until), as of one instant."""
    wanted = Q(minute__gte=since, minute__lt=until, mailing__deleted_at=None)
    folded = Quarter.objects.filter(wanted).order_by().values_list(*columns).annotate(total=_sum("number"))
    fresh = Tally.objects.filter(wanted).order_by().values_list(*columns).annotate(total=_sum("delta"))
    return folded.union(fresh, all=True)


@dataclass(frozen=True, slots=True)
class Detail:
    """One mailing as of one instant: by state and reason, by dimension, value and state, and sent by minute."""

    by_reason: Counter[tuple[State, Reason]] = field(default_factory=Counter)
    by_value: Counter[tuple[str, str, State]] = field(default_factory=Counter)
    sent_per_minute: Counter[datetime] = field(default_factory=Counter)


def detail(mailing_id: int) -> Detail:
    """Everything that the counts say of a mailing, in one statement."""
    never = Value(None, output_field=DateTimeField())
    fresh = Tally.objects.values_list(Value("fresh"), "state", "reason", "delta", "parts", "minute")
    standing = Standing.objects.values_list(Value("reason"), "state", "reason", "number", Value(""), never)
    values = Breakdown.objects.values_list("dimension", "state", "value", "number", Value(""), never)
    minutes = Minute.objects.filter(state=State.SENT.value).values_list(
        Value("minute"), "state", Value(""), "number", Value(""), "minute"
    )
    asked, *others = (rows.filter(mailing=mailing_id).order_by() for rows in (fresh, standing, values, minutes))
    found = Detail()
    for kind, state_, key, number, parts, minute in asked.union(*others, all=True):
        state = State(state_)
        if kind in ("fresh", "reason"):
            found.by_reason[state, Reason(key)] += number
        if kind == "minute" or (kind == "fresh" and state is State.SENT):
            found.sent_per_minute[minute] += number
        for dimension, value, part in _parts(parts) if kind == "fresh" else ():
            found.by_value[dimension, value, state] += part
        if kind in DIMENSIONS:
            found.by_value[kind, key, state] += number
    return found


# -- the proof -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """Where the messages of a mailing and its counts differ. `dimension` is what was counted by: a `Dimension`,
    "reason", or "minute" for the sum over time."""

    mailing_id: int
    state: State
    dimension: str
    value: str
    counted: int
    tallied: int


def differences() -> list[Difference]:
    """Where the counts and a recount of the messages differ, those that were forgotten included.

    One statement, so that both are seen at the same instant: what moves meanwhile is no difference.
    """
    counted: Counter[tuple[int, State, str, str]] = Counter()
    tallied: Counter[tuple[int, State, str, str]] = Counter()
    for source, mailing_id, state_, dimension, value, number, parts in _both_sides():
        state = State(state_)
        (counted if source == "messages" else tallied)[mailing_id, state, dimension, value] += number
        if dimension == "reason" and source != "sums":
            (counted if source == "messages" else tallied)[mailing_id, state, "minute", ""] += number
        for name, part, delta in _parts(parts) if source == "fresh" else ():
            tallied[mailing_id, state, name, part] += delta
    keys = sorted(counted.keys() | tallied.keys())
    return [Difference(*key, counted[key], tallied[key]) for key in keys if counted[key] != tallied[key]]


def _both_sides() -> Iterable[tuple[Any, ...]]:
    """Rows of source, mailing, state, dimension, value, number and parts, as of one instant."""
    parts = Value("")
    recounts = [
        Message.objects.order_by().values_list(
            Value("messages"), "mailing", "state", Value(name), F(name), Count("id"), parts
        )
        for name in ("reason", *DIMENSIONS)
    ]
    gone = Forgotten.objects.order_by().values_list(
        Value("messages"), "mailing", "state", "dimension", "value", "number", parts
    )
    own = (Value("sums"), "mailing", "state")
    standing = Standing.objects.order_by().values_list(*own, Value("reason"), "reason", "number", parts)
    values = Breakdown.objects.order_by().values_list(*own, "dimension", "value", "number", parts)
    minutes = Minute.objects.order_by().values_list(*own, Value("minute"), Value(""), _sum("number"), parts)
    fresh = Tally.objects.order_by().values_list(
        Value("fresh"), "mailing", "state", Value("reason"), "reason", "delta", "parts"
    )
    return fresh.union(*recounts, gone, standing, values, minutes, all=True)
