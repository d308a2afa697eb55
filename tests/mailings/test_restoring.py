"""After a backup came back nothing is sent twice unless a person says so."""

from datetime import time, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from config.mail import Security, Server
from mailings import clock, letters, operations, pace, queue, tally
from mailings.breaker import Flow
from mailings.models import Letter, LetterState, Mailing, Message, Worker
from mailings.policy import Decision, Reason, State, Verdict
from tests.mailings.posting import subscribe
from tests.makers import (
    make_client,
    make_clients,
    make_jobs,
    make_letter,
    make_mailing,
    make_running_mailing,
    make_settlements,
)

pytestmark = pytest.mark.django_db


def restore() -> str:
    said = StringIO()
    call_command("after_restore", stdout=said)
    return said.getvalue()


def state_of(mailing: Mailing) -> str:
    return Mailing.objects.get(pk=mailing.pk).state


def test_what_was_open_waits_for_a_decision_and_nothing_is_sent() -> None:
    mailing = make_running_mailing(clients=6)
    accepted = Verdict(State.SENT, Reason.ACCEPTED)
    queue.settle(make_settlements(make_jobs(mailing, 2), accepted), now=clock.now())
    make_jobs(mailing, 1)

    said = restore()

    assert f"mailing {mailing.pk} (paused): 4 messages may have been sent" in said
    assert state_of(mailing) == "paused"
    assert not pace.may_send(clock.now())
    reasons = sorted(Message.objects.values_list("state", "reason"))
    assert reasons == [("sent", "accepted")] * 2 + [("unknown", "restored")] * 4
    assert tally.differences() == []


def test_a_mailing_that_would_have_started_since_is_held_whole() -> None:
    make_clients(3)
    mailing = make_mailing()
    Mailing.objects.filter(pk=mailing.pk).update(starts_at=clock.now() - timedelta(minutes=5))

    restore()

    assert state_of(mailing) == "paused"
    assert set(mailing.messages.values_list("state", flat=True)) == {"unknown"}
    assert mailing.messages.count() == 3


def test_a_mailing_that_began_and_ended_since_is_told_of() -> None:
    make_clients(3)
    mailing = make_mailing()
    past = clock.now() - timedelta(minutes=5)
    Mailing.objects.filter(pk=mailing.pk).update(starts_at=past - timedelta(hours=1), ends_at=past)

    said = restore()

    assert f"mailing {mailing.pk} (finished): 0 messages" in said


def test_what_has_not_begun_is_left_alone() -> None:
    make_clients(3)
    scheduled, draft = make_mailing(), make_mailing(draft=True)

    restore()

    assert (state_of(scheduled), state_of(draft)) == ("scheduled", "draft")
    assert not Message.objects.exists()


def test_letters_that_may_have_been_sent_since_are_sent_by_a_person_alone(settings: Settings) -> None:
    settings.REPORT_AT, settings.MAIL_SERVER = time(0), Server("127.0.0.1", 1, Security.NONE)
    subscribe("anna@example.com")
    for state in (LetterState.QUEUED, LetterState.QUEUED, LetterState.SENT):
        make_letter(state=state)
    letters.claim(clock.now())

    restore()

    assert not letters.is_due(clock.now())
    assert letters.post_due(clock.now()) == 0
    assert sorted(Letter.objects.values_list("state", flat=True)) == ["sent", "unknown", "unknown"]


def test_no_id_is_given_a_second_time() -> None:
    mailing = make_running_mailing(clients=2)
    last = max(mailing.messages.values_list("id", flat=True))
    last_client = make_client().pk

    restore()

    another = make_running_mailing(clients=1)
    assert min(another.messages.values_list("id", flat=True)) > last + 10**9
    assert make_client().pk > last_client + 10**8
    assert another.pk > mailing.pk + 10**6


def test_a_person_counts_some_as_sent_and_sends_the_rest() -> None:
    mailing = make_running_mailing(clients=5)
    restore()
    sent = list(mailing.messages.order_by("id").values_list("id", flat=True)[:3])

    operations.decide(SERVICE, mailing.pk, Decision.SENT, sent)
    operations.decide(SERVICE, mailing.pk, Decision.RESEND)
    operations.resume(SERVICE, mailing.pk)
    pace.resume(SERVICE)

    mailing.refresh_from_db()
    assert {job.id for job in make_jobs(mailing)} == set(
        mailing.messages.exclude(id__in=sent).values_list("id", flat=True)
    )


def test_called_again_it_goes_on_and_changes_nothing_that_is_done() -> None:
    mailing = make_running_mailing(clients=3)
    restore()
    operations.decide(SERVICE, mailing.pk, Decision.SENT)

    restore()

    assert set(mailing.messages.values_list("state", flat=True)) == {"sent"}
    assert JournalEntry.objects.filter(verb="restore").count() == 1
    assert pace.current(clock.now()).flow == Flow.STOPPED


def test_it_is_refused_while_a_worker_lives() -> None:
    make_running_mailing(clients=1)
    Worker.objects.create(pk="w", host="here", started_at=clock.now(), seen_at=clock.now())

    with pytest.raises(CommandError, match="stop every worker"):
        restore()

    assert pace.may_send(clock.now())
