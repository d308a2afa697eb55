"""Many clients at once."""

from clients.models import Client
from clients.operations import BATCH
from tests.api.programs import Program, fields
from tests.makers import make_client

MOSCOW = "Europe/Moscow"


def test_a_batch_creates_updates_and_leaves_alone(operator: Program) -> None:
    make_client(phone="79000000001", tag="old", timezone=MOSCOW)
    make_client(phone="79000000002", tag="same", timezone=MOSCOW)

    answer = operator.post(
        "/clients/batch",
        {
            "clients": [
                {"phone": 79000000001, "tag": "new"},
                {"phone": "79000000002", "tag": "same", "timezone": MOSCOW},
                {"phone": "79000000003", "timezone": "Asia/Omsk", "attributes": {"name": "Anna"}},
            ]
        },
    )

    assert answer.status_code == 200
    assert answer.json() == {"created": 1, "updated": 1, "unchanged": 1, "rejected": []}
    assert list(Client.objects.values_list("phone", "tag", "timezone")) == [
        ("79000000001", "new", MOSCOW),
        ("79000000002", "same", MOSCOW),
        ("79000000003", "", "Asia/Omsk"),
    ]


def test_bad_rows_come_back_with_reasons_and_good_ones_are_kept(operator: Program) -> None:
    rows = [
        {"phone": "79000000001", "timezone": MOSCOW},
        {"phone": "7900", "timezone": MOSCOW},
        {"phone": "79000000001", "timezone": MOSCOW},
        {"phone": "79000000004", "timezone": "Mars", "tag": 5},
        {"phone": "79000000005", "timezone": MOSCOW, "state": "vip"},
        {"phone": "79000000006"},
        {"timezone": MOSCOW},
        {"phone": "79000000007", "timezone": MOSCOW, "attributes": {"name": 5}},
        {"phone": True, "timezone": MOSCOW},
        {"phone": "79000000008", "timezone": MOSCOW, "tag": "a\x00b"},
        None,
        [],
        "79000000009",
        {"phone": "79000000010", "timezone": MOSCOW},
    ]

    answer = operator.post("/clients/batch", {"clients": rows}).json()

    assert (answer["created"], answer["updated"], answer["unchanged"]) == (2, 0, 0)
    assert {row["index"]: [error["loc"] for error in row["errors"]] for row in answer["rejected"]} == {
        1: [["body", "clients", 1, "phone"]],
        2: [["body", "clients", 2, "phone"]],
        3: [["body", "clients", 3, "tag"], ["body", "clients", 3, "timezone"]],
        4: [["body", "clients", 4, "state"]],
        5: [["body", "clients", 5, "timezone"]],
        6: [["body", "clients", 6, "phone"]],
        7: [["body", "clients", 7, "attributes"]],
        8: [["body", "clients", 8, "phone"]],
        9: [["body", "clients", 9, "tag"]],
        10: [["body", "clients", 10]],
        11: [["body", "clients", 11]],
        12: [["body", "clients", 12]],
    }
    assert set(answer["rejected"][0]["errors"][0]) == {"loc", "msg", "type"}
    assert set(Client.objects.values_list("phone", flat=True)) == {"79000000001", "79000000010"}


def test_an_opt_out_survives_a_batch(operator: Program) -> None:
    client = make_client(phone="79000000001")
    operator.post(f"/clients/{client.pk}/opt-out")

    operator.post("/clients/batch", {"clients": [{"phone": "79000000001", "tag": "new", "timezone": MOSCOW}]})

    client.refresh_from_db()
    assert (client.tag, client.opted_out_at is None) == ("new", False)


def test_ten_thousand_fit_and_one_more_does_not(operator: Program) -> None:
    rows = [{"phone": 79000000000 + number, "timezone": MOSCOW} for number in range(BATCH + 1)]

    too_many = operator.post("/clients/batch", {"clients": rows})
    assert fields(too_many) == [["body", "clients"]]
    assert not Client.objects.exists()

    assert operator.post("/clients/batch", {"clients": rows[:-1]}).json()["created"] == BATCH
    assert Client.objects.count() == BATCH


def test_an_empty_batch_does_nothing(operator: Program) -> None:
    answer = operator.post("/clients/batch", {"clients": []})

    assert answer.json() == {"created": 0, "updated": 0, "unchanged": 0, "rejected": []}


def test_a_batch_must_be_a_list_under_its_name(operator: Program) -> None:
    assert fields(operator.post("/clients/batch", [])) == [["body"]]
    assert fields(operator.post("/clients/batch", {})) == [["body", "clients"]]
    assert fields(operator.post("/clients/batch", {"clients": {}})) == [["body", "clients"]]
    assert fields(operator.post("/clients/batch", {"clients": [], "dry": True})) == [["body", "dry"]]
