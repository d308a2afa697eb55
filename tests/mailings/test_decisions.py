"""What a person decides about unknown messages: of one, of some, of more than one step, on both databases."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from accounts.refusals import Invalid, Refused
from clients import operations as directory
from mailings import clock, operations, policy, queue, tally
from mailings.gateway import Cause
from mailings.models import Errand, Mailing, MailingState, Message, MessageReason
from mailings.operations import decisions
from mailings.policy import MOVES, Decision, Job, Reason, State, Verdict
from mailings.queue import deciding
from tests.makers import (
    make_client,
    make_clients,
    make_jobs,
    make_mailing,
    make_outcome,
    make_running_mailing,
    make_settlements,
)

pytestmark = pytest.mark.django_db

RESEND, SENT, FAILED, RETRY = Decision
HELD = Verdict(State.UNKNOWN, Reason.NO_ANSWER)


def end(jobs: list[Job], verdict: Verdict = HELD, *, ago_s: float = 5.0) -> None:
    """The jobs come to this end; their requests were so long ago."""
    began_at = clock.now() - timedelta(seconds=ago_s)
    settlements = make_settlements(jobs, verdict, make_outcome(Cause.NO_ANSWER))
    queue.settle([replace(one, began_at=began_at) for one in settlements], now=clock.now())


def make_held(number: int, *, waiting: int = 0, **fields: object) -> Mailing:
    """A running mailing of which so many messages are held, and so many wait."""
    mailing = make_running_mailing(clients=number + waiting, **{"on_unknown": "hold", **fields})
    end(make_jobs(mailing, number))
    return mailing


def facts(mailing: Mailing) -> Counter[tuple[str, str]]:
    return Counter(mailing.messages.values_list("state", "reason"))


def ids(mailing: Mailing) -> list[int]:
    return list(mailing.messages.order_by("id").values_list("id", flat=True))


def last_entry() -> tuple[str, dict[str, object]]:
    entry = JournalEntry.objects.latest("id")
    return entry.verb, entry.details


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three messages a step, and nobody waits for the second."""
    monkeypatch.setattr(deciding, "PIECE", 3)
    monkeypatch.setattr(decisions, "PATIENCE_S", 0.0)
    monkeypatch.setattr(decisions, "ERRAND_S", -1.0)


def one_step() -> None:
    """What a beat of the clock does, when it has time for one step of each errand."""
    now = clock.now()
    for errand_id in Errand.objects.order_by("id").values_list("id", flat=True):
        decisions._carry_on(errand_id, now)


# -- what becomes of them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "state", "reason"),
    [
        (RESEND, State.QUEUED, Reason.RETRY_BY_HAND),
        (SENT, State.SENT, Reason.ACCEPTED_BY_HAND),
        (FAILED, State.FAILED, Reason.GIVEN_UP_BY_HAND),
    ],
)
def test_all_unknown_ones_follow_the_decision_and_the_others_stay(
    decision: Decision, state: State, reason: Reason
) -> None:
    mailing = make_held(2, waiting=1)

    decided = operations.decide(SERVICE, mailing.pk, decision)

    assert (decided.messages, decided.passed_over, decided.following) == (2, 0, 0)
    assert facts(mailing) == {(state, reason): 2, (State.QUEUED, Reason.TURN): 1}
    assert mailing.messages.filter(sent_at=None).count() == (1 if decision is SENT else 3)
    assert last_entry() == ("decide", {"decision": decision.value, "messages": 2})
    assert not Errand.objects.exists()
    assert tally.differences() == []


def test_only_the_named_ones_follow_the_decision() -> None:
    mailing = make_held(3)
    first, second, third = ids(mailing)

    decided = operations.decide(SERVICE, mailing.pk, SENT, [third, first, first])

    assert (decided.messages, decided.passed_over) == (2, 0)
    assert mailing.messages.get(state=State.UNKNOWN).pk == second
    assert last_entry() == ("decide", {"decision": "sent", "messages": 2, "named": 2})


def test_what_is_sent_again_has_all_its_tries_and_is_due_at_once() -> None:
    mailing = make_held(1)
    Message.objects.update(strikes=19, due_at=clock.now() + timedelta(hours=1))

    operations.decide(SERVICE, mailing.pk, RESEND)

    (job,) = make_jobs(mailing)
    assert (job.attempt, job.strikes) == (2, 0)


