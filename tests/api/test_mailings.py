"""Planning, reading and changing mailings through the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import JournalEntry
from clients.models import Client
from mailings import clock
from mailings.models import Mailing
from tests.api.programs import Program, fields
from tests.makers import make_client, make_mailing, make_running_mailing


def instant(**ahead: float) -> str:
    """So far from now, as a program in Moscow would write it."""
    return (clock.now() + timedelta(**ahead)).astimezone().isoformat()


def plan(**changes: Any) -> dict[str, Any]:
    """For the vip clients, from in an hour on for a day."""
    body = {
        "text": "Hello, {{ name|client }}",
        "starts_at": instant(hours=1),
        "ends_at": instant(days=1),
        "filter": {"operator_codes": [], "tags": ["vip"]},
    }
    return body | changes


@pytest.fixture
def vip(db: None) -> Client:
    return make_client(tag="vip")


def test_a_mailing_is_planned_and_answered_whole(operator: Program, vip: Client) -> None:
    answer = operator.post(
        "/mailings",
        {
            "name": "Spring",
            "text": "Hello, {{ name|client }}",
            "starts_at": "2030-03-01T09:00:00+03:00",
            "ends_at": "2030-03-03T21:00:00.5Z",
            "filter": {"operator_codes": ["900"], "tags": ["vip"]},
            "send_from": "09:00",
            "send_until": "21:00:30",
            "on_unknown": "hold",
        },
    )

    assert answer.status_code == 201
    shown = dict(answer.json())
    assert shown.pop("id") == Mailing.objects.get().pk
    assert shown.pop("created_at") == shown.pop("updated_at")
    assert shown == {
        "name": "Spring",
        "text": "Hello, {{ name|client }}",
        "starts_at": "2030-03-01T06:00:00Z",
        "ends_at": "2030-03-03T21:00:00.500000Z",
        "filter": {"operator_codes": ["900"], "tags": ["vip"]},
        "send_from": "09:00:00",
        "send_until": "21:00:30",
        "on_unknown": "hold",
        "rest_of": None,
        "state": "scheduled",
        "pause_reason": None,
        "recipients": 0,
        "by_state": dict.fromkeys(["queued", "sending", "sent", "failed", "unknown", "expired", "cancelled"], 0),
        "started_at": None,
        "finished_at": None,
        "attempts_forgotten_at": None,
        "messages_forgotten_at": None,
    }
    assert operator.get(f"/mailings/{answer.json()['id']}").json() == answer.json()


def test_what_is_left_out_takes_its_default(operator: Program, vip: Client) -> None:
    shown = operator.post("/mailings", plan()).json()

    assert (shown["name"], shown["send_from"], shown["send_until"]) == ("", None, None)
    assert shown["on_unknown"] == "resend"


def test_a_start_in_the_past_begins_at_once(operator: Program, vip: Client) -> None:
    shown = operator.post("/mailings", plan(starts_at=instant(hours=-1))).json()

    assert shown["state"] == "running"
    assert shown["started_at"] is not None


def test_a_draft_is_only_saved(operator: Program) -> None:
    answer = operator.post("/mailings", plan(draft=True, starts_at=instant(days=-3), ends_at=instant(days=-2)))

    assert (answer.status_code, answer.json()["state"]) == (201, "draft")


def test_an_end_in_the_past_is_refused_and_nothing_is_stored(operator: Program, vip: Client) -> None:
    answer = operator.post("/mailings", plan(starts_at=instant(days=-2), ends_at=instant(seconds=-1)))

    assert (answer.status_code, answer.json()) == (422, {"detail": "Overdue mailing"})
    assert not Mailing.objects.exists()
    assert not JournalEntry.objects.filter(subject_type="mailing").exists()


def test_a_filter_that_nobody_matches_is_refused_and_nothing_is_stored(operator: Program, vip: Client) -> None:
    answer = operator.post("/mailings", plan(filter={"tags": ["nobody"]}))

    assert (answer.status_code, answer.json()) == (404, {"detail": "No matches by filter"})
    assert not Mailing.objects.exists()


def test_nobody_matches_when_all_who_do_opted_out(operator: Program, vip: Client) -> None:
    operator.post(f"/clients/{vip.pk}/opt-out")

    assert operator.post("/mailings", plan()).status_code == 404


def test_an_empty_audience_may_be_allowed(operator: Program) -> None:
    answer = operator.post("/mailings", plan(filter={"tags": ["nobody"]}, allow_empty_audience=True))

    assert (answer.status_code, answer.json()["recipients"]) == (201, 0)


@pytest.mark.parametrize("filter_", [{}, {"tags": []}, {"operator_codes": [], "tags": []}, None])
def test_everybody_must_be_said(operator: Program, vip: Client, filter_: Any) -> None:
    body = plan(filter=filter_)
    if filter_ is None:
        del body["filter"]

    refused = operator.post("/mailings", body)
    assert fields(refused) == [["body", "everyone"]]
    assert not Mailing.objects.exists()

    assert operator.post("/mailings", body | {"everyone": True}).status_code == 201


def test_the_flags_are_not_shown(operator: Program, vip: Client) -> None:
    shown = operator.post("/mailings", plan(everyone=True, allow_empty_audience=True, draft=True)).json()

    assert not {"everyone", "allow_empty_audience", "draft"} & set(shown)


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"text": ""}, [["body", "text"]]),
        ({"text": " \n"}, [["body", "text"]]),
        ({"text": "x" * 1601}, [["body", "text"]]),
        ({"text": "Hello {{ name"}, [["body", "text"]]),
        ({"name": "x" * 201}, [["body", "name"]]),
        ({"ends_at": "2020-01-01T00:00:00Z"}, [["body", "ends_at"]]),
        ({"send_from": "09:00"}, [["body", "send_until"]]),
        ({"send_from": "09:00", "send_until": "09:00"}, [["body", "send_until"]]),
        ({"send_from": "09:00+03:00", "send_until": "21:00"}, [["body", "send_from"]]),
        ({"send_from": "24:00", "send_until": "9:00"}, [["body", "send_from"], ["body", "send_until"]]),
        ({"on_unknown": "forget"}, [["body", "on_unknown"]]),
        ({"filter": {"operator_codes": ["90"]}}, [["body", "filter", "operator_codes"]]),
        ({"filter": {"operator_codes": ["٩٠٠"]}}, [["body", "filter", "operator_codes"]]),
        ({"filter": {"operator_codes": [900]}}, [["body", "filter", "operator_codes", 0]]),
        ({"filter": {"tags": ["x" * 65]}}, [["body", "filter", "tags"]]),
        ({"filter": {"tag": ["x"]}}, [["body", "filter", "tag"]]),
        ({"filter": ["vip"]}, [["body", "filter"]]),
        ({"state": "finished"}, [["body", "state"]]),
        ({"everyone": "yes"}, [["body", "everyone"]]),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(
    operator: Program, vip: Client, changes: dict[str, Any], places: list[list[Any]]
) -> None:
    assert fields(operator.post("/mailings", plan(**changes))) == places
    assert not Mailing.objects.exists()


@pytest.mark.parametrize(
    "moment",
    [
        "2030-03-01T09:00:00",
        "2030-03-01 09:00:00+03:00",
        "2030-03-01",
        "2030-03-01T09:00+03:00",
        "2030-03-01T09:00:00+0300",
        "2030-03-01T09:00:00+25:00",
        "2030-02-30T09:00:00Z",
        "2030-03-01T23:59:60Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "9999-12-31T23:59:59Z",
        "1969-12-31T23:59:59Z",
        "٢٠٣٠-03-01T09:00:00Z",
        "tomorrow",
        "",
        1898586000,
        1898586000.5,
        None,
        True,
        [],
    ],
)
def test_an_instant_has_an_offset_and_a_sane_year(operator: Program, vip: Client, moment: Any) -> None:
    assert ["body", "ends_at"] in fields(operator.post("/mailings", plan(ends_at=moment)))
    assert not Mailing.objects.exists()


@pytest.mark.parametrize("written", ["2030-03-01t06:00:00z", "2030-03-01T09:00:00.000+03:00"])
def test_an_instant_may_be_written_in_any_way_of_the_standard(
    operator: Program, vip: Client, written: str
) -> None:
    answer = operator.post("/mailings", plan(starts_at=written, ends_at="2031-01-01T00:00:00Z"))

    assert answer.json()["starts_at"] == "2030-03-01T06:00:00Z"


# -- changing ------------------------------------------------------------------------------------------


def test_replacing_sets_every_field(operator: Program, vip: Client) -> None:
    made = operator.post("/mailings", plan(name="Old", send_from="09:00", send_until="21:00", on_unknown="hold"))
    body = plan(text="New", filter={"operator_codes": ["900"]})

    shown = operator.put(f"/mailings/{made.json()['id']}", body).json()

    assert (shown["name"], shown["text"], shown["on_unknown"]) == ("", "New", "resend")
    assert shown["filter"] == {"operator_codes": ["900"], "tags": []}
    assert (shown["send_from"], shown["send_until"]) == (None, None)


def test_changing_touches_only_what_is_given(operator: Program, vip: Client) -> None:
    made = operator.post("/mailings", plan(name="Old", send_from="09:00", send_until="21:00")).json()

    shown = operator.patch(f"/mailings/{made['id']}", {"text": "New"}).json()

    assert shown["updated_at"] > made["updated_at"]
    assert shown == made | {"text": "New", "updated_at": shown["updated_at"]}


def test_changing_one_half_of_the_filter_keeps_the_other(operator: Program, vip: Client) -> None:
    mailing = make_mailing(operator_codes=("900",), tags=("vip",))

    shown = operator.patch(f"/mailings/{mailing.pk}", {"filter": {"tags": ["new"]}}).json()

    assert shown["filter"] == {"operator_codes": ["900"], "tags": ["new"]}


def test_null_clears_a_window_and_nothing_else(operator: Program, vip: Client) -> None:
    made = operator.post("/mailings", plan(send_from="09:00", send_until="21:00")).json()

    for name in ("name", "text", "starts_at", "ends_at", "filter", "on_unknown"):
        assert fields(operator.patch(f"/mailings/{made['id']}", {name: None})) == [["body", name]]
    cleared = operator.patch(f"/mailings/{made['id']}", {"send_from": None, "send_until": None}).json()

    assert (cleared["send_from"], cleared["send_until"]) == (None, None)


def test_half_a_window_cannot_be_left(operator: Program, vip: Client) -> None:
    made = operator.post("/mailings", plan(send_from="09:00", send_until="21:00")).json()

    assert fields(operator.patch(f"/mailings/{made['id']}", {"send_from": None})) == [["body", "send_until"]]
    assert operator.get(f"/mailings/{made['id']}").json() == made


def test_a_filter_is_widened_to_everybody_only_when_said(operator: Program) -> None:
    mailing = make_mailing(tags=("vip",))

    refused = operator.patch(f"/mailings/{mailing.pk}", {"filter": {"tags": []}})
    assert fields(refused) == [["body", "everyone"]]

    said = operator.patch(f"/mailings/{mailing.pk}", {"filter": {"tags": []}, "everyone": True})
    assert said.json()["filter"] == {"operator_codes": [], "tags": []}


def test_a_started_mailing_keeps_its_filter_and_start(operator: Program) -> None:
    mailing = make_running_mailing(1)
    before = operator.get(f"/mailings/{mailing.pk}").json()

    for change in ({"filter": {"tags": ["vip"]}}, {"starts_at": instant(hours=1)}):
        answer = operator.patch(f"/mailings/{mailing.pk}", change)
        assert answer.status_code == 409
        assert "started" in answer.json()["detail"]

    assert operator.get(f"/mailings/{mailing.pk}").json() == before


def test_a_started_mailing_takes_a_new_text_and_end(operator: Program) -> None:
    mailing = make_running_mailing(1)

    answer = operator.patch(f"/mailings/{mailing.pk}", {"text": "New", "ends_at": "2030-01-01T00:00:00Z"})

    assert (answer.status_code, answer.json()["text"]) == (200, "New")
    assert answer.json()["ends_at"] == "2030-01-01T00:00:00Z"


def test_a_mailing_that_is_over_is_not_changed(operator: Program) -> None:
    mailing = make_mailing()
    operator.post(f"/mailings/{mailing.pk}/cancel")

    answer = operator.patch(f"/mailings/{mailing.pk}", {"text": "New"})

    assert answer.status_code == 409
    assert "duplicate" in answer.json()["detail"]


def test_an_end_cannot_be_moved_into_the_past(operator: Program) -> None:
    mailing = make_running_mailing(1)

    answer = operator.patch(f"/mailings/{mailing.pk}", {"ends_at": instant(seconds=-5)})

    assert (answer.status_code, answer.json()) == (422, {"detail": "Overdue mailing"})


def test_moving_the_start_into_the_past_begins(operator: Program, vip: Client) -> None:
    mailing = make_mailing()

    assert operator.patch(f"/mailings/{mailing.pk}", {"starts_at": instant(hours=-1)}).json()["state"] == "running"


# -- reading -------------------------------------------------------------------------------------------


def test_a_deleted_mailing_is_gone_everywhere(operator: Program) -> None:
    mailing = make_running_mailing(1)
    message = operator.get("/messages").json()["items"][0]["id"]

    answer = operator.delete(f"/mailings/{mailing.pk}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert operator.get("/mailings").json()["items"] == []
    assert operator.get("/messages").json()["items"] == []
    assert operator.get("/statistics").json()["mailings"] == []
    assert operator.get(f"/messages/{message}").json() == {"detail": "Message not found"}


def test_mailings_are_listed_newest_first_and_narrowed(operator: Program) -> None:
    spring = make_mailing(name="Spring sale")
    summer = make_mailing(name="Summer", text="Sale of the year")
    draft = make_mailing(name="Autumn", draft=True)

    def listed(**query: str) -> list[int]:
        return [mailing["id"] for mailing in operator.get("/mailings", **query).json()["items"]]

    assert listed() == [draft.pk, summer.pk, spring.pk]
    assert listed(q="sale") == [summer.pk, spring.pk]
    assert listed(state="draft") == [draft.pk]
    assert listed(state="", q="") == [draft.pk, summer.pk, spring.pk]
    assert fields(operator.get("/mailings", state="gone")) == [["query", "state"]]


def test_pieces_of_the_list_hold_every_mailing_once(operator: Program) -> None:
    made = [make_mailing().pk for _ in range(5)]

    first = operator.get("/mailings", limit=3).json()
    make_mailing()
    second = operator.get("/mailings", limit=3, cursor=first["next"]).json()

    assert [mailing["id"] for mailing in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None


def test_a_list_counts_all_its_mailings_in_one_query(operator: Program) -> None:
    make_running_mailing(2)
    operator.get("/mailings")

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert operator.get("/mailings").status_code == 200
        return len(caught)

    few = queries()
    for _ in range(9):
        make_running_mailing()

    assert queries() == few == 3
    assert all(mailing["by_state"]["queued"] == 2 for mailing in operator.get("/mailings").json()["items"])


def test_instants_go_out_in_utc(operator: Program) -> None:
    mailing = make_mailing(ends_at=datetime(2030, 5, 5, 12, tzinfo=UTC))

    assert operator.get(f"/mailings/{mailing.pk}").json()["ends_at"] == "2030-05-05T12:00:00Z"
