"""Writing what came of claimed messages, and taking back those whose worker is gone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from mailings import chronicle, policy, tally, totals
from mailings.chronicle import Ids, Writer
from mailings.gateway import EXCERPT_LENGTH, Cause, Kind, Outcome
from mailings.models import Attempt, Message
from mailings.policy import Job, OnUnknown, Reason, State, Verdict
from mailings.queue.transitions import STEP, doubtful


@dataclass(frozen=True, slots=True)
class Settlement:
    """What came of a job: to be written. `began_at` is an instant of the database's clock."""

    job: Job
    outcome: Outcome
    verdict: Verdict
    began_at: datetime
    duration_s: float


def settle(settlements: Sequence[Settlement], *, now: datetime) -> int:
    """Writes what came of claimed messages: state, attempt and tally in one transaction. Returns how many moved.

    Only rows that are still `sending` under the job's own token move; for the others somebody has decided
    already, and a late answer changes nothing.
    """
    return len(settle_ours(settlements, now=now))


def settle_ours(settlements: Sequence[Settlement], *, now: datetime) -> list[Settlement]:
    """As `settle`; returns those that moved."""
    if not settlements:
        return []
    with transaction.atomic():
        held = _held([settlement.job for settlement in settlements])
        ours = [settlement for settlement in settlements if (settlement.job.id, settlement.job.token) in held]
        _write(ours, now)
        Attempt.objects.bulk_create(_attempt(settlement) for settlement in ours)
        _tell(settlements, ours)
    return ours


def _tell(settlements: Sequence[Settlement], ours: Sequence[Settlement]) -> None:
    chronicle.settled((one.job, one.outcome, one.verdict) for one in ours)
    if len(ours) < len(settlements):
        kept = {id(one) for one in ours}
        chronicle.too_late(one.job for one in settlements if id(one) not in kept)


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
    changes = tally.Changes()
    final: dict[tuple[State, Reason, int], list[int]] = {}
    waiting: list[Message] = []
    for settlement in settlements:
        verdict, job = settlement.verdict, settlement.job
        changes.leave((job.mailing_id, State.SENDING, Reason.IN_FLIGHT), job.traits)
        changes.come((job.mailing_id, verdict.state, verdict.reason), job.traits)
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
        mailing_id=settlement.job.mailing_id,
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
        return _put_back([job for job in jobs if (job.id, job.token) in held], now)


def _put_back(jobs: Sequence[Job], now: datetime) -> int:
    """The rows of these jobs are locked, and still theirs."""
    changes = tally.Changes()
    ids: dict[Reason, list[int]] = {Reason.TURN: [], Reason.RETRY_UNKNOWN: []}
    for job in jobs:
        reason = Reason.RETRY_UNKNOWN if job.is_doubtful else Reason.TURN
        changes.leave((job.mailing_id, State.SENDING, Reason.IN_FLIGHT), job.traits)
        changes.come((job.mailing_id, State.QUEUED, reason), job.traits)
        ids[reason].append(job.id)
    for reason, here in ids.items():
        Message.objects.filter(id__in=here).update(
            state=State.QUEUED,
            reason=reason,
            attempts=F("attempts") - 1,
            lease_until=None,
            lease_token=None,
        )
    tally.add(changes, now)
    chronicle.released(jobs)
    return len(jobs)


def undo(token: int, *, now: datetime) -> int:
    """Releases what was claimed under a token, nothing of which was begun. Returns how many."""
    with transaction.atomic():
        taken = Message.objects.select_for_update(of=("self",)).filter(state=State.SENDING, lease_token=token)
        jobs = _jobs_of(taken.select_related("mailing").order_by("id"))
        tried = doubtful([job.id for job in jobs if job.attempt > 1])
        return _put_back([replace(job, is_doubtful=job.id in tried) for job in jobs], now)


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
            for job in _jobs_of(rows)
        ]
        settled = settle(settlements, now=now)
        totals.add_lost(settled)
        return settled


def _jobs_of(messages: Iterable[Message]) -> list[Job]:
    writers: dict[int, Writer] = {}
    jobs = []
    for message in messages:
        if message.mailing_id not in writers:
            writers[message.mailing_id] = chronicle.about(message.mailing_id, chronicle.origin(message.mailing_id))
        jobs.append(_job_of(message, writers[message.mailing_id](Ids(message.pk, message.client_id))))
    return jobs


def _job_of(message: Message, told: str) -> Job:
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
        traits=(message.operator_code, message.tag, message.timezone),
        told=told,
    )
