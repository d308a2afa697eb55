"""Reading mailings and messages: lists, progress, statistics. Nothing here changes anything."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Count, Max, QuerySet

from mailings import tally
from mailings.gateway import Kind
from mailings.models import Attempt, Mailing, MailingState, MailingZone, Message, Worker
from mailings.models.work import LOST_AFTER
from mailings.policy import STATE_OF, Reason, State

ATTEMPTS_SEEN = 20_000
FEW_MAILINGS = 30


@dataclass(frozen=True, slots=True)
class Progress:
    """How many messages of a mailing are in each state; their sum is the number of its recipients."""

    by_state: dict[State, int]

    @property
    def recipients(self) -> int:
        return sum(self.by_state.values())

    @property
    def open(self) -> int:
        """Those that wait or are in flight."""
        return self.by_state[State.QUEUED] + self.by_state[State.SENDING]

    @property
    def done(self) -> int:
        return self.recipients - self.open


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """What a list of messages is narrowed by; None or empty means any."""

    mailing_id: int | None = None
    client_id: int | None = None
    state: str = ""
    reason: str = ""
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """One value of a dimension (a code, a tag, a zone) and its messages by state."""

    value: str
    by_state: dict[State, int]

    @property
    def recipients(self) -> int:
        return sum(self.by_state.values())


@dataclass(frozen=True, slots=True)
class Statistics:
    """One mailing in numbers: by state, over time (messages sent per minute), by code, tag and zone, by reason."""

    progress: Progress
    sent_per_minute: list[tuple[datetime, int]]
    by_operator_code: list[Share]
    by_tag: list[Share]
    by_timezone: list[Share]
    by_reason: dict[str, int]


def mailings(*, state: str = "", q: str = "") -> QuerySet[Mailing]:
    """The mailings that are not deleted, newest first; `q` is a part of the name or the text."""
    found = Mailing.objects.visible().order_by("-id")
    if state:
        found = found.filter(state=state)
    if q:
        found = found.filter(name__icontains=q) | found.filter(text__icontains=q)
    return found


def mailing(mailing_id: int) -> Mailing:
    """One mailing that is not deleted. Raises Mailing.DoesNotExist."""
    return Mailing.objects.visible().get(pk=mailing_id)


def progress(mailing_ids: Iterable[int]) -> dict[int, Progress]:
    """The progress of each mailing, in one query whatever their number."""
    return {mailing_id: Progress(by_state) for mailing_id, by_state in tally.counts(mailing_ids).items()}


def counts_of_mailings() -> dict[str, int]:
    """How many mailings are in each state; every state is there."""
    counted = Mailing.objects.visible().order_by().values_list("state").annotate(Count("id"))
    return dict.fromkeys(MailingState.values, 0) | dict(counted)


def messages(narrow: MessageFilter) -> QuerySet[Message]:
    """The messages of mailings that are not deleted, newest first, with their clients and mailings at hand."""
    found = Message.objects.filter(mailing__deleted_at=None).select_related("client", "mailing").order_by("-id")
    exact = {
        "mailing": narrow.mailing_id,
        "client": narrow.client_id,
        "state": narrow.state,
        "timezone": narrow.timezone,
    }
    found = found.filter(**{name: value for name, value in exact.items() if value not in (None, "")})
    return with_reason(found, Reason(narrow.reason), mailing_id=narrow.mailing_id) if narrow.reason else found


def newest(found: QuerySet[Message], *, before: int | None, rows: int) -> list[Message]:
    """The newest `rows` of `found` with ids below `before`, as quickly among ten millions as among ten.

    The index of a mailing's messages holds the state before the id, so they are looked for among the newest
    of each state: in one statement, or a message that moves meanwhile could be missed.
    """
    if before is not None:
        found = found.filter(id__lt=before)
    return first_across_states(found, rows)


def first_across_states(found: QuerySet[Message], rows: int) -> list[Message]:
    """The first `rows` of `found`, which is ordered by id either way; see `newest`."""
    return _first_across(found, rows, [{"state": state} for state in State])


def first_in_state(found: QuerySet[Message], rows: int, state: State) -> list[Message]:
    """The first `rows` of `found`, all of them in `state`: those that wait may be of a few mailings long ago, and
    are looked for there; else they are soon met in the order of the ids."""
    mailing_ids = list(tally.mailings_with(state))
    if len(mailing_ids) > FEW_MAILINGS:
        return list(found[:rows])
    return _first_across(found, rows, [{"mailing": mailing_id} for mailing_id in mailing_ids])


def _first_across(found: QuerySet[Message], rows: int, parts: Sequence[Mapping[str, object]]) -> list[Message]:
    """Of the first rows of each part, in one statement."""
    direction = "ASC" if found.query.order_by in (("id",), ("pk",)) else "DESC"
    try:
        asked = [found.filter(**part).values_list("id")[:rows].query.sql_with_params() for part in parts]
    except EmptyResultSet:
        return []
    if not asked:
        return []
    union = " UNION ALL ".join(f"SELECT id FROM ({sql}) AS part{number}" for number, (sql, _) in enumerate(asked))
    with connection.cursor() as cursor:
        cursor.execute(
            f"{union} ORDER BY id {direction} LIMIT {rows:d}", [value for _, values in asked for value in values]
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(found.filter(id__in=ids))


def message(message_id: int) -> Message:
    """One message of a mailing that is not deleted, with its attempts. Raises Message.DoesNotExist."""
    return messages(MessageFilter()).prefetch_related("attempt_log").get(pk=message_id)


def last_answers(mailing_id: int, number: int, *, since: datetime | None) -> tuple[int, int]:
    """How many of the last `number` answers to a mailing's requests were refusals, and how many there were.

    Looks at no more than the last `ATTEMPTS_SEEN` requests of all mailings: one that sends next to nothing among
    them is judged when it does.
    """
    newest = Attempt.objects.aggregate(last=Max("id"))["last"] or 0
    found = Attempt.objects.filter(
        id__gt=newest - ATTEMPTS_SEEN, message__mailing=mailing_id, http_status__isnull=False
    )
    if since is not None:
        found = found.filter(started_at__gte=since)
    outcomes = list(found.order_by("-id").values_list("outcome", flat=True)[:number])
    return outcomes.count(Kind.REFUSED.value), len(outcomes)


def statistics(mailing_id: int) -> Statistics:
    """Everything about one mailing in numbers, as of one instant. No message is counted for it."""
    found = tally.detail(mailing_id)
    by_state, by_reason = dict.fromkeys(State, 0), Counter[str]()
    for (state, reason), number in found.by_reason.items():
        by_state[state] += number
        by_reason[reason.value] += number
    shares: dict[str, dict[str, Share]] = {dimension: {} for dimension in tally.DIMENSIONS}
    for (dimension, value, state), number in found.by_value.items():
        if number:
            share = shares[dimension].setdefault(value, Share(value, dict.fromkeys(State, 0)))
            share.by_state[state] += number
    return Statistics(
        progress=Progress(by_state),
        sent_per_minute=sorted(found.sent_per_minute.items()),
        by_operator_code=_largest_first(shares["operator_code"]),
        by_tag=_largest_first(shares["tag"]),
        by_timezone=_largest_first(shares["timezone"]),
        by_reason={reason: number for reason, number in sorted(by_reason.items()) if number},
    )


def _largest_first(shares: Mapping[str, Share]) -> list[Share]:
    return sorted(shares.values(), key=lambda share: (-share.recipients, share.value))


def overall(
    *, since: datetime | None = None, until: datetime | None = None
) -> tuple[Progress, list[tuple[Mailing, Progress]]]:
    """The totals and every mailing with its progress, those without recipients included, newest first.

    Of mailings that are not deleted and whose start lies in [since, until); two queries whatever their number.
    Only what names a mailing is read of it: there may be ten thousands.
    """
    chosen = started_between(since=since, until=until).only("name", "state", "starts_at", "ends_at")
    counted = tally.counts_of(chosen)
    each = [(one, Progress(counted.get(one.pk) or dict.fromkeys(State, 0))) for one in chosen]
    return Progress({state: sum(progress.by_state[state] for _, progress in each) for state in State}), each


def totals_of(chosen: QuerySet[Mailing]) -> Progress:
    """All messages of these mailings by state."""
    return Progress(tally.total(chosen))


def started_between(*, since: datetime | None = None, until: datetime | None = None) -> QuerySet[Mailing]:
    """The mailings that are not deleted whose start lies in [since, until), newest first."""
    found = Mailing.objects.visible().order_by("-id")
    if since is not None:
        found = found.filter(starts_at__gte=since)
    if until is not None:
        found = found.filter(starts_at__lt=until)
    return found


def arrived_since(moment: datetime, *, mailing_ids: Iterable[int] | None = None) -> dict[int, dict[State, int]]:
    """By how many the messages of each mailing grew in each state since the minute of `moment`.

    Asks only mailings that were at work since then, or those named.
    """
    if mailing_ids is None:
        at_work = Mailing.objects.visible().filter(started_at__isnull=False).order_by()
        mailing_ids = at_work.exclude(finished_at__lt=moment).values_list("id", flat=True)
    return tally.grown_since(moment, mailing_ids)


def with_reason(found: QuerySet[Message], reason: Reason, *, mailing_id: int | None = None) -> QuerySet[Message]:
    """Those of `found` that are where they are for this reason: of one mailing, or of all.

    The counts say whether there are any, and in which mailings: for none or a few nobody reads a million rows.
    """
    state = STATE_OF[reason]
    found = found.filter(reason=reason.value, state=state.value)
    if mailing_id is not None:
        return found if tally.number(mailing_id, reason) else found.none()
    few = mailings_with_few(state, reason)
    return found if few is None else found.filter(mailing__in=few)


def mailings_with_few(state: State, reason: Reason | None = None, *, few: int = 10_000) -> list[int] | None:
    """The mailings whose messages are in `state` (for `reason`), when these are few; None when they are many.

    Few are found by the index of their mailings; many are soon met in the order of the ids.
    """
    found = tally.mailings_with(state, reason)
    return list(found) if sum(found.values()) <= few else None


def held(state: State = State.UNKNOWN) -> int:
    """How many messages wait in `state` for a person's decision, also of mailings that are over."""
    return sum(tally.mailings_with(state).values())


def why_unknown(mailing_id: int) -> list[tuple[Reason, int]]:
    """Why the unknown messages of a mailing are in doubt, the most frequent reason first."""
    doubts = [reason for reason, state in STATE_OF.items() if state is State.UNKNOWN]
    counted = [(reason, tally.number(mailing_id, reason)) for reason in doubts]
    return sorted((one for one in counted if one[1]), key=lambda one: -one[1])


def zones(mailing_id: int) -> list[str]:
    """The time zones that have recipients in a mailing."""
    return list(
        MailingZone.objects.filter(mailing=mailing_id).order_by("timezone").values_list("timezone", flat=True)
    )


def worker_seen_at(now: datetime) -> datetime | None:
    """When the liveliest worker last said that it lives; what lies in the future tells nothing (see `alive`)."""
    seen: datetime | None = Worker.objects.filter(seen_at__lte=now + LOST_AFTER).aggregate(last=Max("seen_at"))[
        "last"
    ]
    return seen
