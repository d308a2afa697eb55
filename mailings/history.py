"""What happened, newest first, from the ledger and the journal: to a mailing, to a message, to a client.

Every story is a few short ranges of indexes put together: as quick at the millionth message as at the first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from accounts.models import JournalEntry
from mailings.gateway import Kind
from mailings.models import Attempt, Message

# what was done to a mailing, or to the client, that tells why a message went or waited
TOLD_OF_MESSAGES = (
    "pause",
    "resume",
    "cancel",
    "delete",
    "change",
    "decide",
    "retry_failed",
    "finish_errand",
    "finish",
)
ENTRIES_OF_A_MESSAGE = 100


class Mark(NamedTuple):
    """A place in a story: an instant, and among those of one instant the kind and the number."""

    at: datetime
    rank: int
    id: int


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened: a deed, an attempt, or that a message came to be. Exactly one of them is there."""

    at: datetime
    entry: JournalEntry | None = None
    attempt: Attempt | None = None
    message: Message | None = None

    @property
    def mark(self) -> Mark:
        for rank, one in enumerate((self.message, self.attempt, self.entry)):
            if one is not None:
                return Mark(self.at, rank, one.pk)
        raise AssertionError("an empty moment")


MESSAGE, ATTEMPT, ENTRY = range(3)


def of_mailing(
    mailing_id: int,
    *,
    rows: int,
    before: Mark | None = None,
    outcomes: Sequence[Kind] = tuple(Kind),
    deeds: bool = True,
    message_id: int | None = None,
) -> list[Moment]:
    """The first `rows` moments of a mailing below a mark: attempts with one of `outcomes`, and deeds."""
    found: list[Moment] = []
    attempts = Attempt.objects.filter(mailing=mailing_id)
    if message_id is not None:
        attempts = Attempt.objects.filter(message=message_id, message__mailing=mailing_id)
    for outcome in outcomes:  # each is a range of the index; all together would be sorted
        some = _below(attempts.filter(outcome=outcome.value), "started_at", before, ATTEMPT)
        found += (Moment(one.started_at, attempt=one) for one in some[:rows])
    if deeds:
        found += _entries("mailing", mailing_id, before, rows)
    return _newest(found, rows)


def of_client(client_id: int, *, rows: int, before: Mark | None = None) -> list[Moment]:
    """The first `rows` moments of a client below a mark: messages of mailings that are shown, and deeds."""
    messages = Message.objects.filter(client=client_id, mailing__deleted_at=None).select_related(
        "mailing", "client"
    )
    some = _below(messages, "created_at", before, MESSAGE)
    found = [Moment(one.created_at, message=one) for one in some[:rows]]
    return _newest([*found, *_entries("client", client_id, before, rows)], rows)


def of_message(message: Message) -> list[Moment]:
    """All attempts of a message, and what was done meanwhile to its mailing and its client; the oldest first."""
    moments = [Moment(one.started_at, attempt=one) for one in message.attempt_log.order_by("number")]
    about = Q(subject_type="mailing", subject_id=message.mailing_id)
    if message.client_id is not None:
        about |= Q(
            subject_type="client", subject_id=message.client_id, verb__in=("opt_out", "allow_again", "change")
        )
    entries = JournalEntry.objects.filter(about, at__gte=message.created_at)
    entries = entries.filter(Q(verb__in=TOLD_OF_MESSAGES) | Q(subject_type="client"))
    if message.sent_at is not None:
        entries = entries.filter(at__lte=message.sent_at)
    moments += [Moment(one.at, entry=one) for one in entries.order_by("at", "id")[:ENTRIES_OF_A_MESSAGE]]
    return sorted(moments, key=lambda moment: moment.mark)


def _entries(subject_type: str, subject_id: int, before: Mark | None, rows: int) -> list[Moment]:
    entries = JournalEntry.objects.filter(subject_type=subject_type, subject_id=subject_id)
    return [Moment(one.at, entry=one) for one in _below(entries, "at", before, ENTRY)[:rows]]


def _below(found: QuerySet[Any], name: str, before: Mark | None, rank: int) -> QuerySet[Any]:
    """Newest first, those that come after the mark."""
    found = found.order_by(f"-{name}", "-id")
    if before is None:
        return found
    if rank > before.rank:
        return found.filter(**{f"{name}__lt": before.at})
    if rank < before.rank:
        return found.filter(**{f"{name}__lte": before.at})
    # the first condition says to the index where to begin
    return found.filter(**{f"{name}__lte": before.at}).filter(
        Q(**{f"{name}__lt": before.at}) | Q(id__lt=before.id)
    )


def _newest(found: Iterable[Moment], rows: int) -> list[Moment]:
    return sorted(found, key=lambda moment: moment.mark, reverse=True)[:rows]
