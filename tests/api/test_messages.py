"""Messages and statistics through the API."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients.models import Client
from mailings import clock
from mailings.gateway import Cause
from mailings.models import Mailing, Message
from mailings.policy import Reason, State, Verdict
from mailings.queue import settle
from tests.api.programs import Program, fields
from tests.makers import (
    make_client,
    make_jobs,
    make_mailing,
    make_outcome,
    make_running_mailing,
    make_settlements,
)


@pytest.fixture
def mailing(db: None) -> Mailing:
    """Of three messages, one sent, one refused, one waiting."""
    make_client(phone="79001112233", tag="vip", timezone="Asia/Omsk")
    make_client(phone="79002223344", tag="vip", timezone="Europe/Moscow")
    make_client(phone="79053334455", tag="new", timezone="Europe/Moscow")
    mailing = make_running_mailing(name="Spring")
    accepted, refused = make_jobs(mailing, 2)
    settle(make_settlements([accepted], Verdict(State.SENT, Reason.ACCEPTED)), now=clock.now())
    answer = make_outcome(Cause.REFUSED, http_status=400, detail="no such number 79002223344")
    settle(make_settlements([refused], Verdict(State.FAILED, Reason.REFUSED), answer), now=clock.now())
    return mailing


def test_messages_of_a_mailing_come_newest_first_and_narrowed(operator: Program, mailing: Mailing) -> None:
    def listed(**query: object) -> list[tuple[int, str, str]]:
        items = operator.get(f"/mailings/{mailing.pk}/messages", **query).json()["items"]
        return [(item["id"], item["state"], item["reason"]) for item in items]

    sent, failed, queued = (message.pk for message in Message.objects.order_by("id"))
    whole = [(queued, "queued", "turn"), (failed, "failed", "refused"), (sent, "sent", "accepted")]
    assert listed() == whole
    assert listed(state="sent") == whole[2:]
    assert listed(reason="refused") == whole[1:2]
    assert listed(state="sent", reason="refused") == []
    assert fields(operator.get(f"/mailings/{mailing.pk}/messages", state="lost")) == [["query", "state"]]
    assert fields(operator.get(f"/mailings/{mailing.pk}/messages", reason="why")) == [["query", "reason"]]


def test_messages_are_found_by_mailing_client_and_state(operator: Program, mailing: Mailing) -> None:
    client = Client.objects.get(phone="79002223344")
    make_running_mailing(name="Another")

    def listed(**query: object) -> int:
        return len(operator.get("/messages", **query).json()["items"])

    assert (listed(), listed(mailing=mailing.pk), listed(client=client.pk)) == (6, 3, 2)
    assert listed(mailing=mailing.pk, client=client.pk, state="failed") == 1
    assert listed(mailing=10**9) == 0
    assert len(operator.get(f"/clients/{client.pk}/messages").json()["items"]) == 2


def test_a_message_is_read_with_every_attempt(operator: Program, mailing: Mailing) -> None:
    message = Message.objects.get(state="failed")

    shown = operator.get(f"/messages/{message.pk}").json()

    assert set(shown) == {
        "id",
        "mailing_id",
        "client_id",
        "state",
        "reason",
        "created_at",
        "sent_at",
        "due_at",
        "attempts",
        "attempt_log",
    }
    assert (shown["mailing_id"], shown["client_id"]) == (mailing.pk, message.client_id)
    assert (shown["state"], shown["reason"], shown["attempts"]) == ("failed", "refused", 1)
    [attempt] = shown["attempt_log"]
    assert attempt.pop("started_at").endswith("Z")
    assert attempt == {
        "number": 1,
        "duration_ms": 50,
        "outcome": "refused",
        "http_status": 400,
        "detail": "no such number 79002223344",
    }


def test_only_what_waits_has_a_due_time_and_only_what_was_sent_a_sending_time(
    operator: Program, mailing: Mailing
) -> None:
    items = operator.get("/messages").json()["items"]

    times = {item["state"]: (item["due_at"] is not None, item["sent_at"] is not None) for item in items}
    assert times == {"queued": (True, False), "failed": (False, False), "sent": (False, True)}


def test_a_viewer_sees_no_phone_in_what_the_gateway_said(viewer: Program, mailing: Mailing) -> None:
    message = Message.objects.get(state="failed")

    shown = viewer.get(f"/messages/{message.pk}").json()

    assert shown["attempt_log"][0]["detail"] == "no such number 7900•••••44"


def test_a_message_that_is_not_there_is_told_so(operator: Program) -> None:
    answer = operator.get("/messages/7")

    assert (answer.status_code, answer.json()) == (404, {"detail": "Message not found"})


def test_pieces_of_messages_hold_each_once(operator: Program) -> None:
    mailing = make_running_mailing(7)

    seen, cursor = [], ""
    while cursor is not None:
        piece = operator.get(f"/mailings/{mailing.pk}/messages", limit=3, cursor=cursor).json()
        seen += [message["id"] for message in piece["items"]]
        cursor = piece["next"]

    assert seen == sorted(Message.objects.values_list("id", flat=True), reverse=True)


@pytest.mark.parametrize("path", ["/messages", "/mailings/{mailing}/messages", "/clients/{client}/messages"])
def test_lists_of_messages_take_the_same_queries_at_any_length(operator: Program, path: str) -> None:
    mailing = make_running_mailing(1)
    address = path.format(mailing=mailing.pk, client=Client.objects.get().pk)
    operator.get(address)

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert operator.get(address).status_code == 200
        return len(caught)

    few = queries()
    for _ in range(5):
        make_running_mailing(5)

    assert queries() == few
    assert few <= 4


# -- statistics ----------------------------------------------------------------------------------------


def test_the_detailed_statistics_agree_with_the_messages(operator: Program, mailing: Mailing) -> None:
    shown = operator.get(f"/mailings/{mailing.pk}/statistics").json()

    def counts(**some: int) -> dict[str, int]:
        states = ["queued", "sending", "sent", "failed", "unknown", "expired", "cancelled"]
        return dict.fromkeys(states, 0) | some

    assert (shown["mailing_id"], shown["recipients"]) == (mailing.pk, 3)
    assert shown["by_state"] == counts(queued=1, sent=1, failed=1)
    assert shown["by_reason"] == {"accepted": 1, "refused": 1, "turn": 1}
    assert shown["by_tag"] == [
        {"value": "vip", "recipients": 2, "by_state": counts(sent=1, failed=1)},
        {"value": "new", "recipients": 1, "by_state": counts(queued=1)},
    ]
    assert [share["value"] for share in shown["by_operator_code"]] == ["900", "905"]
    assert [(share["value"], share["recipients"]) for share in shown["by_timezone"]] == [
        ("Europe/Moscow", 2),
        ("Asia/Omsk", 1),
    ]
    [minute] = shown["sent_per_minute"]
    assert minute["sent"] == 1
    assert minute["minute"].endswith(":00Z")


def test_the_overall_statistics_name_every_mailing_also_those_with_none(
    operator: Program, mailing: Mailing
) -> None:
    empty = make_mailing(name="Later", draft=True)

    shown = operator.get("/statistics").json()

    assert shown["totals"]["mailings"] == 2
    assert shown["totals"]["recipients"] == 3
    assert shown["totals"]["by_state"]["sent"] == 1
    assert [(entry["id"], entry["name"], entry["recipients"]) for entry in shown["mailings"]] == [
        (empty.pk, "Later", 0),
        (mailing.pk, "Spring", 3),
    ]
    assert shown["mailings"][1]["by_state"]["failed"] == 1


def test_the_overall_statistics_of_a_period_hold_the_mailings_that_start_in_it(operator: Program) -> None:
    now = clock.now()
    early, late = (
        make_mailing(starts_at=now + timedelta(days=days), ends_at=now + timedelta(days=30)) for days in (1, 3)
    )

    def listed(**query: str) -> list[int]:
        return [entry["id"] for entry in operator.get("/statistics", **query).json()["mailings"]]

    between = (now + timedelta(days=2)).isoformat()
    assert listed() == [late.pk, early.pk]
    assert listed(to=between) == [early.pk]
    assert listed(**{"from": between}) == [late.pk]
    assert listed(**{"from": late.starts_at.isoformat(), "to": late.starts_at.isoformat()}) == []
    assert listed(**{"from": late.starts_at.isoformat()}) == [late.pk]


@pytest.mark.parametrize("moment", ["2026-01-01", "2026-01-01T00:00:00", "yesterday", "0", "\x00"])
def test_a_period_is_bounded_by_instants(operator: Program, moment: str) -> None:
    assert fields(operator.get("/statistics", **{"from": moment})) == [["query", "from"]]
    assert fields(operator.get("/statistics", to=moment)) == [["query", "to"]]


def test_the_overall_statistics_take_the_same_queries_for_any_number(operator: Program) -> None:
    make_running_mailing(1)
    operator.get("/statistics")

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert operator.get("/statistics").status_code == 200
        return len(caught)

    few = queries()
    for _ in range(9):
        make_running_mailing()

    assert queries() == few == 3
