"""Taking messages: who is due, may be written to now, and is nobody else's."""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from clients.models import Client
from mailings import placeholders, policy, tally
from mailings.gateway import BEGIN_MARGIN_S
from mailings.models import Mailing, MailingState, MailingZone, Message
from mailings.policy import Job, OnUnknown, Reason, State
from mailings.queue.transitions import follow_clients, shift


def new_token() -> int:
    """What names one claim; nobody else's."""
    return secrets.randbits(62)


def claim(mailing: Mailing, places: int, *, now: datetime, lease_s: float, token: int | None = None) -> list[Job]:
    """Takes up to `places` due messages of a running mailing whose clients' windows are open now.

    They are `sending` afterwards, with one attempt more. Any number of workers may claim at once: each row is
    taken by one. A client who was deleted, opted out or moved in the meantime is not written to here. Who brings
    a `token` can `undo` the claim when it is not known whether the database has heard of it.
    """
    if places <= 0 or not mailing.is_sendable(now):
        return []
    with transaction.atomic():
        rows = _due(mailing, _open_zones(mailing, now), places, now)
        if not rows:
            return []
        clients = _recipients(rows)
        held = _hold_back(mailing, rows, now)
        free = [row for row in rows if row.id not in held]
        fit = [row for row in free if _still_fits(row, clients.get(row.client_id or 0))]
        if len(fit) < len(free):
            fitting = held | {row.id for row in fit}
            _put_aside([row for row in rows if row.id not in fitting], clients, now)
        return _take(
            mailing, fit, clients, token=token or new_token(), until=now + timedelta(seconds=lease_s), now=now
        )


def _open_zones(mailing: Mailing, now: datetime) -> list[str]:
    """The zones that may be written to, and not only for the next moment; none when the mailing was stopped since
    it was read."""
    still = Q(mailing__state=MailingState.RUNNING, mailing__deleted_at=None, mailing__ends_at__gt=now)
    zones = MailingZone.objects.filter(still, mailing=mailing).order_by("timezone")
    opened = policy.open_zones(mailing.window, list(zones.values_list("timezone", flat=True)), now)
    soon = now + timedelta(seconds=BEGIN_MARGIN_S)
    return [zone for zone in opened if policy.is_open(mailing.window, zone, soon)]


@dataclass(frozen=True, slots=True)
class _Due:
    id: int
    client_id: int | None
    timezone: str
    attempts: int
    strikes: int
    reason: str


def _due(mailing: Mailing, zones: Sequence[str], places: int, now: datetime) -> list[_Due]:
    """Locks due rows, zone by zone: each zone is one short range of the index."""
    rows: list[_Due] = []
    for zone in zones:
        found = (
            Message.objects.select_for_update(skip_locked=True)
            .filter(mailing=mailing, timezone=zone, state=State.QUEUED, due_at__lte=now)
            .order_by("due_at", "id")
            .values_list("id", "client_id", "timezone", "attempts", "strikes", "reason")[: places - len(rows)]
        )
        rows += [_Due(*row) for row in found]
        if len(rows) >= places:
            break
    return rows


@dataclass(frozen=True, slots=True)
class _Recipient:
    id: int
    phone: str
    timezone: str
    opted_out_at: datetime | None
    attributes: dict[str, str]


def _recipients(rows: Sequence[_Due]) -> dict[int, _Recipient]:
    """The clients of the rows as they are now, by id; those who were deleted are missing."""
    found = Client.objects.filter(id__in=[row.client_id for row in rows if row.client_id is not None])
    columns = found.order_by().values_list("id", "phone", "timezone", "opted_out_at", "attributes")
    return {column[0]: _Recipient(*column) for column in columns}


def _still_fits(row: _Due, client: _Recipient | None) -> bool:
    return client is not None and client.opted_out_at is None and client.timezone == row.timezone


def _hold_back(mailing: Mailing, rows: Sequence[_Due], now: datetime) -> set[int]:
    """Rows that wait to be sent again, in a mailing that was told since then to hold them for a person."""
    doubtful = [row.id for row in rows if row.reason == Reason.RETRY_UNKNOWN]
    if mailing.on_unknown != OnUnknown.HOLD:
        return set()
    shift(doubtful, State.QUEUED, State.UNKNOWN, Reason.NO_ANSWER, now=now)
    return set(doubtful)


def _put_aside(rows: Sequence[_Due], clients: dict[int, _Recipient], now: datetime) -> None:
    """Rows whose client changed between the audience and now: stopped, or moved to his new zone."""
    for row in rows:
        client = clients.get(row.client_id or 0)
        if client is not None and client.opted_out_at is None:
            follow_clients([client.id])
            continue
        reason = Reason.CLIENT_DELETED if client is None else Reason.CLIENT_OPTED_OUT
        shift([row.id], State.QUEUED, State.CANCELLED, reason, now=now)


def _take(
    mailing: Mailing,
    rows: Sequence[_Due],
    clients: dict[int, _Recipient],
    *,
    token: int,
    until: datetime,
    now: datetime,
) -> list[Job]:
    Message.objects.filter(id__in=[row.id for row in rows]).update(
        state=State.SENDING,
        reason=Reason.IN_FLIGHT,
        attempts=F("attempts") + 1,
        lease_until=until,
        lease_token=token,
    )
    changes = Counter((mailing.pk, State.SENDING, Reason.IN_FLIGHT) for _ in rows)
    changes.subtract((mailing.pk, State.QUEUED, Reason(row.reason)) for row in rows)
    tally.add(changes, now)
    closing = policy.closings(mailing.window, {row.timezone for row in rows}, now)
    return [
        Job(
            id=row.id,
            mailing_id=mailing.pk,
            phone=clients[row.client_id or 0].phone,
            text=placeholders.render(mailing.text, clients[row.client_id or 0].attributes),
            attempt=row.attempts + 1,
            strikes=row.strikes,
            token=token,
            lease_until=until,
            ends_at=mailing.ends_at,
            on_unknown=OnUnknown(mailing.on_unknown),
            closes_at=closing.get(row.timezone),
        )
        for row in rows
    ]


def running(now: datetime) -> list[Mailing]:
    """The mailings that may send now; not those whose end is so near that nothing is begun any more."""
    last = now + timedelta(seconds=BEGIN_MARGIN_S)
    sendable = Mailing.objects.filter(state=MailingState.RUNNING, deleted_at=None, ends_at__gt=last)
    return list(sendable.order_by("id"))


def due_exists(now: datetime) -> bool:
    """Whether a claim right now would find anything."""
    due = Message.objects.filter(state=State.QUEUED, due_at__lte=now)
    found = (due.filter(mailing=mailing, timezone__in=_open_zones(mailing, now)) for mailing in running(now))
    return any(rows.exists() for rows in found)
