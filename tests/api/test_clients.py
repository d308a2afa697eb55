"""The directory through the API."""

import pytest

from accounts.models import JournalEntry
from clients.models import Client
from mailings.models import Message
from tests.api.programs import Program, fields
from tests.makers import make_client, make_running_mailing

PLAIN = {"phone": "79001234567", "timezone": "Europe/Moscow"}


def test_a_client_is_added_and_answered_whole(operator: Program) -> None:
    answer = operator.post("/clients", PLAIN | {"tag": "vip", "attributes": {"name": "Анна"}})

    assert answer.status_code == 201
    client = Client.objects.get()
    assert answer.json() == {
        "id": client.pk,
        "phone": "79001234567",
        "operator_code": "900",
        "tag": "vip",
        "timezone": "Europe/Moscow",
        "attributes": {"name": "Анна"},
        "opted_out_at": None,
        "created_at": client.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": client.updated_at.isoformat().replace("+00:00", "Z"),
    }
    assert operator.get(f"/clients/{client.pk}").json() == answer.json()


def test_a_phone_may_be_a_number(operator: Program) -> None:
    answer = operator.post("/clients", PLAIN | {"phone": 79001234567})

    assert answer.json()["phone"] == "79001234567"


def test_the_operator_code_may_be_said_and_must_then_be_right(operator: Program) -> None:
    right = operator.post("/clients", PLAIN | {"operator_code": "900"})
    wrong = operator.post("/clients", PLAIN | {"phone": "79011234567", "operator_code": "900"})

    assert right.status_code == 201
    assert fields(wrong) == [["body", "operator_code"]]
    assert Client.objects.count() == 1


def test_a_phone_that_is_there_already_is_refused(operator: Program) -> None:
    make_client(phone="79001234567")

    answer = operator.post("/clients", PLAIN)

    assert answer.status_code == 409
    assert answer.json() == {"detail": "Phone already exists"}
    assert Client.objects.count() == 1


def test_several_bad_fields_are_told_at_once(operator: Program) -> None:
    answer = operator.post("/clients", {"phone": "8900", "timezone": "Mars/Base", "tag": "x" * 65})

    assert fields(answer) == [["body", "phone"], ["body", "tag"], ["body", "timezone"]]
    assert set(answer.json()["detail"][0]) == {"loc", "msg", "type"}
    assert not Client.objects.exists()


def test_the_api_takes_phones_in_the_strict_form_only(operator: Program) -> None:
    for phone in ("+79001234567", "8 900 123-45-67", "7900123456", "790012345678", "٧٩٠٠١٢٣٤٥٦٧", " 79001234567"):
        assert fields(operator.post("/clients", PLAIN | {"phone": phone})) == [["body", "phone"]]


def test_replacing_sets_every_field(operator: Program) -> None:
    client = make_client(phone="79001234567", tag="vip", attributes={"name": "Anna"})

    answer = operator.put(f"/clients/{client.pk}", {"phone": "79011234567", "timezone": "Asia/Omsk"})

    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["phone"], shown["operator_code"]) == ("79011234567", "901")
    assert (shown["tag"], shown["timezone"], shown["attributes"]) == ("", "Asia/Omsk", {})


def test_replacing_keeps_an_opt_out(operator: Program) -> None:
    client = make_client(phone="79001234567")
    operator.post(f"/clients/{client.pk}/opt-out")

    answer = operator.put(f"/clients/{client.pk}", PLAIN)

    assert answer.json()["opted_out_at"] is not None


def test_changing_touches_only_the_fields_that_are_given(operator: Program) -> None:
    client = make_client(phone="79001234567", tag="vip", attributes={"name": "Anna"})

    answer = operator.patch(f"/clients/{client.pk}", {"timezone": "Asia/Omsk"})

    shown = answer.json()
    assert (shown["tag"], shown["timezone"], shown["attributes"]) == ("vip", "Asia/Omsk", {"name": "Anna"})
    assert shown["updated_at"] > shown["created_at"]


def test_changing_the_phone_changes_the_code(operator: Program) -> None:
    client = make_client(phone="79001234567")

    answer = operator.patch(f"/clients/{client.pk}", {"phone": 79051234567})

    assert answer.json()["operator_code"] == "905"


def test_a_phone_of_another_client_cannot_be_taken(operator: Program) -> None:
    make_client(phone="79001234567")
    client = make_client(phone="79007654321")

    for answer in (
        operator.patch(f"/clients/{client.pk}", {"phone": "79001234567"}),
        operator.put(f"/clients/{client.pk}", PLAIN),
    ):
        assert (answer.status_code, answer.json()) == (409, {"detail": "Phone already exists"})
    client.refresh_from_db()
    assert client.phone == "79007654321"


@pytest.mark.parametrize("name", ["phone", "tag", "timezone", "attributes"])
def test_null_is_no_value_of_a_field(operator: Program, name: str) -> None:
    client = make_client(tag="vip")

    answer = operator.patch(f"/clients/{client.pk}", {name: None})

    assert fields(answer) == [["body", name]]


def test_read_only_fields_cannot_be_set(operator: Program) -> None:
    client = make_client(phone="79001234567")

    for name in ("id", "opted_out_at", "created_at", "updated_at", "state"):
        assert fields(operator.post("/clients", PLAIN | {name: 5})) == [["body", name]]
        assert fields(operator.put(f"/clients/{client.pk}", PLAIN | {name: 5})) == [["body", name]]
        assert fields(operator.patch(f"/clients/{client.pk}", {name: 5})) == [["body", name]]


def test_a_deleted_client_is_gone_and_his_messages_stay_counted(operator: Program) -> None:
    mailing = make_running_mailing(1)
    client = Client.objects.get()

    answer = operator.delete(f"/clients/{client.pk}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert operator.get(f"/clients/{client.pk}").status_code == 404
    message = Message.objects.get()
    assert operator.get(f"/messages/{message.pk}").json()["client_id"] is None
    assert operator.get(f"/mailings/{mailing.pk}").json()["by_state"]["cancelled"] == 1


def test_an_opt_out_stops_what_waits_and_can_be_taken_back(operator: Program) -> None:
    make_running_mailing(1)
    client = Client.objects.get()

    first = operator.post(f"/clients/{client.pk}/opt-out").json()
    again = operator.post(f"/clients/{client.pk}/opt-out").json()
    allowed = operator.delete(f"/clients/{client.pk}/opt-out")

    assert first["opted_out_at"] is not None
    assert again == first
    assert Message.objects.get().reason == "client_opted_out"
    assert (allowed.status_code, allowed.json()["opted_out_at"]) == (200, None)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", PLAIN),
        ("PATCH", "", {"tag": "x"}),
        ("DELETE", "", None),
        ("POST", "/opt-out", None),
        ("DELETE", "/opt-out", None),
        ("GET", "/messages", None),
    ],
)
def test_a_client_who_is_not_there_is_told_so(operator: Program, method: str, path: str, body: object) -> None:
    answer = operator.send(method, f"/clients/7{path}", *([body] if body else []))

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Client not found"}


def test_the_journal_says_which_program_did_it_and_from_where(operator: Program) -> None:
    operator.post("/clients", PLAIN)

    entry = JournalEntry.objects.get(subject_type="client")
    assert (entry.verb, entry.api_key, entry.address) == ("create", operator.key, "127.0.0.1")
    assert entry.request_id