def test_who_moved_while_his_message_was_held_is_written_to_by_his_new_clock() -> None:
    client = make_client(timezone="UTC")
    mailing = make_running_mailing(on_unknown="hold")
    end(make_jobs(mailing))
    directory.change(SERVICE, client.pk, timezone="Asia/Tokyo")

    operations.decide(SERVICE, mailing.pk, RESEND)

    assert [job.phone for job in make_jobs(mailing)] == [client.phone]
    assert Message.objects.get().timezone == "Asia/Tokyo"


def test_a_mailing_that_holds_does_not_hold_the_old_attempt_again() -> None:
    mailing = make_held(1)
    operations.decide(SERVICE, mailing.pk, RESEND)

    jobs = make_jobs(mailing)
    assert len(jobs) == 1
    end(jobs)

    assert facts(mailing) == {(State.UNKNOWN, Reason.NO_ANSWER): 1}


def test_what_was_put_back_and_not_sent_before_the_end_may_have_been_sent() -> None:
    mailing = make_held(1)
    operations.decide(SERVICE, mailing.pk, RESEND)

    operations.finish_done(mailing.ends_at)
    operations.close_ended(mailing.ends_at)

    assert facts(mailing) == {(State.UNKNOWN, Reason.END_BEFORE_ANSWER): 1}


def test_a_mailing_finishes_once_everything_is_decided() -> None:
    mailing = make_held(2)
    assert operations.finish_done(clock.now()) == 0

    operations.decide(SERVICE, mailing.pk, FAILED)

    assert operations.finish_done(clock.now()) == 1


@pytest.mark.parametrize("decision", [SENT, FAILED])
@pytest.mark.parametrize("state", [MailingState.FINISHED, MailingState.CANCELLED])
def test_a_mailing_that_is_over_is_still_decided_about(decision: Decision, state: MailingState) -> None:
    mailing = make_held(2)
    if state == MailingState.CANCELLED:
        operations.cancel(SERVICE, mailing.pk)
    else:
        operations.finish_done(mailing.ends_at)

    assert operations.decide(SERVICE, mailing.pk, decision).messages == 2

    assert facts(mailing) == {(MOVES[decision].after, MOVES[decision].reason): 2}
    assert Mailing.objects.get(pk=mailing.pk).state == state
    assert tally.differences() == []


def test_nothing_to_decide_is_no_error() -> None:
    mailing = make_running_mailing(clients=1)

    assert operations.decide(SERVICE, mailing.pk, SENT).messages == 0

    assert facts(mailing) == {(State.QUEUED, Reason.TURN): 1}


def test_every_decision_leads_to_a_reason_with_a_sentence() -> None:
    assert MOVES.keys() == set(Decision)
    assert {str(move.reason) for move in MOVES.values()} <= set(MessageReason.values)
    assert [move for move in MOVES.values() if move.puts_back is not (move.after is policy.State.QUEUED)] == []


# -- refusals ------------------------------------------------------------------------------------------


def test_nothing_is_sent_again_by_a_mailing_that_is_over_or_past_its_end() -> None:
    over, past = make_held(1), make_held(1)
    operations.cancel(SERVICE, over.pk)
    Mailing.objects.filter(pk=past.pk).update(
        starts_at=clock.now() - timedelta(hours=1), ends_at=clock.now() - timedelta(seconds=1)
    )

    for mailing in (over, past):
        for named in (None, ids(mailing)):
            with pytest.raises(Refused, match="Count these messages as sent or as failed"):
                operations.decide(SERVICE, mailing.pk, RESEND, named)

    assert set(Message.objects.filter(state=State.UNKNOWN).values_list("mailing", flat=True)) == {over.pk, past.pk}


@pytest.mark.parametrize("draft", [True, False])
@pytest.mark.parametrize("decision", [RESEND, SENT, FAILED])
def test_what_has_not_started_has_nothing_to_decide_about(decision: Decision, draft: bool) -> None:
    mailing = make_mailing(draft=draft)

    with pytest.raises(Refused, match="has not started"):
        operations.decide(SERVICE, mailing.pk, decision)


def test_messages_of_other_mailings_are_named_and_nothing_changes() -> None:
    mailing, other = make_held(1), make_held(0, waiting=1)
    ours, theirs = ids(mailing), ids(other)

    with pytest.raises(Invalid) as raised:
        operations.decide(SERVICE, mailing.pk, SENT, [*ours, *theirs, 10**12])

    listed = ", ".join(map(str, [*theirs, 10**12]))
    assert raised.value.errors == {"message_ids": f"Not messages of this mailing: {listed}"}
    assert facts(mailing) == {(State.UNKNOWN, Reason.NO_ANSWER): 1}


