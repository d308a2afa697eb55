"""The counts: deltas appended with each transition, summed up by a chore, read instead of the messages."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Min, Sum, Value

from mailings.models import Message, Tally
from mailings.policy import Reason, State

SQUASH_ABOVE = 200

Counts = dict[State, int]
# a mailing id, and where messages of it are
Standing = tuple[int, State, Reason]
Changes = Counter[Standing]


def add(changes: Mapping[Standing, int], moment: datetime) -> None:
    """Appends the changes (mailing id, state, reason) → delta. Call it in the transaction of the transition."""
    minute = moment.replace(second=0, microsecond=0)
    Tally.objects.bulk_create(
        Tally(mailing_id=mailing_id, minute=minute, state=state.value, reason=reason.value, delta=delta)
        for (mailing_id, state, reason), delta in changes.items()
        if delta
    )


def counts(mailing_ids: Iterable[int]) -> dict[int, Counts]:
    """How many messages of each mailing are in each state; every state is there, 0 included."""
    ids = list(mailing_ids)
    found: dict[int, Counts] = {mailing_id: dict.fromkeys(State, 0) for mailing_id in ids}
    rows = Tally.objects.filter(mailing__in=ids).order_by().values_list("mailing", "state").annotate(Sum("delta"))
    for mailing_id, state, total in rows:
        found[mailing_id][State(state)] = total
    return found


def per_minute(mailing_id: int, state: State) -> list[tuple[datetime, int]]:
    """By how many the messages in `state` grew in each minute in which they did anything."""
    return list(
        Tally.objects.filter(mailing=mailing_id, state=state.value)
        .order_by("minute")
        .values_list("minute")
        .annotate(total=Sum("delta"))
    )


def squash(now: datetime) -> int:
    """Sums up the rows of mailings that have many per minute; the sums stay. Returns the rows saved.

    Only minutes that are over are touched, so that nobody waits for it.
    """
    before = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    crowded = (
        Tally.objects.filter(minute__lt=before)
        .order_by()
        .values("mailing", "state", "reason", "minute")
        .annotate(rows=Count("id"), first=Min("id"))
        .filter(rows__gt=1)
        .order_by("first")[:SQUASH_ABOVE]
    )
    return sum(_squash_one(row["mailing"], row["state"], row["reason"], row["minute"]) for row in crowded)


def _squash_one(mailing_id: int, state: str, reason: str, minute: datetime) -> int:
    alike = {"mailing_id": mailing_id, "state": state, "reason": reason, "minute": minute}
    with transaction.atomic():
        rows = dict(Tally.objects.select_for_update(skip_locked=True).filter(**alike).values_list("id", "delta"))
        if len(rows) < 2:
            return 0
        Tally.objects.filter(id__in=rows).delete()
        Tally.objects.create(**alike, delta=sum(rows.values()))
        return len(rows) - 1


def differences() -> list[tuple[int, State, Reason, int, int]]:
    """Where the tally and a recount of the messages differ: (mailing id, state, reason, counted, tallied).

    One statement, so that both are seen at the same instant: what moves meanwhile is no difference.
    """
    standing = ("mailing", "state", "reason")
    recount = Message.objects.order_by().values_list(*standing, Value(1)).annotate(number=Count("id"))
    sums = Tally.objects.order_by().values_list(*standing, Value(0)).annotate(number=Sum("delta"))
    counted: Changes = Counter()
    tallied: Changes = Counter()
    for mailing_id, state, reason, is_recount, number in recount.union(sums, all=True):
        (counted if is_recount else tallied)[mailing_id, State(state), Reason(reason)] = number
    keys = sorted(counted.keys() | tallied.keys())
    return [(*key, counted[key], tallied[key]) for key in keys if counted[key] != tallied[key]]
