"""The steps that every move of a message is made of: rows locked by the caller, and the tally told."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, Subquery

from clients.models import Client
from mailings import tally
from mailings.models import MailingZone, Message
from mailings.policy import Reason, State

# how many rows one transaction of a sweep touches
STEP = 2_000
OPEN = (State.QUEUED, State.SENDING)


def shift(
    ids: Sequence[int], before: State, after: State, reason: Reason, *, now: datetime, **fields: object
) -> int:
    """Moves locked rows from one state to another, with further `fields`, and tells the tally."""
    if not ids:
        return 0
    rows = Message.objects.filter(id__in=ids, state=before)
    changes: tally.Changes = Counter()
    for mailing_id, why in rows.values_list("mailing", "reason"):
        changes[mailing_id, before, Reason(why)] -= 1
        changes[mailing_id, after, reason] += 1
    moved = rows.update(state=after, reason=reason, **fields)
    tally.add(changes, now)
    return moved


def move_zones(client_ids: Sequence[int]) -> None:
    """Waiting messages follow their clients into another time zone."""
    with transaction.atomic():
        follow_clients(client_ids)


def follow_clients(client_ids: Sequence[int]) -> None:
    """As `move_zones`, within the caller's transaction."""
    waiting = Message.objects.filter(client__in=client_ids, state=State.QUEUED)
    pairs = set(waiting.order_by().values_list("mailing", "client__timezone").distinct())
    if not pairs:
        return
    add_zones((mailing_id, zone) for mailing_id, zone in pairs)
    theirs = Client.objects.filter(pk=OuterRef("client_id")).values("timezone")[:1]
    waiting.update(timezone=Subquery(theirs))


def add_zones(pairs: Iterable[tuple[int, str]]) -> None:
    """Tells the claim that these mailings have messages in these zones."""
    MailingZone.objects.bulk_create(
        [MailingZone(mailing_id=mailing_id, timezone=zone) for mailing_id, zone in pairs], ignore_conflicts=True
    )