def test_messages_that_were_never_in_doubt_are_named_and_nothing_changes() -> None:
    mailing = make_held(1, waiting=12)
    held = mailing.messages.get(state=State.UNKNOWN).pk
    never = [pk for pk in ids(mailing) if pk != held]

    with pytest.raises(Refused, match=r"nothing to decide about these messages: .*, …$") as raised:
        operations.decide(SERVICE, mailing.pk, SENT, ids(mailing))

    assert str(never[0]) in str(raised.value)
    assert f" {held}," not in str(raised.value)
    assert mailing.messages.get(state=State.UNKNOWN).pk == held


@pytest.mark.parametrize("number", [0, decisions.NAMED + 1])
def test_no_message_or_too_many_cannot_be_named(number: int) -> None:
    mailing = make_held(1)

    with pytest.raises(Invalid):
        operations.decide(SERVICE, mailing.pk, SENT, range(1, number + 1))


def test_whom_somebody_else_decided_about_is_passed_over_and_counted() -> None:
    mailing = make_held(3)
    first, second, third = ids(mailing)
    operations.decide(SERVICE, mailing.pk, FAILED, [first])
    operations.decide(SERVICE, mailing.pk, RESEND, [second])

    decided = operations.decide(SERVICE, mailing.pk, SENT, [first, second, third])

    assert (decided.messages, decided.passed_over) == (1, 2)
    states = dict(mailing.messages.values_list("id", "state"))
    assert states == {first: State.FAILED, second: State.QUEUED, third: State.SENT}


# -- more than one step --------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", list(Decision))
def test_whoever_dies_after_the_first_step_the_clock_goes_on(decision: Decision, small_steps: None) -> None:
    move = MOVES[decision]
    mailing = make_running_mailing(clients=8, on_unknown="hold")
    end(make_jobs(mailing), Verdict(State.FAILED, Reason.REFUSED) if decision is RETRY else HELD)

    if decision is RETRY:
        decided = operations.retry_failed(SERVICE, mailing.pk)
    else:
        decided = operations.decide(SERVICE, mailing.pk, decision)
    assert (decided.messages, decided.following) == (3, 5)
    said = JournalEntry.objects.get(verb="retry_failed" if decision is RETRY else "decide").details
    assert (said["messages"], said["following"]) == (3, 5)
    # sending has begun, and might be over before the next step: the mailing waits for it
    assert operations.finish_done(clock.now()) == 0

    for _ in range(3):
        one_step()

    assert facts(mailing) == {(move.after, move.reason): 8}
    assert last_entry() == ("finish_errand", {"decision": decision.value, "messages": 8})
    assert not Errand.objects.exists()
    assert tally.differences() == []


def test_what_came_into_doubt_after_the_decision_is_not_decided_by_it(small_steps: None) -> None:
    mailing = make_held(3, waiting=2)
    waiting = mailing.messages.filter(state=State.QUEUED)
    early, late = waiting.order_by("id").values_list("id", flat=True)
    jobs = {job.id: job for job in make_jobs(mailing)}
    end([jobs[early]])
    Errand.objects.create(
        mailing=mailing, decision=SENT.value, decided_at=clock.now() - timedelta(seconds=2), cursor=1, until=late
    )

    end([jobs[late]], ago_s=1.0)
    for _ in range(3):
        one_step()

    assert Message.objects.get(pk=early).state == State.SENT
    assert Message.objects.get(pk=late).state == State.UNKNOWN
    assert not Errand.objects.exists()


@pytest.mark.parametrize("stop", [operations.cancel, operations.delete])
def test_what_would_be_put_back_into_a_stopped_mailing_stays_as_it_is(stop: object, small_steps: None) -> None:
    mailing = make_held(7)
    operations.decide(SERVICE, mailing.pk, RESEND)
    assert callable(stop)

    stop(SERVICE, mailing.pk)
    one_step()
    while operations.close_ended(clock.now()):
        pass

    assert facts(mailing) == {(State.UNKNOWN, Reason.NO_ANSWER): 4, (State.UNKNOWN, Reason.END_BEFORE_ANSWER): 3}
    assert not Errand.objects.exists()
    assert not Mailing.objects.filter(closing=True).exists()


def test_a_person_waits_for_a_few_thousand_and_sees_them_done() -> None:
    make_clients(2_500)
    mailing = make_running_mailing(on_unknown="hold")
    end(make_jobs(mailing, 2_500))

    decided = operations.decide(SERVICE, mailing.pk, SENT)

    assert decided.messages + decided.following == 2_500
    while operations.carry_on_errands(clock.now()):
        pass
    assert facts(mailing) == {(State.SENT, Reason.ACCEPTED_BY_HAND): 2_500}
    assert tally.differences() == []
