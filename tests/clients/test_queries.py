"""Finding clients in a directory that may be large."""

import pytest
from django.db import connection

from clients import queries
from clients.queries import ClientFilter
from tests.makers import make_client, make_clients

pytestmark = pytest.mark.django_db


def found(q: str) -> list[str]:
    return [client.phone for client in queries.clients(ClientFilter(q=q))]


@pytest.mark.parametrize("part", ["7", "79", "790", "79001", "345", "1234567", "4567", "67", "0-01 23", "+7 900"])
def test_a_part_of_a_phone_is_found_wherever_it_is(part: str) -> None:
    make_client(phone="79001234567")

    assert found(part) == ["79001234567"]


@pytest.mark.parametrize("part", ["12334", "123456789", "7654321", "456712"])
def test_digits_that_are_all_there_but_not_in_this_order_find_nobody(part: str) -> None:
    make_client(phone="79001234567")

    assert found(part) == []


def test_a_part_of_a_tag_is_found_in_small_letters_and_large() -> None:
    make_client(phone="79001234567", tag="Новые клиенты")
    make_client(tag="regular")

    assert found("нОВ") == ["79001234567"]


def test_tags_are_searched_when_there_are_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "TAGS", 1)
    make_client(phone="79001234567", tag="regular")
    make_client(tag="new")
    make_client(tag="vip")

    assert found("REG") == ["79001234567"]


def test_a_large_directory_does_not_count_its_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    make_client(tag="vip")
    make_client(tag="vip")
    make_client(tag="new")

    counted = queries.choices("tag")
    monkeypatch.setattr(queries, "COUNTED", 2)
    uncounted = queries.choices("tag")

    assert counted == [("new", 1), ("vip", 2)]
    assert uncounted == [("new", None), ("vip", None)]


def test_on_postgresql_the_digits_of_a_phone_are_found_by_their_index() -> None:
    make_clients(2_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE clients_client")

    plan = queries.clients(ClientFilter(q="12345")).explain()

    assert "client_phone_in_threes" in plan or connection.vendor == "sqlite"
