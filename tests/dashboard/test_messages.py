from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from clients.models import Client
from dashboard.wording import CAUSES, OUTCOMES, TONES
from mailings import clock, queries, queue
from mailings.gateway import Cause, Kind
from mailings.models import Message
from mailings.policy import Reason, State, Verdict
from tests.makers import make_client, make_jobs, make_outcome, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db


def settle(cause: Cause, verdict: Verdict, **fields: Any) -> Message:
    """One message that was attempted once."""
    make_client(attributes={"name": "Anna"})
    mailing = make_running_mailing(text="Hello {{ name }}")
    outcome = make_outcome(cause, **fields)
    queue.settle(make_settlements(make_jobs(mailing), verdict, outcome), now=clock.now())
    return Message.objects.get(mailing=mailing)


def read(browser: Browser, message: Message) -> str:
    return browser.get(reverse("message", args=[message.pk])).content.decode()


def test_a_message_tells_its_attempts_and_what_came_of_them(operator: Browser) -> None:
    refused = Verdict(State.FAILED, Reason.REFUSED)
    message = settle(Cause.REFUSED, refused, http_status=400, detail='{"error": "<b>bad number</b>"}')

    page = read(operator, message)

    assert "Hello Anna" in page
    assert "Attempt 1: refused" in page
    assert "The gateway refused the message, HTTP 400" in page
    assert "&lt;b&gt;bad number&lt;/b&gt;" in page
    assert "Refused by the gateway." in page


def test_a_message_that_waits_for_a_retry_moves_by_itself(operator: Browser) -> None:
    waits = Verdict(State.QUEUED, Reason.RETRY_THROTTLED, due_at=clock.now(), strikes=0)

    page = read(operator, settle(Cause.THROTTLED, waits))

    assert 'data-poll="2"' in page
    assert "not before" in page


def test_a_message_that_is_over_does_not(operator: Browser) -> None:
    page = read(operator, settle(Cause.ACCEPTED, Verdict(State.SENT, Reason.ACCEPTED)))

    assert "data-poll" not in page


def test_a_message_outlives_its_client(operator: Browser) -> None:
    message = settle(Cause.ACCEPTED, Verdict(State.SENT, Reason.ACCEPTED))
    operator.post(reverse("client_delete", args=[message.client_id]))

    page = read(operator, message)

    assert "deleted" in page
    assert "Hello Anna" not in page


def test_messages_are_narrowed_by_the_clients_phone(operator: Browser) -> None:
    make_client(phone="79211112233")
    make_client()
    make_running_mailing()

    found = operator.get(reverse("messages"), {"client": "111 22 33"}).context["page"].rows

    assert [row.client_id for row in found] == [Client.objects.get(phone="79211112233").pk]


@pytest.mark.parametrize(("state", "number"), [("sent", 2), ("queued", 3), ("failed", 0)])
def test_messages_are_narrowed_by_state_over_all_mailings(state: str, number: int, operator: Browser) -> None:
    mailing = make_running_mailing(clients=5)
    sent = make_settlements(make_jobs(mailing, 2), Verdict(State.SENT, Reason.ACCEPTED))
    queue.settle(sent, now=clock.now())
    deleted = make_running_mailing()
    operator.post(reverse("mailing_delete", args=[deleted.pk]))

    rows = operator.get(reverse("messages"), {"state": state}).context["page"].rows

    assert len(rows) == number
    assert {row.state for row in rows} <= {state}


def test_a_state_that_many_messages_have_is_not_looked_up_by_mailing(operator: Browser) -> None:
    mailing = make_running_mailing(clients=3)

    assert queries.mailings_with_few(State.QUEUED, few=2) is None
    assert queries.mailings_with_few(State.QUEUED, few=3) == [mailing.pk]
    assert queries.mailings_with_few(State.FAILED) == []


@pytest.mark.parametrize("number", [1, 30])
def test_the_number_of_queries_does_not_grow_with_the_messages(
    number: int, operator: Browser, django_assert_num_queries: Any
) -> None:
    make_running_mailing(clients=number)

    with django_assert_num_queries(3):
        operator.get(reverse("messages"))


def test_every_outcome_and_cause_has_words_and_a_colour() -> None:
    assert set(OUTCOMES) == set(TONES) == set(Kind)
    assert set(CAUSES) == set(Cause)
