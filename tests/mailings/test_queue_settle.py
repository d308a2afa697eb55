"""Settle, release and recover: what comes of claimed messages, and who may write it."""

from datetime import timedelta

import pytest

from accounts.journal import SERVICE
from mailings import clock, operations, policy, queue, tally
from mailings.gateway import Cause, Outcome
from mailings.models import Attempt, Mailing, Message
from mailings.policy import Job, Reason, State, Verdict
from mailings.queue import Settlement
from tests.makers import LEASE_S, make_jobs, make_outcome, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db

LATER = timedelta(seconds=90)
FINAL = [
    Verdict(State.SENT, Reason.ACCEPTED),
    Verdict(State.FAILED, Reason.REFUSED),
    Verdict(State.FAILED, Reason.TOO_MANY_ATTEMPTS, strikes=20),
    Verdict(State.EXPIRED, Reason.END_WHILE_RETRYING),
    Verdict(State.UNKNOWN, Reason.NO_ANSWER),
    Verdict(State.UNKNOWN, Reason.END_BEFORE_ANSWER),
]


def waiting(reason: Reason = Reason.RETRY_NOT_SENT, *, strikes: int = 0) -> Verdict:
    return Verdict(State.QUEUED, reason, due_at=clock.now() + LATER, strikes=strikes)


def recover(*, after_s: float = LEASE_S + 1, chance: float = 0.5) -> int:
    """Sweeps as if that many seconds had gone by."""
    return queue.recover(now=clock.now() + timedelta(seconds=after_s), lease_s=LEASE_S, chance=lambda: chance)


@pytest.mark.parametrize("verdict", FINAL, ids=lambda verdict: f"{verdict.state} {verdict.reason}")
def test_a_verdict_is_written_with_its_attempt_and_its_tally(verdict: Verdict) -> None:
    mailing = make_running_mailing(clients=3)
    jobs = make_jobs(mailing, 2)
    outcome = make_outcome(Cause.REFUSED, http_status=400, detail="no such phone")
    now = clock.now()

    assert queue.settle(make_settlements(jobs, verdict, outcome), now=now) == 2

    for message in mailing.messages.filter(pk__in=[job.id for job in jobs]):
        assert (message.state, message.reason, message.strikes) == (*verdict_facts(verdict), verdict.strikes)
        assert (message.lease_until, message.lease_token) == (None, None)
        assert message.sent_at == (now if verdict.state is State.SENT else None)
        attempt = message.attempt_log.get()
        assert (attempt.number, attempt.outcome, attempt.cause) == (1, "refused", "refused")
        assert (attempt.http_status, attempt.detail, attempt.duration_ms) == (400, "no such phone", 50)
    assert tally.counts([mailing.pk])[mailing.pk][verdict.state] == 2
    assert tally.differences() == []


def verdict_facts(verdict: Verdict) -> tuple[str, str]:
    return verdict.state.value, verdict.reason.value


def test_a_message_that_waits_again_is_due_at_its_own_time() -> None:
    mailing = make_running_mailing(clients=2)
    first, second = make_jobs(mailing)
    soon, late = (
        waiting(strikes=1),
        Verdict(State.QUEUED, Reason.RETRY_UNKNOWN, clock.now() + 2 * LATER, strikes=4),
    )

    queue.settle([*make_settlements([first], soon), *make_settlements([second], late)], now=clock.now())

    for job, verdict in ((first, soon), (second, late)):
        message = Message.objects.get(pk=job.id)
        assert (message.state, message.reason, message.strikes) == (*verdict_facts(verdict), verdict.strikes)
        assert message.due_at == verdict.due_at
        assert (message.lease_until, message.lease_token, message.attempts) == (None, None, 1)
    assert tally.differences() == []


def test_verdicts_of_all_kinds_and_of_several_mailings_are_written_together() -> None:
    mailings = [make_running_mailing(clients=7) for _ in range(2)]
    verdicts = [*FINAL, waiting()]

    settlements = [
        settlement
        for mailing in mailings
        for job, verdict in zip(make_jobs(mailing, 7), verdicts, strict=True)
        for settlement in make_settlements([job], verdict)
    ]

    assert queue.settle(settlements, now=clock.now()) == 14
    assert Attempt.objects.count() == 14
    assert tally.differences() == []


def test_settling_nothing_is_nothing() -> None:
    assert queue.settle([], now=clock.now()) == 0
    assert queue.release([], now=clock.now()) == 0


