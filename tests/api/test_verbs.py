"""The verbs of mailings through the API."""

import pytest

from mailings import audience, clock
from mailings.gateway import Cause
from mailings.models import Mailing
from mailings.policy import Reason, State, Verdict
from mailings.queue import settle
from tests.api.programs import Program, fields
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


BODIES: dict[str, list[object]] = {"PATCH": [{}], "POST/unknown": [{"decision": "sent"}]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/messages"),
        ("GET", "/statistics"),
        *(("POST", f"/{verb}") for verb in ("launch", "pause", "resume", "cancel", "duplicate", "retry-failed")),
        ("POST", "/unknown"),
    ],
)
def test_a_mailing_that_is_not_there_is_told_so(operator: Program, method: str, path: str) -> None:
    deleted = make_mailing()
    operator.delete(f"/mailings/{deleted.pk}")

    for mailing_id in (deleted.pk, deleted.pk + 1, 2**63 - 1):
        answer = operator.send(method, f"/mailings/{mailing_id}{path}", *BODIES.get(method + path, []))
        assert (answer.status_code, answer.json()) == (404, {"detail": "Mailing not found"})


# -- unknown messages ----------------------------------------------------------------------------------


def make_held(number: int, *, waiting: int = 0) -> Mailing:
    """A running mailing that holds so many messages, of all its recipients."""
    mailing = make_running_mailing(number + waiting, on_unknown="hold")
    jobs = make_jobs(mailing, number)
    settle(make_settlements(jobs, HELD, make_outcome(Cause.NO_ANSWER)), now=clock.now())
    return mailing


HELD = Verdict(State.UNKNOWN, Reason.NO_ANSWER)


@pytest.mark.parametrize(
    ("decision", "reason"),
    [("resend", "retry_by_hand"), ("sent", "accepted_by_hand"), ("failed", "given_up_by_hand")],
)
@pytest.mark.parametrize("body", [{}, {"message_ids": None}])
def test_all_unknown_messages_are_decided_about(
    operator: Program, decision: str, reason: str, body: dict[str, None]
) -> None:
    mailing = make_held(2, waiting=1)

    answer = operator.post(f"/mailings/{mailing.pk}/unknown", {"decision": decision, **body})

    assert answer.status_code == 200
    state = "queued" if decision == "resend" else decision
    assert (answer.json()["by_state"]["unknown"], answer.json()["id"]) == (0, mailing.pk)
    decided = operator.get(f"/mailings/{mailing.pk}/messages", reason=reason).json()["items"]
    assert [message["state"] for message in decided] == [state, state]


def test_some_unknown_messages_are_decided_about(operator: Program) -> None:
    mailing = make_held(3)
    first, second, third = sorted(mailing.messages.values_list("id", flat=True))
    path = f"/mailings/{mailing.pk}/unknown"

    operator.post(path, {"decision": "sent", "message_ids": [first]})
    again = operator.post(path, {"decision": "failed", "message_ids": [first, second]})

    assert again.status_code == 200
    counts = again.json()["by_state"]
    assert (counts["sent"], counts["failed"], counts["unknown"]) == (1, 1, 1)
    assert operator.get(f"/messages/{third}").json()["state"] == "unknown"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, ["body", "decision"]),
        ({"decision": "retry"}, ["body", "decision"]),
        ({"decision": "sent", "message_ids": []}, ["body", "message_ids"]),
        ({"decision": "sent", "message_ids": [0]}, ["body", "message_ids", 0]),
        ({"decision": "sent", "message_ids": list(range(1, 502))}, ["body", "message_ids"]),
        ({"decision": "sent", "messages": [1]}, ["body", "messages"]),
        ({"decision": "sent", "message_ids": [10**9]}, ["body", "message_ids"]),
    ],
)
def test_a_decision_that_cannot_be_changes_nothing(
    operator: Program, body: dict[str, object], place: list[str]
) -> None:
    mailing = make_held(1)

    assert fields(operator.post(f"/mailings/{mailing.pk}/unknown", body)) == [place]

    assert operator.get(f"/mailings/{mailing.pk}").json()["by_state"]["unknown"] == 1


def test_a_message_that_was_never_in_doubt_is_named_in_the_refusal(operator: Program) -> None:
    mailing = make_held(1, waiting=1)
    waiting = mailing.messages.get(state="queued").pk
    every = list(mailing.messages.values_list("id", flat=True))

    answer = operator.post(f"/mailings/{mailing.pk}/unknown", {"decision": "sent", "message_ids": every})

    assert answer.status_code == 409
    assert answer.json() == {"detail": f"There is nothing to decide about these messages: {waiting}"}
    assert operator.get(f"/mailings/{mailing.pk}").json()["by_state"]["unknown"] == 1


def test_a_mailing_that_is_over_counts_but_does_not_send_again(operator: Program) -> None:
    mailing = make_held(1)
    operator.post(f"/mailings/{mailing.pk}/cancel")

    refused = operator.post(f"/mailings/{mailing.pk}/unknown", {"decision": "resend"})
    counted = operator.post(f"/mailings/{mailing.pk}/unknown", {"decision": "failed"})

    assert (refused.status_code, "sends nothing more" in refused.json()["detail"]) == (409, True)
    assert (counted.status_code, counted.json()["by_state"]["failed"]) == (200, 1)


# -- the rest ------------------------------------------------------------------------------------------


def test_a_duplicate_for_the_rest_names_its_source(operator: Program) -> None:
    mailing = make_held(1, waiting=2)
    path = f"/mailings/{mailing.pk}/duplicate"
    early = operator.post(path, {"only": "not_sent"})
    operator.post(f"/mailings/{mailing.pk}/cancel")

    answer = operator.post(path, {"only": "not_sent"})

    assert (early.status_code, "not over" in early.json()["detail"]) == (409, True)
    assert (answer.status_code, answer.json()["state"], answer.json()["rest_of"]) == (201, "draft", mailing.pk)
    copy = answer.json()["id"]
    assert operator.post(f"/mailings/{copy}/duplicate").json()["rest_of"] == mailing.pk
    assert operator.put(f"/mailings/{copy}", PUT).json()["rest_of"] == mailing.pk
    audience.materialise(operator.post(f"/mailings/{copy}/launch").json()["id"], now=clock.now())
    assert operator.get(f"/mailings/{copy}").json()["recipients"] == 2


PUT = {"text": "Once more", "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2990-01-01T00:00:00Z"}


@pytest.mark.parametrize("body", [{"only": "sent"}, {"only": True}, {"except": "sent"}])
def test_only_the_rest_can_be_duplicated(operator: Program, body: dict[str, object]) -> None:
    mailing = make_mailing()

    assert operator.post(f"/mailings/{mailing.pk}/duplicate", body).status_code == 422


@pytest.mark.parametrize("body", [{}, {"only": None}])
def test_without_only_a_duplicate_is_for_the_same_people(operator: Program, body: dict[str, object]) -> None:
    answer = operator.post(f"/mailings/{make_mailing().pk}/duplicate", body)

    assert (answer.status_code, answer.json()["rest_of"]) == (201, None)


def test_nobody_chooses_by_himself_whose_rest_a_mailing_is(operator: Program) -> None:
    mailing = make_mailing()

    for answer in (
        operator.patch(f"/mailings/{mailing.pk}", {"rest_of": mailing.pk}),
        operator.post("/mailings", PUT | {"rest_of": mailing.pk, "everyone": True}),
    ):
        assert fields(answer) == [["body", "rest_of"]]
