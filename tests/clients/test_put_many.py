"""Many clients at once: good rows are kept, bad ones come back with their reasons."""

from typing import Any

import pytest

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from clients import operations
from clients.models import Client
from clients.operations import BATCH, put_many
from tests.clients.test_operations import BAD
from tests.makers import make_client

pytestmark = pytest.mark.django_db


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {"phone": f"7900{number:07d}", "timezone": "UTC", **fields}


def numbers(result: operations.BatchResult) -> tuple[int, int, int, int]:
    return result.created, result.updated, result.unchanged, len(result.rejected)


def test_rows_are_created_updated_or_left_as_they_are_by_phone() -> None:
    put_many(SERVICE, [row(1, tag="a"), row(2, tag="a")])
    before = Client.objects.get(phone=row(2)["phone"])

    result = put_many(SERVICE, [row(1, tag="b"), row(2, tag="a"), row(3, tag="c")])

    assert numbers(result) == (1, 1, 1, 0)
    assert dict(Client.objects.values_list("phone", "tag")) == {
        row(1)["phone"]: "b",
        row(2)["phone"]: "a",
        row(3)["phone"]: "c",
    }
    assert Client.objects.get(pk=before.pk).updated_at == before.updated_at
    assert set(Client.objects.values_list("operator_code", flat=True)) == {"900"}


def test_a_field_that_a_row_leaves_out_stays_as_it_is() -> None:
    put_many(SERVICE, [row(1, tag="a", attributes={"name": "Анна"})])

    put_many(SERVICE, [{"phone": row(1)["phone"], "tag": "b"}])

    client = Client.objects.get()
    assert (client.tag, client.timezone, client.attributes) == ("b", "UTC", {"name": "Анна"})


def test_an_opt_out_stays() -> None:
    client = make_client(**row(1))
    operations.opt_out(SERVICE, client.pk)

    put_many(SERVICE, [row(1, tag="b")])

    assert Client.objects.get().tag == "b"
    assert Client.objects.get().opted_out_at is not None


@pytest.mark.parametrize(("values", "field"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("known", [False, True])
def test_a_bad_row_is_rejected_and_the_good_ones_are_kept(values: dict[str, Any], field: str, known: bool) -> None:
    if known:
        make_client(**row(2))

    result = put_many(SERVICE, [row(1), row(2, **values), row(3)])

    assert [(index, list(errors)) for index, errors in result.rejected] == [(1, [field])]
    assert all(text for _, errors in result.rejected for text in errors.values())
    assert Client.objects.count() == (3 if known else 2)
    assert Client.objects.filter(phone=row(3)["phone"]).exists()


@pytest.mark.parametrize("odd", [None, 1, "79001234567", [], ["phone"]], ids=repr)
def test_a_row_that_is_no_map_is_rejected(odd: object) -> None:
    result = put_many(SERVICE, [odd, row(1)])

    assert [index for index, _ in result.rejected] == [0]
    assert result.created == 1


def test_the_second_row_of_a_phone_is_rejected_whatever_its_spelling() -> None:
    result = put_many(SERVICE, [row(1, tag="first"), row(1, tag="second"), row(1, phone=79000000001)])

    assert [index for index, _ in result.rejected] == [1, 2]
    assert "row 0" in result.rejected[0][1]["phone"]
    assert Client.objects.get().tag == "first"


def test_rejections_come_in_the_order_of_the_rows() -> None:
    result = put_many(SERVICE, [row(1, tag=1), {"phone": "x"}, row(2), row(2), row(3, timezone="?"), {}])

    assert [index for index, _ in result.rejected] == [0, 1, 3, 4, 5]


def test_nothing_is_nothing() -> None:
    assert numbers(put_many(SERVICE, [])) == (0, 0, 0, 0)
    assert not JournalEntry.objects.exists()


def test_a_batch_is_one_deed() -> None:
    put_many(SERVICE, [row(1), row(2), {}])

    entry = JournalEntry.objects.get()
    assert (entry.verb, entry.details) == ("put_many", {"created": 2, "updated": 0, "unchanged": 0, "rejected": 1})


def test_ten_thousand_rows_are_created_changed_and_left_alone() -> None:
    rows = [row(number, attributes={"name": f"Client {number}"}) for number in range(BATCH)]

    assert numbers(put_many(SERVICE, rows)) == (BATCH, 0, 0, 0)
    assert numbers(put_many(SERVICE, rows)) == (0, 0, BATCH, 0)
    moved = [{**each, "timezone": "Asia/Tokyo", "tag": str(n)} for n, each in enumerate(rows)]
    assert numbers(put_many(SERVICE, moved)) == (0, BATCH, 0, 0)

    assert Client.objects.filter(timezone="Asia/Tokyo").count() == BATCH
    assert Client.objects.get(phone=row(77)["phone"]).tag == "77"
