"""Taking messages: who is due, may be written to now, and is nobody else's."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from clients.models import Client
from mailings import chronicle, placeholders, tally, windows
from mailings.chronicle import Ids, Writer
from mailings.gateway import BEGIN_MARGIN_S
from mailings.models import Mailing, MailingState, Message
from mailings.policy import Job, OnUnknown, Reason, State, Traits
from mailings.queue.transitions import follow_clients, shift


def new_token() -> int:
    """What names one claim; nobody else's."""
    return secrets.randbits(62)


def claim(
    mailing: Mailing, places: int, *, now: datetime, lease_s: float, token: int | None = None, whose: str = ""
) -> list[Job]:
    """Takes up to `places` due messages of a running mailing whose clients' windows are open now.

    They are `sending` afterwards, with one attempt more. Any number of workers may claim at once: each row is
    taken by one. A client who was deleted, opted out or moved in the meantime is not written to here. Who brings
    a `token` can `undo` the claim when it is not known whether the database has heard of it. `whose` is the
    mailing's `chronicle.origin`.
    """
    if places <= 0 or not mailing.is_sendable(now):
        return []
    with transaction.atomic():
        rows = _due(mailing, _claimable_zones(mailing, now), places, now)
        if not rows:
            return []
        held = _hold_back(mailing, rows, now)
        free = [row for row in rows if row.id not in held]
        fit = [row for row in free if row.still_fits]
        if len(fit) < len(free):
            _put_aside([row for row in free if not row.still_fits], now)
        until, token = now + timedelta(seconds=lease_s), token or new_token()
        jobs = _take(mailing, fit, chronicle.about(mailing.pk, whose), token=token, until=until, now=now)
        chronicle.claimed(jobs)
        return jobs


# In SQL, because building these statements took Django longer than the database needs to answer them. Everything
# is asked for in the order of the index, also where the order is of no use: PostgreSQL then has no better plan.
_CLAIMABLE_ZONES = """
    SELECT zone.timezone
    FROM mailings_mailingzone AS zone JOIN mailings_mailing AS mailing ON mailing.id = zone.mailing_id
    WHERE mailing.id = %s AND mailing.state = 'running' AND mailing.deleted_at IS NULL AND mailing.ends_at > %s
      AND (SELECT message.id FROM mailings_message AS message
           WHERE message.mailing_id = zone.mailing_id AND message.timezone = zone.timezone
             AND message.state = 'queued' AND message.due_at <= %s
           ORDER BY message.due_at, message.id LIMIT 1) IS NOT NULL
    ORDER BY zone.timezone
"""
_DUE = """
    SELECT message.id, message.client_id, message.timezone, message.attempts, message.strikes, message.reason,
           message.operator_code, message.tag, client.phone, client.attributes,
           client.opted_out_at IS NULL AND client.timezone = message.timezone AS still_fits
    FROM mailings_message AS message LEFT JOIN clients_client AS client ON client.id = message.client_id
    WHERE message.mailing_id = %s AND message.timezone = %s
      AND message.state = 'queued' AND message.due_at <= %s
    ORDER BY message.due_at, message.id LIMIT %s
"""
_SKIP_LOCKED = "FOR UPDATE OF message SKIP LOCKED"


def _rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:  # columns of several types
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _claimable_zones(mailing: Mailing, now: datetime) -> list[str]:
    """The open zones in which something is due; none when the mailing was stopped since it was read."""
    moment = connection.ops.adapt_datetimefield_value(now)
    zones = [zone for (zone,) in _rows(_CLAIMABLE_ZONES, mailing.pk, moment, moment)]
    return _only_open(mailing, zones, now)


def _only_open(mailing: Mailing, zones: list[str], now: datetime) -> list[str]:
    """Those that may be written to, and not only for the next moment."""
    opened = windows.open_zones(mailing.window, zones, now)
    soon = now + timedelta(seconds=BEGIN_MARGIN_S)
    return [zone for zone in opened if windows.is_open(mailing.window, zone, soon)]


@dataclass(frozen=True, slots=True)
class _Due:
    id: int
    client_id: int | None
    timezone: str
    attempts: int
    strikes: int
    reason: str
    operator_code: str
    tag: str
    phone: str
    attributes: str
    still_fits: bool | None

    @property
    def traits(self) -> Traits:
        return self.operator_code, self.tag, self.timezone


def _due(mailing: Mailing, zones: Sequence[str], places: int, now: datetime) -> list[_Due]:
    """Locks due rows, zone by zone: each zone is one short range of the index. With each comes its client as he is
    now; where he was deleted, opted out or moved, it fits no more."""
    moment = connection.ops.adapt_datetimefield_value(now)
    sql = _DUE + (_SKIP_LOCKED if connection.features.has_select_for_update_skip_locked else "")
    rows: list[_Due] = []
    for zone in zones:
        rows += [_Due(*row) for row in _rows(sql, mailing.pk, zone, moment, places - len(rows))]
        if len(rows) >= places:
            break
    return rows


def _hold_back(mailing: Mailing, rows: Sequence[_Due], now: datetime) -> set[int]:
    """Rows that wait to be sent again, in a mailing that was told since then to hold them for a person."""
    doubtful = [row.id for row in rows if row.reason == Reason.RETRY_UNKNOWN]
    if mailing.on_unknown != OnUnknown.HOLD:
        return set()
    shift(doubtful, State.QUEUED, State.UNKNOWN, Reason.NO_ANSWER, now=now)
    return set(doubtful)


def _put_aside(rows: Sequence[_Due], now: datetime) -> None:
    """Rows whose client changed between the audience and now: stopped, or moved to his new zone."""
    clients = Client.objects.in_bulk([row.client_id for row in rows if row.client_id is not None])
    for row in rows:
        client = clients.get(row.client_id or 0)
        if client is not None and client.opted_out_at is None:
            follow_clients([client.id], now=now)
            continue
        reason = Reason.CLIENT_DELETED if client is None else Reason.CLIENT_OPTED_OUT
        shift([row.id], State.QUEUED, State.CANCELLED, reason, now=now)


def _take(
    mailing: Mailing, rows: Sequence[_Due], about: Writer, *, token: int, until: datetime, now: datetime
) -> list[Job]:
    Message.objects.filter(id__in=[row.id for row in rows]).update(
        state=State.SENDING,
        reason=Reason.IN_FLIGHT,
        attempts=F("attempts") + 1,
        lease_until=until,
        lease_token=token,
    )
    changes = tally.Changes()
    changes.come((mailing.pk, State.SENDING, Reason.IN_FLIGHT), *(row.traits for row in rows))
    for row in rows:
        changes.leave((mailing.pk, State.QUEUED, Reason(row.reason)), row.traits)
    tally.add(changes, now)
    closing = windows.closings(mailing.window, {row.timezone for row in rows}, now)
    return [
        Job(
            id=row.id,
            mailing_id=mailing.pk,
            phone=row.phone,
            text=placeholders.render(mailing.text, json.loads(row.attributes)),
            attempt=row.attempts + 1,
            strikes=row.strikes,
            token=token,
            lease_until=until,
            ends_at=mailing.ends_at,
            on_unknown=OnUnknown(mailing.on_unknown),
            closes_at=closing.get(row.timezone),
            traits=row.traits,
            is_doubtful=row.reason == Reason.RETRY_UNKNOWN,
            told=about(Ids(row.id, row.client_id)),
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
    return any(_claimable_zones(mailing, now) for mailing in running(now))
