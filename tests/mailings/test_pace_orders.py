"""What people order of the gateway, and what a check of it changes."""

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from accounts.refusals import Refused
from mailings import breaker, clock, pace
from mailings.breaker import Condition, Flow
from mailings.gateway import Cause, Kind, Outcome
from mailings.models import Gateway
from mailings.pace import Pace
from tests.makers import put_gateway as put

pytestmark = pytest.mark.django_db
SENT = Outcome(Kind.SENT, Cause.ACCEPTED, 200)
ERROR = Outcome(Kind.UNKNOWN, Cause.SERVER_ERROR, 500, "oops")
TOKEN = Outcome(Kind.NOT_SENT, Cause.UNAUTHORISED, 401, "bad token")


@pytest.fixture(autouse=True)
def _limits(settings: Settings) -> None:
    settings.GATEWAY_RATE = 0.0


@pytest.mark.parametrize("flow", [flow for flow in Flow if flow is not Flow.STOPPED])
def test_a_person_stops_it_from_every_state(flow: Flow) -> None:
    put(flow, until_s=1)

    row = pace.stop(SERVICE, reason="maintenance")

    assert (row.flow, row.detail, row.until) == (Flow.STOPPED, "maintenance", None)
    assert not pace.may_send(clock.now() + timedelta(days=1))
    assert Pace().allow(10, clock.now() + timedelta(days=1)) == pace.NOTHING
    assert JournalEntry.objects.get().verb == "stop"


@pytest.mark.parametrize("flow", [Flow.STOPPED, Flow.WAITING, Flow.BROKEN, Flow.UNAUTHORISED])
def test_a_person_resumes_it_carefully(flow: Flow) -> None:
    put(flow, until_s=None if flow is Flow.STOPPED else 100)

    row = pace.resume(SERVICE)

    assert (row.flow, row.level) == (Flow.RAMPING, breaker.RAMP_FIRST)
    assert JournalEntry.objects.get().verb == "resume"


def test_what_is_so_already_is_refused() -> None:
    put(Flow.STOPPED)
    with pytest.raises(Refused, match="stopped already"):
        pace.stop(SERVICE)
    put(Flow.RAMPING)
    with pytest.raises(Refused, match="in use"):
        pace.resume(SERVICE)
    put(Flow.FLOWING)
    with pytest.raises(Refused, match="in use"):
        pace.resume(SERVICE)


def test_a_check_probes_at_once_what_was_given_up() -> None:
    put(Flow.BROKEN, until_s=14)

    pace.check(SERVICE)

    assert pace.may_send(clock.now())
    answered = Outcome(Kind.REFUSED, Cause.REFUSED, 400, "no message in it")
    assert pace.checked(answered, duration_s=0.1, now=clock.now()).flow == Flow.BROKEN


def test_a_check_whose_token_is_taken_brings_it_back() -> None:
    put(Flow.UNAUTHORISED, until_s=50)
    pace.check(SERVICE)

    row = pace.checked(Outcome(Kind.REFUSED, Cause.REFUSED, 400, "no"), duration_s=0.25, now=clock.now())

    assert row.flow == Flow.RAMPING
    assert row.check_outcome == {
        "kind": "refused", "cause": "refused", "http_status": 400, "detail": "no", "retry_after_s": 0.0,
        "duration_ms": 250,
    }  # fmt: skip
    assert row.check_asked_at is not None
    assert row.checked_at is not None
    assert row.check_asked_at <= row.checked_at


def test_a_check_that_fails_is_kept_and_changes_nothing() -> None:
    put(Flow.FLOWING)

    row = pace.checked(ERROR, duration_s=0.25, now=clock.now())

    assert (row.flow, (row.check_outcome or {})["http_status"]) == (Flow.FLOWING, 500)


def test_a_check_with_a_refused_token_stops_all() -> None:
    put(Flow.FLOWING)

    assert pace.checked(TOKEN, duration_s=0.25, now=clock.now()).flow == Flow.UNAUTHORISED


def test_a_check_of_what_a_person_stopped_only_tells() -> None:
    put(Flow.STOPPED)

    row = pace.checked(SENT, duration_s=0.25, now=clock.now())

    assert (row.flow, (row.check_outcome or {})["http_status"]) == (Flow.STOPPED, 200)


def test_the_row_reads_as_its_condition() -> None:
    now = put(Flow.RAMPING, until_s=1, level=20)

    assert pace.condition(Gateway.objects.get()) == Condition(
        Flow.RAMPING, now - timedelta(minutes=1), now + timedelta(seconds=1), 20
    )
