"""Two decide at once, or decide while the mailing ends, is claimed from, or its clients go."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from accounts.refusals import Refused
from clients import operations as directory
from clients.models import Client
from mailings import clock, operations, queue, tally
from mailings.gateway import Cause
from mailings.models import Errand, Mailing, MailingState, Message
from mailings.operations import decisions
from mailings.policy import Decision, Reason, State, Verdict
from mailings.queue import deciding
from tests.mailings.test_races import claim
from tests.makers import make_clients, make_jobs, make_outcome, make_running_mailing, make_settlements
from tests.threads import at_once, no_errors

pytestmark = pytest.mark.django_db(transaction=True)
HELD = Verdict(State.UNKNOWN, Reason.NO_ANSWER)
RESEND, SENT, FAILED = Decision.RESEND, Decision.SENT, Decision.FAILED


def make_held(number: int) -> Mailing:
    Client.objects.all().update(opted_out_at=clock.now())
    make_clients(number)
    mailing = make_running_mailing(on_unknown="hold")
    settlements = make_settlements(make_jobs(mailing, number), HELD, make_outcome(Cause.NO_ANSWER))
    began_at = clock.now() - timedelta(seconds=5)
    queue.settle([replace(one, began_at=began_at) for one in settlements], now=clock.now())
    return mailing


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what takes many steps takes few messages."""
    monkeypatch.setattr(deciding, "PIECE", 7)


def carry_on() -> None:
    while Errand.objects.exists():
        operations.carry_on_errands(clock.now())


def by_state(mailing: Mailing) -> Counter[str]:
    return Counter(mailing.messages.values_list("state", flat=True))


def test_of_two_decisions_about_one_message_the_first_holds() -> None:
    for _ in range(5):
        mailing = make_held(20)
        ids = list(mailing.messages.values_list("id", flat=True))

        results = no_errors(
            at_once(
                partial(operations.decide, SERVICE, mailing.pk, SENT, ids),
                partial(operations.decide, SERVICE, mailing.pk, FAILED, ids[::-1]),
            )
        )

        assert sorted((one.messages, one.passed_over) for one in results) == [(0, 20), (20, 0)]
        assert by_state(mailing) in ({"sent": 20}, {"failed": 20})
        assert tally.differences() == []


def test_two_decisions_about_all_share_them_and_none_is_left(small_steps: None) -> None:
    for _ in range(3):
        mailing = make_held(60)

        no_errors(
            at_once(
                partial(operations.decide, SERVICE, mailing.pk, SENT),
                partial(operations.decide, SERVICE, mailing.pk, FAILED),
                carry_on,
            )
        )
        carry_on()

        found = by_state(mailing)
        assert found["sent"] + found["failed"] == 60
        assert tally.differences() == []


def test_several_clocks_carry_an_errand_on_once(small_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "PATIENCE_S", 0.0)
    mailing = make_held(60)
    operations.decide(SERVICE, mailing.pk, RESEND)

    no_errors(at_once(carry_on, carry_on, carry_on))

    assert by_state(mailing) == {"queued": 60}
    entry = JournalEntry.objects.get(verb="finish_errand")
    assert entry.details == {"decision": "resend", "messages": 60}
    assert tally.differences() == []


@pytest.mark.parametrize("stop", ["finish", "cancel"])
def test_nothing_waits_in_a_mailing_that_ended_while_messages_were_put_back(stop: str, small_steps: None) -> None:
    for _ in range(5):
        mailing = make_held(30)

        def end(mailing: Mailing = mailing) -> object:
            if stop == "cancel":
                return operations.cancel(SERVICE, mailing.pk)
            return operations.finish_done(mailing.ends_at)

        decided, ended = at_once(partial(operations.decide, SERVICE, mailing.pk, RESEND), end)
        assert not isinstance(decided, Exception) or isinstance(decided, Refused)
        assert not isinstance(ended, Exception)
        for _ in range(30):
            operations.finish_done(mailing.ends_at)
            operations.carry_on_errands(mailing.ends_at)
            operations.close_ended(mailing.ends_at)

        assert Mailing.objects.get(pk=mailing.pk).state in (MailingState.FINISHED, MailingState.CANCELLED)
        # each may have been sent by its first attempt, put back or not
        assert by_state(mailing) == {"unknown": 30}
        assert not Mailing.objects.filter(closing=True).exists()
        assert not Errand.objects.exists()
        assert tally.differences() == []


def test_what_is_put_back_is_claimed_once(small_steps: None) -> None:
    mailing = make_held(40)

    _, first, second = no_errors(
        at_once(
            partial(operations.decide, SERVICE, mailing.pk, RESEND),
            lambda: [job for _ in range(10) for job in claim(mailing)],
            lambda: [job for _ in range(10) for job in claim(mailing)],
        )
    )
    carry_on()
    rest = claim(mailing, 40)

    taken = [job.id for job in [*first, *second, *rest]]
    assert sorted(taken) == sorted(mailing.messages.values_list("id", flat=True))
    assert {job.attempt for job in [*first, *second, *rest]} == {2}
    assert tally.differences() == []


def test_clients_who_go_meanwhile_are_not_written_to(small_steps: None) -> None:
    for _ in range(3):
        mailing = make_held(12)
        clients = [client for client in mailing.messages.values_list("client", flat=True) if client is not None]

        def go(clients: list[int] = clients) -> None:
            for place, client in enumerate(clients):
                (directory.delete if place % 2 else directory.opt_out)(SERVICE, client)

        no_errors(at_once(go, partial(operations.decide, SERVICE, mailing.pk, RESEND)))
        carry_on()

        assert claim(mailing, 12) == []
        assert Message.objects.filter(mailing=mailing, state=State.SENDING).count() == 0
        assert tally.differences() == []