def test_settling_again_changes_nothing() -> None:
    mailing = make_running_mailing(clients=1)
    jobs = make_jobs(mailing)
    queue.settle(make_settlements(jobs, FINAL[0]), now=clock.now())
    before = list(Message.objects.values())

    assert queue.settle(make_settlements(jobs, FINAL[1]), now=clock.now()) == 0

    assert list(Message.objects.values()) == before
    assert Attempt.objects.count() == 1
    assert tally.differences() == []


@pytest.mark.parametrize("claimed_again", [False, True])
def test_a_late_worker_changes_nothing(claimed_again: bool) -> None:
    mailing = make_running_mailing(clients=2)
    late = make_jobs(mailing)
    assert recover(chance=0.0) == 2
    if claimed_again:
        Message.objects.update(due_at=clock.now())
        assert len(make_jobs(mailing)) == 2
    before = list(Message.objects.order_by("id").values())

    assert queue.settle(make_settlements(late, FINAL[0]), now=clock.now()) == 0
    assert queue.release(late, now=clock.now()) == 0

    assert list(Message.objects.order_by("id").values()) == before
    assert Attempt.objects.count() == 2
    assert tally.differences() == []


def test_a_batch_writes_only_what_is_still_its_own() -> None:
    mailing = make_running_mailing(clients=3)
    lost, kept = make_jobs(mailing, 1), make_jobs(mailing, 2)
    Message.objects.filter(pk=lost[0].id).update(lease_until=clock.now() - timedelta(seconds=1))
    assert recover(after_s=0) == 1

    assert queue.settle(make_settlements([*lost, *kept], FINAL[0]), now=clock.now()) == 2

    assert Message.objects.get(pk=lost[0].id).state == State.QUEUED
    assert tally.counts([mailing.pk])[mailing.pk][State.SENT] == 2
    assert tally.differences() == []


def test_releasing_costs_no_attempt() -> None:
    mailing = make_running_mailing(clients=2)
    jobs = make_jobs(mailing)

    assert queue.release(jobs, now=clock.now()) == 2

    for message in mailing.messages.all():
        assert (message.state, message.reason, message.attempts) == (State.QUEUED, Reason.TURN, 0)
    assert {job.attempt for job in make_jobs(mailing)} == {1}
    assert not Attempt.objects.exists()
    assert tally.differences() == []


def test_a_claim_that_nobody_heard_back_from_is_undone_at_no_cost() -> None:
    mailing = make_running_mailing(clients=3)
    token = queue.new_token()
    queue.claim(mailing, 2, now=clock.now(), lease_s=30, token=token)
    (other,) = queue.claim(mailing, 1, now=clock.now(), lease_s=30)

    assert queue.undo(token, now=clock.now()) == 2
    assert queue.undo(token, now=clock.now()) == 0

    states = dict(Message.objects.values_list("id", "state"))
    assert states.pop(other.id) == State.SENDING
    assert set(states.values()) == {State.QUEUED}
    assert set(Message.objects.filter(state=State.QUEUED).values_list("attempts", flat=True)) == {0}
    assert tally.differences() == []


def test_a_lost_workers_messages_are_sent_again_when_the_mailing_says_so() -> None:
    mailing = make_running_mailing(clients=2)
    (job, other) = make_jobs(mailing)
    queue.settle(make_settlements([other], FINAL[0]), now=clock.now())

    assert recover(after_s=LEASE_S - 1) == 0
    assert recover() == 1

    message = Message.objects.get(pk=job.id)
    assert (message.state, message.reason) == (State.QUEUED, Reason.RETRY_UNKNOWN)
    assert (message.strikes, message.attempts) == (0, 1)
    attempt = message.attempt_log.get()
    assert (attempt.outcome, attempt.cause, attempt.number) == ("unknown", "worker_lost", 1)
    assert abs(attempt.started_at + timedelta(seconds=LEASE_S) - job.lease_until) < timedelta(milliseconds=1)
    assert tally.differences() == []


def test_a_lost_workers_messages_are_held_when_the_mailing_says_so() -> None:
    mailing = make_running_mailing(clients=1, on_unknown="hold")
    make_jobs(mailing)

    assert recover() == 1

    message = mailing.messages.get()
    assert (message.state, message.reason) == (State.UNKNOWN, Reason.WORKER_LOST)
    assert tally.differences() == []


