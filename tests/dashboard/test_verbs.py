from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse

from dashboard.views import verbs
from mailings import clock, operations, queue
from mailings.models import Mailing, MailingState, Message
from mailings.policy import Reason, State, Verdict
from tests.makers import make_clients, make_jobs, make_mailing, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db


def press(browser: Browser, verb: str, mailing: Mailing, **typed: str) -> str:
    """Presses a button and reads the page that follows."""
    answer = browser.post(reverse(f"mailing_{verb}", args=[mailing.pk]), typed, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def state(mailing: Mailing) -> str:
    return Mailing.objects.get(pk=mailing.pk).state


def test_a_draft_is_launched(operator: Browser) -> None:
    make_clients(1)
    mailing = make_mailing(draft=True)

    page = press(operator, "launch", mailing)

    assert "Mailing launched" in page
    assert state(mailing) == MailingState.SCHEDULED


def test_a_draft_whose_start_is_past_runs_at_once(operator: Browser) -> None:
    make_clients(1)
    mailing = make_mailing(draft=True, starts_at=clock.now())

    press(operator, "launch", mailing)

    assert state(mailing) == MailingState.RUNNING


def test_a_draft_for_nobody_is_not_launched(operator: Browser) -> None:
    mailing = make_mailing(draft=True, tags=("nobody",))

    page = press(operator, "launch", mailing)

    assert "Nobody matches" in page
    assert state(mailing) == MailingState.DRAFT


def test_an_overdue_draft_is_not_launched(operator: Browser) -> None:
    make_clients(1)
    now = clock.now()
    mailing = make_mailing(draft=True, starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))

    page = press(operator, "launch", mailing)

    assert "Overdue mailing" in page
    assert state(mailing) == MailingState.DRAFT


def test_a_running_mailing_is_paused_and_resumed(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)

    paused = press(operator, "pause", mailing)
    state_between = state(mailing)
    resumed = press(operator, "resume", mailing)

    assert "Mailing paused: nothing new goes out" in paused
    assert state_between == MailingState.PAUSED
    assert "Mailing resumed" in resumed
    assert state(mailing) == MailingState.RUNNING


def test_a_verb_that_is_not_allowed_says_why(operator: Browser) -> None:
    mailing = make_mailing()

    page = press(operator, "pause", mailing)

    assert "Only a running mailing is paused" in page
    assert state(mailing) == MailingState.SCHEDULED


def test_the_review_of_cancelling_says_how_many_are_not_sent(operator: Browser) -> None:
    mailing = make_running_mailing(clients=3)

    page = operator.get(reverse("mailing_review", args=[mailing.pk, "cancel"])).content.decode()
    press(operator, "cancel", mailing)

    assert "3 messages that are not sent yet will not be sent." in page
    assert state(mailing) == MailingState.CANCELLED
    assert set(Message.objects.values_list("state", flat=True)) == {State.CANCELLED}


def test_a_deleted_mailing_disappears_from_the_list(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)

    page = press(operator, "delete", mailing)

    assert "Mailing deleted" in page
    assert "No mailings yet" in page


def test_a_copy_opens_in_the_form_as_a_draft(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1, text="Once more")

    answer = operator.post(reverse("mailing_duplicate", args=[mailing.pk]))

    copy = Mailing.objects.exclude(pk=mailing.pk).get()
    assert answer["Location"] == reverse("mailing_edit", args=[copy.pk])
    assert (copy.state, copy.text) == (MailingState.DRAFT, "Once more")


def test_failed_messages_are_tried_again(operator: Browser) -> None:
    mailing = make_running_mailing(clients=2)
    queue.settle(make_settlements(make_jobs(mailing), Verdict(State.FAILED, Reason.REFUSED)), now=clock.now())

    page = press(operator, "retry_failed", mailing)

    assert "2 messages are tried again" in page
    assert set(Message.objects.values_list("state", flat=True)) == {State.QUEUED}


def test_an_unknown_review_is_no_page(operator: Browser) -> None:
    mailing = make_mailing()

    assert operator.get(reverse("mailing_review", args=[mailing.pk, "explode"])).status_code == 404


@pytest.mark.once
@pytest.mark.parametrize("typed", ["", "10000", "yes"])
def test_above_ten_thousand_people_the_number_must_be_typed(typed: str, operator: Browser) -> None:
    make_clients(verbs.TYPED_ABOVE + 1)
    mailing = make_mailing(draft=True)

    page = press(operator, "launch", mailing, typed=typed, shown="10001")

    assert "the number you typed is not the one that was shown" in page
    assert "Type 10,001 to confirm" in page
    assert state(mailing) == MailingState.DRAFT


@pytest.mark.once
@pytest.mark.parametrize("typed", ["10001", "10,001", "10 001"])
def test_the_number_may_be_typed_as_it_is_shown(typed: str, operator: Browser) -> None:
    make_clients(verbs.TYPED_ABOVE + 1)
    mailing = make_mailing(draft=True)

    press(operator, "launch", mailing, typed=typed, shown="10001")

    assert state(mailing) == MailingState.SCHEDULED


def test_two_people_cancelling_at_once_both_read_what_happened(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)
    press(operator, "cancel", mailing)

    page = press(operator, "cancel", mailing)

    assert "The mailing is over already" in page


def test_a_mailing_that_started_meanwhile_says_so(operator: Browser) -> None:
    make_clients(1)
    mailing = make_mailing(draft=True, starts_at=clock.now())
    press(operator, "launch", mailing)

    page = press(operator, "launch", mailing)

    assert "was launched already" in page
    assert operations.finish_done(clock.now()) == 0


@pytest.mark.parametrize(("draft", "verb"), [(False, "launch"), (True, "cancel")])
def test_there_is_nothing_to_review_when_the_state_forbids_it(draft: bool, verb: str, operator: Browser) -> None:
    mailing = make_mailing(draft=draft)
    if draft:
        press(operator, "cancel", mailing)

    answer = operator.get(reverse("mailing_review", args=[mailing.pk, verb]))

    assert answer["Location"] == reverse("mailing", args=[mailing.pk])
