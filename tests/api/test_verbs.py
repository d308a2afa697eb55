"""The verbs of mailings through the API."""

import pytest

from mailings.gateway import Cause
from mailings.models import Mailing
from mailings.policy import Reason, State, Verdict
from mailings.queue import settle
from tests.api.programs import Program
from tests.api.test_mailings import instant
from tests.makers import make_client, make_jobs, make_mailing, make_outcome, make_running_mailing, make_settlements


def test_a_draft_is_launched_into_the_schedule(operator: Program) -> None:
    make_client()
    mailing = make_mailing(draft=True)

    answer = operator.post(f"/mailings/{mailing.pk}/launch")

    assert (answer.status_code, answer.json()["state"]) == (200, "scheduled")


def test_a_draft_whose_start_is_past_begins_at_once(operator: Program) -> None:
    make_client()
    mailing = make_mailing(draft=True)
    operator.patch(f"/mailings/{mailing.pk}", {"starts_at": instant(hours=-1)})

    assert operator.post(f"/mailings/{mailing.pk}/launch").json()["state"] == "running"


def test_launching_for_nobody_must_be_allowed(operator: Program) -> None:
    mailing = make_mailing(draft=True)

    refused = operator.post(f"/mailings/{mailing.pk}/launch", {})
    assert (refused.status_code, refused.json()) == (404, {"detail": "No matches by filter"})

    allowed = operator.post(f"/mailings/{mailing.pk}/launch", {"allow_empty_audience": True})
    assert allowed.json()["state"] == "scheduled"


def test_an_overdue_draft_is_not_launched(operator: Program) -> None:
    make_client()
    mailing = make_mailing(draft=True)
    operator.patch(f"/mailings/{mailing.pk}", {"starts_at": instant(days=-2), "ends_at": instant(days=-1)})

    answer = operator.post(f"/mailings/{mailing.pk}/launch")

    assert (answer.status_code, answer.json()) == (422, {"detail": "Overdue mailing"})
    assert Mailing.objects.get().state == "draft"


def test_a_running_mailing_is_paused_resumed_and_cancelled(operator: Program) -> None:
    mailing = make_running_mailing(3)

    states = [operator.post(f"/mailings/{mailing.pk}/{verb}").json()["state"] for verb in ("pause", "resume")]
    cancelled = operator.post(f"/mailings/{mailing.pk}/cancel").json()

    assert states == ["paused", "running"]
    assert cancelled["state"] == "cancelled"
    assert (cancelled["recipients"], cancelled["by_state"]["cancelled"]) == (3, 3)
    assert cancelled["finished_at"] is not None


def test_a_duplicate_is_a_draft_with_the_same_plan(operator: Program) -> None:
    mailing = make_mailing(name="Spring", tags=("vip",))
    source = operator.get(f"/mailings/{mailing.pk}").json()

    answer = operator.post(f"/mailings/{mailing.pk}/duplicate")

    assert answer.status_code == 201
    copy = answer.json()
    assert (copy["state"], copy["id"] == source["id"]) == ("draft", False)
    for name in ("name", "text", "starts_at", "ends_at", "filter", "send_from", "send_until", "on_unknown"):
        assert copy[name] == source[name]


def test_the_failed_are_tried_again(operator: Program) -> None:
    mailing = make_running_mailing(3)
    verdict = Verdict(State.FAILED, Reason.REFUSED)
    settle(make_settlements(make_jobs(mailing, 2), verdict, make_outcome(Cause.REFUSED)), now=mailing.ends_at)
    assert operator.get(f"/mailings/{mailing.pk}").json()["by_state"]["failed"] == 2

    answer = operator.post(f"/mailings/{mailing.pk}/retry-failed")

    assert answer.status_code == 200
    assert (answer.json()["by_state"]["failed"], answer.json()["by_state"]["queued"]) == (0, 3)
    assert len(operator.get(f"/mailings/{mailing.pk}/messages", reason="retry_by_hand").json()["items"]) == 2


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("launch", "scheduled"),
        ("launch", "running"),
        ("launch", "cancelled"),
        ("pause", "draft"),
        ("pause", "scheduled"),
        ("pause", "paused"),
        ("resume", "draft"),
        ("resume", "running"),
        ("resume", "cancelled"),
        ("cancel", "cancelled"),
        ("retry-failed", "draft"),
        ("retry-failed", "scheduled"),
        ("retry-failed", "cancelled"),
    ],
)
def test_a_verb_out_of_place_is_refused_with_the_reason(operator: Program, verb: str, state: str) -> None:
    mailing = make_running_mailing(1) if state in ("running", "paused") else make_mailing(draft=state == "draft")
    for step in {"paused": ["pause"], "cancelled": ["cancel"]}.get(state, []):
        operator.post(f"/mailings/{mailing.pk}/{step}")

    answer = operator.post(f"/mailings/{mailing.pk}/{verb}")

    assert answer.status_code == 409
    assert len(answer.json()["detail"]) > 15
    assert operator.get(f"/mailings/{mailing.pk}").json()["state"] == state


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/messages"),
        ("GET", "/statistics"),
        *(("POST", f"/{verb}") for verb in ("launch", "pause", "resume", "cancel", "duplicate", "retry-failed")),
    ],
)
def test_a_mailing_that_is_not_there_is_told_so(operator: Program, method: str, path: str) -> None:
    deleted = make_mailing()
    operator.delete(f"/mailings/{deleted.pk}")

    for mailing_id in (deleted.pk, deleted.pk + 1, 2**63 - 1):
        answer = operator.send(method, f"/mailings/{mailing_id}{path}", *([{}] if method == "PATCH" else []))
        assert (answer.status_code, answer.json()) == (404, {"detail": "Mailing not found"})