def test_a_lost_workers_messages_stay_unknown_after_the_end() -> None:
    mailing = make_running_mailing(clients=1, ends_at=clock.now() + timedelta(seconds=LEASE_S))
    make_jobs(mailing)

    assert recover() == 1
    operations.finish_done(mailing.ends_at)
    operations.close_ended(mailing.ends_at)

    message = mailing.messages.get()
    assert (message.state, message.reason) == (State.UNKNOWN, Reason.END_BEFORE_ANSWER)
    assert tally.differences() == []


@pytest.mark.parametrize("verb", [operations.pause, operations.cancel, operations.delete])
def test_what_is_in_flight_when_a_mailing_is_stopped_is_recorded(verb: object) -> None:
    mailing = make_running_mailing(clients=2)
    jobs = make_jobs(mailing, 1)
    assert callable(verb)
    verb(SERVICE, mailing.pk)

    assert queue.settle(make_settlements(jobs, FINAL[0]), now=clock.now()) == 1

    assert Message.objects.get(pk=jobs[0].id).state == State.SENT
    assert tally.differences() == []


def test_a_retry_of_a_cancelled_mailing_is_cancelled_in_the_end() -> None:
    mailing = make_running_mailing(clients=1)
    jobs = make_jobs(mailing)
    operations.cancel(SERVICE, mailing.pk)
    assert Mailing.objects.get().closing
    assert operations.close_ended(clock.now()) == 0

    queue.settle(make_settlements(jobs, waiting()), now=clock.now())
    assert operations.close_ended(clock.now()) == 1

    message = mailing.messages.get()
    assert (message.state, message.reason) == (State.CANCELLED, Reason.MAILING_CANCELLED)
    assert not Mailing.objects.get().closing
    assert tally.differences() == []


def test_an_attempts_number_follows_the_requests() -> None:
    mailing = make_running_mailing(clients=1)

    for _ in range(3):
        Message.objects.update(due_at=clock.now())
        jobs = make_jobs(mailing)
        queue.release(jobs, now=clock.now())
        jobs = make_jobs(mailing)
        queue.settle(make_settlements(jobs, waiting()), now=clock.now())

    assert list(Attempt.objects.values_list("number", flat=True)) == [1, 2, 3]
    assert mailing.messages.get().attempts == 3


def test_the_text_of_an_answer_is_kept_to_512_characters() -> None:
    jobs = make_jobs(make_running_mailing(clients=1))

    queue.settle(make_settlements(jobs, FINAL[1], make_outcome(Cause.REFUSED, detail="ё" * 600)), now=clock.now())

    assert Attempt.objects.get().detail == "ё" * 512


def test_twenty_strikes_over_the_queue_end_in_failed() -> None:
    mailing = make_running_mailing(clients=1)

    for _ in range(policy.STRIKES):
        Message.objects.update(due_at=clock.now())
        (job,) = make_jobs(mailing)
        queue.settle([settled(job, make_outcome(Cause.SERVER_ERROR, http_status=500))], now=clock.now())

    message = mailing.messages.get()
    assert (message.state, message.reason) == (State.FAILED, Reason.TOO_MANY_ATTEMPTS)
    assert (message.attempts, message.attempt_log.count()) == (20, 20)
    assert tally.differences() == []


def settled(job: Job, outcome: Outcome) -> Settlement:
    now = clock.now()
    return Settlement(job, outcome, policy.verdict(outcome, job, now, 0.0), began_at=now, duration_s=0.0)


@pytest.mark.parametrize("late_first", [True, False], ids=["late first", "late last"])
def test_a_late_answer_beside_the_present_one_of_the_same_message_changes_nothing(late_first: bool) -> None:
    mailing = make_running_mailing(clients=1)
    lost = make_jobs(mailing)
    recover(chance=0.0)
    now = clock.now() + timedelta(seconds=LEASE_S + 2)
    present = queue.claim(mailing, 1, now=now, lease_s=LEASE_S)
    late = make_settlements(lost, Verdict(State.FAILED, Reason.REFUSED), make_outcome(Cause.REFUSED))
    ours = make_settlements(present, Verdict(State.SENT, Reason.ACCEPTED))

    moved = queue.settle([*late, *ours] if late_first else [*ours, *late], now=now)

    assert moved == 1
    assert Message.objects.get().state == State.SENT
    assert [entry.outcome for entry in Attempt.objects.order_by("number")] == ["unknown", "sent"]
    assert tally.differences() == []
