"""The doorkeeper of a message's state: nobody else changes it.

Every transition is a conditional update with the rows locked in the same transaction, and writes its deltas
into the tally. A row in `sending` belongs to the claim whose token it carries, until its lease passes.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from clients.models import Client
from mailings import placeholders, policy, tally
from mailings.gateway import BEGIN_MARGIN_S, EXCERPT_LENGTH, Cause, Kind, Outcome
from mailings.models import Attempt, Mailing, MailingState, MailingZone, Message
from mailings.policy import Job, OnUnknown, Reason, State, Verdict

STEP = 2_000
OPEN = (State.QUEUED, State.SENDING)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What came of a job: to be written. `began_at` is an instant of the database's clock."""

    job: Job
    outcome: Outcome
    verdict: Verdict
    began_at: datetime
    duration_s: float


def claim(mailing: Mailing, places: int, *, now: datetime, lease_s: float) -> list[Job]:
    """Takes up to `places` due messages of a running mailing whose clients' windows are open now.

    They are `sending` afterwards, with one attempt more. Any number of workers may claim at once: each row is
    taken by one. A client who was deleted, opted out or moved in the meantime is not written to here.
    """
    if places <= 0 or not mailing.is_sendable(now):
        return []
    with transaction.atomic():
        rows = _due(mailing, _open_zones(mailing, now), places, now)
        if not rows:
            return []
        clients = _recipients(rows)
        fit = [row for row in rows if _still_fits(row, clients.get(row.client_id or 0))]
        if len(fit) < len(rows):
            fitting = {row.id for row in fit}
            _put_aside([row for row in rows if row.id not in fitting], clients, now)
        return _take(mailing, fit, clients, now=now, lease_s=lease_s)


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


