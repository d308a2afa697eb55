"""The steps that every move of a message is made of: rows locked by the caller, and the tally told."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from clients.models import Client
from mailings import chronicle, tally
from mailings.chronicle import Ids
from mailings.gateway import Kind
from mailings.models import Attempt, MailingZone, Message
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
    changes, found = tally.Changes(), defaultdict[int, list[Ids]](list)
    for mailing_id, why, id_, client_id, *traits in rows.values_list(
        "mailing", "reason", "id", "client", *tally.DIMENSIONS
    ):
        changes.leave((mailing_id, before, Reason(why)), tuple(traits))
        changes.come((mailing_id, after, reason), tuple(traits))
        found[mailing_id].append(Ids(id_, client_id))
    moved = rows.update(state=after, reason=reason, **fields)
    tally.add(changes, now)
    for mailing_id, messages in found.items():
        chronicle.moved(mailing_id, messages, before, after, reason)
    return moved


def doubtful(ids: Sequence[int]) -> set[int]:
    """Those of these messages that an earlier attempt may have sent after all."""
    unknown = Attempt.objects.filter(message__in=ids, outcome=Kind.UNKNOWN.value)
    return set(unknown.order_by().values_list("message", flat=True))


def move_zones(client_ids: Sequence[int], *, now: datetime) -> None:
    """Waiting messages follow their clients into another time zone."""
    with transaction.atomic():
        follow_clients(client_ids, now=now)


def follow_clients(client_ids: Sequence[int], *, now: datetime) -> None:
    """As `move_zones`, within the caller's transaction."""
    waiting = Message.objects.select_for_update().filter(client__in=client_ids, state=State.QUEUED).order_by("id")
    rows = list(waiting.values_list("id", "mailing", "client", "reason", *tally.DIMENSIONS))
    # only now: who moved while the rows were waited for has moved
    homes = dict(Client.objects.filter(id__in={row[2] for row in rows}).order_by().values_list("id", "timezone"))
    changes, movers = tally.Changes(), defaultdict[str, list[int]](list)
    for id_, mailing_id, client_id, reason, code, tag, zone in rows:
        if (home := homes.get(client_id, zone)) != zone:
            changes.leave((mailing_id, State.QUEUED, Reason(reason)), (code, tag, zone))
            changes.come((mailing_id, State.QUEUED, Reason(reason)), (code, tag, home))
            movers[home].append(id_)
    add_zones({(row[1], homes.get(row[2], row[-1])) for row in rows})
    for home, ids in movers.items():
        Message.objects.filter(id__in=ids).update(timezone=home)
    tally.add(changes, now)


def add_zones(pairs: Iterable[tuple[int, str]]) -> None:
    """Tells the claim that these mailings have messages in these zones."""
    MailingZone.objects.bulk_create(
        [MailingZone(mailing_id=mailing_id, timezone=zone) for mailing_id, zone in pairs], ignore_conflicts=True
    )
