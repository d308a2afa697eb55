"""The gateway through the API: what it is like, and who may stop it."""

from datetime import timedelta

import pytest

from accounts.models import JournalEntry
from accounts.roles import Role
from mailings import clock, pace
from mailings.breaker import Flow
from mailings.gateway import Cause, Kind, Outcome
from mailings.models import Gateway, Pulse
from tests.api.programs import Program, fields


@pytest.fixture
def administrator(db: None) -> Program:
    return Program(Role.ADMINISTRATOR)


def answered(cause: Cause, latency_ms: int, number: int, *, status: int | None = 200, ago_s: float = 1) -> None:
    moment = clock.now() - timedelta(seconds=ago_s)
    Pulse.objects.create(
        moment=moment,
        cause=cause.value,
        http_status=status,
        latency_ms=latency_ms,
        is_trouble=False,
        number=number,
    )


def test_a_gateway_in_use_says_so(viewer: Program) -> None:
    shown = viewer.get("/gateway").json()

    assert (shown["state"], shown["sentence"]) == ("flowing", "Messages go out as they become due.")
    assert (shown["detail"], shown["next_at"], shown["check"]) == ("", None, None)
    assert shown["last_minutes"] == {
        "seconds": 300,
        "requests": 0,
        "answers": [],
        "p50_ms": None,
        "p95_ms": None,
        "p99_ms": None,
    }


def test_the_answers_of_the_last_five_minutes_are_counted(viewer: Program) -> None:
    answered(Cause.ACCEPTED, 50, 90)
    answered(Cause.ACCEPTED, 200, 5)
    answered(Cause.REFUSED, 50, 4, status=400)
    answered(Cause.NO_ANSWER, 10_000, 1, status=None)
    answered(Cause.ACCEPTED, 50, 1_000, ago_s=301)

    last = viewer.get("/gateway").json()["last_minutes"]

    assert last["requests"] == 100
    assert last["answers"] == [
        {"cause": "accepted", "http_status": 200, "number": 95},
        {"cause": "refused", "http_status": 400, "number": 4},
        {"cause": "no_answer", "http_status": None, "number": 1},
    ]
    assert (last["p50_ms"], last["p95_ms"], last["p99_ms"]) == (50, 200, 200)


def test_an_administrator_stops_and_resumes_it(administrator: Program) -> None:
    stopped = administrator.post("/gateway/stop", {"reason": "Maintenance"}).json()
    again = administrator.post("/gateway/stop")
    resumed = administrator.post("/gateway/resume").json()

    assert (stopped["state"], stopped["detail"], stopped["next_at"]) == ("stopped", "Maintenance", None)
    assert (again.status_code, again.json()) == (409, {"detail": "Sending is stopped already"})
    assert (resumed["state"], resumed["requests_per_second"] > 0) == ("ramping", True)
    entries = JournalEntry.objects.filter(subject_type="gateway").order_by("id")
    assert [entry.verb for entry in entries] == ["stop", "resume"]
    assert {entry.api_key for entry in entries} == {administrator.key}


def test_resuming_what_is_in_use_is_refused(administrator: Program) -> None:
    answer = administrator.post("/gateway/resume")

    assert answer.status_code == 409
    assert "Nothing holds the messages back" in answer.json()["detail"]


@pytest.mark.parametrize("verb", ["stop", "resume"])
def test_an_operator_neither_stops_nor_resumes_it(operator: Program, verb: str) -> None:
    answer = operator.post(f"/gateway/{verb}")

    assert (answer.status_code, answer.json()) == (403, {"detail": "This needs the role administrator"})
    assert not Gateway.objects.exclude(flow="flowing").exists()
    assert not JournalEntry.objects.filter(api_key=operator.key).exists()


def test_a_check_is_asked_for_and_its_outcome_read_later(operator: Program) -> None:
    asked = operator.post("/gateway/check").json()["check"]
    pace.checked(Outcome(Kind.NOT_SENT, Cause.UNAUTHORISED, 401, "expired"), duration_s=0.05, now=clock.now())
    seen = operator.get("/gateway").json()

    assert (asked["checked_at"], asked["outcome"]) == (None, None)
    assert seen["check"]["checked_at"] >= asked["asked_at"]
    assert (seen["check"]["outcome"], seen["check"]["cause"]) == ("not_sent", "unauthorised")
    assert (seen["check"]["http_status"], seen["check"]["detail"], seen["check"]["duration_ms"]) == (
        401,
        "expired",
        50,
    )
    assert (seen["state"], seen["detail"]) == ("unauthorised", "401 expired")


@pytest.mark.parametrize("flow", list(Flow))
def test_every_state_has_its_sentence(viewer: Program, flow: Flow) -> None:
    pace.current(clock.now())
    Gateway.objects.update(flow=flow.value, level=5, until=clock.now())

    shown = viewer.get("/gateway").json()

    assert shown["state"] == flow.value
    assert len(shown["sentence"]) > 20


@pytest.mark.parametrize("reason", ["x" * 201, "\x00", 7])
def test_a_reason_is_a_short_text(administrator: Program, reason: object) -> None:
    assert fields(administrator.post("/gateway/stop", {"reason": reason})) == [["body", "reason"]]