def _due(mailing: Mailing, zones: Sequence[str], places: int, now: datetime) -> list[_Due]:
    """Locks due rows, zone by zone: each zone is one short range of the index."""
    rows: list[_Due] = []
    for zone in zones:
        found = (
            Message.objects.select_for_update(skip_locked=True)
            .filter(mailing=mailing, timezone=zone, state=State.QUEUED, due_at__lte=now)
            .order_by("due_at", "id")
            .values_list("id", "client_id", "timezone", "attempts", "strikes")[: places - len(rows)]
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


def _put_aside(rows: Sequence[_Due], clients: dict[int, _Recipient], now: datetime) -> None:
    """Rows whose client changed between the audience and now: stopped, or moved to his new zone."""
    for row in rows:
        client = clients.get(row.client_id or 0)
        if client is not None and client.opted_out_at is None:
            _move_zones([client.id])
            continue
        reason = Reason.CLIENT_DELETED if client is None else Reason.CLIENT_OPTED_OUT
        _shift([row.id], State.QUEUED, State.CANCELLED, reason, now=now)


def _take(
    mailing: Mailing, rows: Sequence[_Due], clients: dict[int, _Recipient], *, now: datetime, lease_s: float
) -> list[Job]:
    token, until = secrets.randbits(62), now + timedelta(seconds=lease_s)
    Message.objects.filter(id__in=[row.id for row in rows]).update(
        state=State.SENDING,
        reason=Reason.IN_FLIGHT,
        attempts=F("attempts") + 1,
        lease_until=until,
        lease_token=token,
    )
    _note(mailing.pk, State.QUEUED, State.SENDING, len(rows), now)
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


def settle(settlements: Sequence[Settlement], *, now: datetime) -> int:
    """Writes what came of claimed messages: state, attempt and tally in one transaction. Returns how many moved.

    Only rows that are still `sending` under the job's own token move; for the others somebody has decided
    already, and a late answer changes nothing.
    """
    if not settlements:
        return 0
    with transaction.atomic():
        held = _held([settlement.job for settlement in settlements])
        ours = [settlement for settlement in settlements if (settlement.job.id, settlement.job.token) in held]
        _write(ours, now)
        Attempt.objects.bulk_create(_attempt(settlement) for settlement in ours)
    return len(ours)


def _held(jobs: Iterable[Job]) -> set[tuple[int, int | None]]:
    """The id and token of each job whose row is still its own; locked from here on."""
    # a message may be there twice: under a lost token and under ours
    keys: set[tuple[int, int | None]] = {(job.id, job.token) for job in jobs}
    rows = (
        Message.objects.select_for_update()
        .filter(id__in={id_ for id_, _ in keys}, state=State.SENDING)
        .order_by("id")
        .values_list("id", "lease_token")
    )
    return keys.intersection(rows)


def _write(settlements: Sequence[Settlement], now: datetime) -> None:
    """Final states share one update; those that wait again have a due time each."""
    changes: tally.Changes = Counter()
    final: dict[tuple[State, Reason, int], list[int]] = {}
    waiting: list[Message] = []
    for settlement in settlements:
        verdict, job = settlement.verdict, settlement.job
        changes[job.mailing_id, State.SENDING] -= 1
        changes[job.mailing_id, verdict.state] += 1
        if verdict.due_at is None:
            final.setdefault((verdict.state, verdict.reason, verdict.strikes), []).append(job.id)
        else:
            waiting.append(_waiting(job, verdict))
    for (state, reason, strikes), ids in final.items():
        Message.objects.filter(id__in=ids).update(
            state=state,
            reason=reason,
            strikes=strikes,
            lease_until=None,
            lease_token=None,
            sent_at=now if state is State.SENT else None,
        )
    Message.objects.bulk_update(waiting, ["state", "reason", "due_at", "strikes", "lease_until", "lease_token"])
    tally.add(changes, now)


def _waiting(job: Job, verdict: Verdict) -> Message:
    assert verdict.due_at is not None
    return Message(
        id=job.id,
        state=verdict.state.value,
        reason=verdict.reason.value,
        due_at=verdict.due_at,
        strikes=verdict.strikes,
        lease_until=None,
        lease_token=None,
    )


def _attempt(settlement: Settlement) -> Attempt:
    outcome = settlement.outcome
    return Attempt(
        message_id=settlement.job.id,
        number=settlement.job.attempt,
        started_at=settlement.began_at,
        duration_ms=round(settlement.duration_s * 1000),
        outcome=outcome.kind.value,
        cause=outcome.cause.value,
        http_status=outcome.http_status,
        detail=outcome.detail[:EXCERPT_LENGTH],
    )


def release(jobs: Sequence[Job], *, now: datetime) -> int:
    """Puts claimed messages back that were not begun. It costs them no attempt. Returns how many."""
    if not jobs:
        return 0
    with transaction.atomic():
        held = _held(jobs)
        Message.objects.filter(id__in=[id_ for id_, _ in held]).update(
            state=State.QUEUED,
            reason=Reason.TURN,
            attempts=F("attempts") - 1,
            lease_until=None,
            lease_token=None,
        )
        for mailing_id, number in Counter(job.mailing_id for job in jobs if (job.id, job.token) in held).items():
            _note(mailing_id, State.SENDING, State.QUEUED, number, now)
    return len(held)


def recover(*, now: datetime, lease_s: float, chance: Callable[[], float]) -> int:
    """Settles messages whose lease has passed: their worker is gone, and they may have been sent."""
    with transaction.atomic():
        rows = (
            Message.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=State.SENDING, lease_until__lt=now)
            .select_related("mailing")
            .order_by("lease_until", "id")[:STEP]
        )
        outcome = Outcome(
            Kind.UNKNOWN, Cause.WORKER_LOST, detail="the worker was gone before it wrote the outcome"
        )
        settlements = [
            Settlement(
                job,
                outcome,
                policy.verdict(outcome, job, now, chance()),
                job.lease_until - timedelta(seconds=lease_s),
                lease_s,
            )
            for job in map(_job_of_lost, rows)
        ]
        return settle(settlements, now=now)


