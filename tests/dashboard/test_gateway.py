"""The gateway's page, and what other pages say of it."""

from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.models import JournalEntry
from accounts.roles import Role
from mailings import clock, pace
from mailings.breaker import Flow
from mailings.gateway import Cause, Kind, Outcome
from mailings.models import FLOW_SENTENCES, Gateway, Pulse
from tests.dashboard.conftest import browser_of
from tests.makers import make_running_mailing

pytestmark = pytest.mark.django_db
TROUBLE = [Flow.WAITING, Flow.BROKEN, Flow.UNAUTHORISED, Flow.STOPPED]


@pytest.fixture
def administrator(db: None) -> Browser:
    return browser_of(Role.ADMINISTRATOR)


def put(flow: Flow, **fields: object) -> None:
    now = clock.now()
    pace.current(now)
    Gateway.objects.update(flow=flow.value, since=now - timedelta(minutes=3), **fields)


def read(browser: Browser, name: str = "gateway", *args: int) -> str:
    answer = browser.get(reverse(name, args=args))
    assert answer.status_code == 200
    return answer.content.decode()


def press(browser: Browser, verb: str, **typed: str) -> str:
    answer = browser.post(reverse(f"gateway_{verb}"), typed, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def flow() -> str:
    return Gateway.objects.get().flow


@pytest.mark.parametrize("is_set", [True, False])
def test_the_page_says_when_no_gateway_is_set(is_set: bool, viewer: Browser, settings: Settings) -> None:
    settings.GATEWAY_IS_SET = is_set

    assert ("No gateway is set." in read(viewer)) is not is_set


@pytest.mark.parametrize("state", list(Flow))
def test_every_state_is_a_sentence(state: Flow, viewer: Browser) -> None:
    put(state, until=clock.now() + timedelta(seconds=9), detail="401 expired for 79001234567")

    page = read(viewer)

    assert str(FLOW_SENTENCES[state]) in page
    assert "401 expired for" in page
    assert "79001234567" not in page


def test_an_administrator_stops_and_resumes_sending(administrator: Browser) -> None:
    stopped = press(administrator, "stop", reason="Maintenance")
    state_between = flow()
    again = press(administrator, "stop")
    resumed = press(administrator, "resume")

    assert "Sending is stopped for all mailings" in stopped
    assert "Maintenance" in stopped
    assert state_between == Flow.STOPPED
    assert "Sending is stopped already" in again
    assert "Sending begins again, at first slowly" in resumed
    assert flow() == Flow.RAMPING
    assert [entry.verb for entry in JournalEntry.objects.order_by("id")] == ["stop", "resume"]


def test_an_operator_may_check_and_not_stop(operator: Browser) -> None:
    page = read(operator)

    assert reverse("gateway_check") in page
    assert reverse("gateway_stop") not in page
    assert operator.post(reverse("gateway_stop")).status_code == 403
    assert operator.post(reverse("gateway_resume")).status_code == 403
    assert not JournalEntry.objects.exists()


def test_a_reason_that_is_too_long_stops_nothing(administrator: Browser) -> None:
    page = press(administrator, "stop", reason="x" * 201)

    assert "200" in page
    assert flow() == Flow.FLOWING


def test_a_check_is_awaited_and_its_outcome_shown(operator: Browser) -> None:
    waiting = press(operator, "check")
    pace.checked(Outcome(Kind.REFUSED, Cause.REFUSED, 400), duration_s=0.04, now=clock.now())
    done = read(operator)

    assert "A worker is looking; the outcome appears here." in waiting
    assert 'data-poll="2"' in waiting
    assert "It is there and takes our token." in done
    assert "HTTP 400, 40 ms" in done
    assert "A worker is looking" not in done


def test_a_check_that_fails_says_what_was_met(operator: Browser) -> None:
    press(operator, "check")
    pace.checked(Outcome(Kind.NOT_SENT, Cause.NO_CONNECTION, detail="refused"), duration_s=0.01, now=clock.now())

    page = read(operator)

    assert "There was no connection to the gateway." in page
    assert "It is there" not in page


def test_the_answers_of_the_last_minutes_are_counted(viewer: Browser) -> None:
    now = clock.now()
    Pulse.objects.create(
        moment=now, cause="accepted", http_status=200, latency_ms=50, is_trouble=False, number=1_234
    )
    Pulse.objects.create(moment=now, cause="no_answer", latency_ms=10_000, is_trouble=True, number=66)

    page = read(viewer)

    assert "1,234" in page
    assert "No answer came in time" in page
    assert "≤ 50" in page
    assert "≤ 10,000" in page


@pytest.mark.parametrize("state", TROUBLE)
def test_pages_of_mailings_say_that_messages_wait_for_the_gateway(state: Flow, operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)
    put(state, until=clock.now() + timedelta(seconds=9))

    for page in (read(operator, "dashboard"), read(operator, "mailing", mailing.pk)):
        assert str(FLOW_SENTENCES[state]) in page
        assert reverse("gateway_check") in page


@pytest.mark.parametrize("state", [Flow.FLOWING, Flow.RAMPING])
def test_a_gateway_in_use_is_no_incident(state: Flow, operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)
    put(state)

    for page in (read(operator, "dashboard"), read(operator, "mailing", mailing.pk)):
        assert reverse("gateway_check") not in page


def test_the_fragment_is_what_the_page_first_showed(operator: Browser) -> None:
    whole = read(operator)

    fragment = operator.get(reverse("gateway"), headers={"HX-Request": "true"}).content.decode()

    assert fragment.lstrip().startswith('<div class="stack" id="gateway"')
    assert "<html" in whole
    assert "<html" not in fragment