def _job_of_lost(message: Message) -> Job:
    mailing = message.mailing
    assert message.lease_token is not None
    assert message.lease_until is not None
    return Job(
        id=message.pk,
        mailing_id=mailing.pk,
        phone="",
        text="",
        attempt=message.attempts,
        strikes=message.strikes,
        token=message.lease_token,
        lease_until=message.lease_until,
        ends_at=mailing.ends_at,
        on_unknown=OnUnknown(mailing.on_unknown),
    )


def close(mailing: Mailing, *, now: datetime) -> bool:
    """Closes a step of the waiting messages of a mailing that is over. True when none is open any more.

    Expired when the end came, cancelled when a person stopped it, unknown when an attempt may have sent it.
    What is in flight is left to its outcome.
    """
    cancelled = mailing.state == MailingState.CANCELLED
    with transaction.atomic():
        rows = dict(
            Message.objects.select_for_update(skip_locked=True)
            .filter(mailing=mailing, state=State.QUEUED)
            .order_by("id")
            .values_list("id", "attempts")[:STEP]
        )
        ends: dict[tuple[State, Reason], list[int]] = {}
        doubtful = _doubtful([id_ for id_, attempts in rows.items() if attempts])
        for id_, attempts in rows.items():
            end = policy.end_of_waiting(tried=attempts > 0, doubtful=id_ in doubtful, cancelled=cancelled)
            ends.setdefault(end, []).append(id_)
        for (state, reason), ids in ends.items():
            _shift(ids, State.QUEUED, state, reason, now=now)
    return not Message.objects.filter(mailing=mailing, state__in=OPEN).exists()


def _doubtful(ids: Sequence[int]) -> set[int]:
    """Those of them that an earlier attempt may have sent after all."""
    unknown = Attempt.objects.filter(message__in=ids, outcome=Kind.UNKNOWN.value)
    return set(unknown.order_by().values_list("message", flat=True))


def stop_clients(client_ids: Sequence[int], reason: Reason, *, now: datetime) -> int:
    """Cancels what waits for these clients; what is in flight is left to its outcome. Returns how many."""
    waiting = Message.objects.filter(client__in=client_ids, state=State.QUEUED)
    with transaction.atomic():
        ids = list(waiting.select_for_update().order_by("id").values_list("id", flat=True))
        return _shift(ids, State.QUEUED, State.CANCELLED, reason, now=now)


def forget_clients(client_ids: Sequence[int]) -> None:
    """Cuts the tie between messages and clients who are about to be deleted. The counts stay."""
    Message.objects.filter(client__in=client_ids).update(client=None)


def move_zones(client_ids: Sequence[int]) -> None:
    """Waiting messages follow their clients into another time zone."""
    with transaction.atomic():
        _move_zones(client_ids)


def _move_zones(client_ids: Sequence[int]) -> None:
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


def requeue_failed(mailing: Mailing, *, now: datetime) -> int:
    """Puts the failed messages of a mailing back, with all their tries before them again. Returns how many."""
    with transaction.atomic():
        number = Message.objects.filter(mailing=mailing, state=State.FAILED).update(
            state=State.QUEUED, reason=Reason.RETRY_BY_HAND, strikes=0, due_at=now
        )
        _note(mailing.pk, State.FAILED, State.QUEUED, number, now)
    return number


def _shift(ids: Sequence[int], before: State, after: State, reason: Reason, *, now: datetime) -> int:
    """Moves locked rows from one state to another and tells the tally."""
    if not ids:
        return 0
    rows = Message.objects.filter(id__in=ids, state=before)
    per_mailing = Counter(rows.values_list("mailing", flat=True))
    moved = rows.update(state=after, reason=reason)
    for mailing_id, number in per_mailing.items():
        _note(mailing_id, before, after, number, now)
    return moved


def _note(mailing_id: int, before: State, after: State, number: int, now: datetime) -> None:
    tally.add({(mailing_id, before): -number, (mailing_id, after): number}, now)


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
