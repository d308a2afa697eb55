"""A viewer never gets a whole phone: not on a page, not in an answer, a refusal or a header, not by searching."""

import re
from typing import Any

import pytest
from django.urls import reverse

from accounts.roles import Role
from tests.access import cast, routes
from tests.access.cast import FRAGMENT, PHONE, Asker
from tests.access.routes import Line

pytestmark = pytest.mark.once
# all ten digits with whatever people and programs put between them, entities of HTML too
WRITTEN = re.compile(rb"(?:[^0-9]|&#[0-9]+;){0,6}?".join(digit.encode() for digit in PHONE[1:]))
# where a phone belongs: an operator sees it there, so that not seeing it says something
SHOWN_TO_OPERATORS = {
    "GET /clients/",
    "GET /clients/{pk}",
    "GET /clients/{pk}/edit",
    "GET /clients/{pk}/review/delete",
    "GET /gateway/",
    "GET /mailings/{pk}/recipients",
    "GET /messages/",
    "GET /messages/{pk}",
    "GET /api/v1/clients",
    "GET /api/v1/clients/{client_id}",
    "GET /api/v1/gateway",
    "GET /api/v1/messages/{message_id}",
}
PARTS = (PHONE[:7], PHONE[2:], PHONE[-4:], PHONE[3:9], "913 730", "730-52-84")
# and what an operator finds nobody by either, for another reason
NEARLY = (PHONE[:-1], "8 913 730-52-8", PHONE[:4] + "_____84", "7913%84", "79137305284 ' OR 1=1")


@pytest.fixture
def things(db: None) -> dict[str, Any]:
    """With a mailing that has recipients."""
    found = cast.prepare()
    return found | {"mailing": found["running"], "verb": "delete"}


def has_phone(answer: Any) -> bool:
    headers = repr(sorted(answer.headers.items())).encode()
    content = b"".join(answer) if answer.streaming else answer.content
    return bool(WRITTEN.search(content) or WRITTEN.search(headers))


def viewers() -> tuple[Asker, Asker]:
    return cast.person(Role.VIEWER), cast.program(Role.VIEWER)


def asked_by(line: Line, askers: tuple[Asker, Asker]) -> Asker:
    """At the console a person, at the API a program."""
    return askers[line.is_for_programs]


def test_an_operator_sees_phones_where_they_belong(things: dict[str, Any]) -> None:
    askers = cast.person(Role.OPERATOR), cast.program(Role.OPERATOR)

    seen = {
        str(line)
        for line in routes.lines()
        if line.method == "GET" and has_phone(asked_by(line, askers).ask("GET", cast.address(line, things)))
    }

    assert seen >= SHOWN_TO_OPERATORS


def test_a_viewer_sees_none_anywhere(things: dict[str, Any]) -> None:
    askers = viewers()

    leaks = [
        str(line)
        for line in routes.lines()
        for headers in ({}, FRAGMENT)
        if line.reads
        and has_phone(asked_by(line, askers).ask(line.method, cast.address(line, things), headers=headers))
    ]

    assert leaks == []


def test_a_refusal_to_a_viewer_tells_none(things: dict[str, Any]) -> None:
    askers = viewers()

    answers = {
        str(line): asked_by(line, askers).ask(line.method, cast.address(line, things))
        for line in routes.lines()
        if not line.reads and line.needs and not line.lets_in(Role.VIEWER)
    }

    assert {line for line, answer in answers.items() if answer.status_code != 403} == set()
    assert {line for line, answer in answers.items() if has_phone(answer)} == set()


@pytest.mark.parametrize("page", ["clients", "messages", "mailing_recipients"])
def test_a_viewer_finds_nobody_by_a_part_of_a_phone(page: str, things: dict[str, Any]) -> None:
    address = reverse(page, args=[things["mailing"]] if page == "mailing_recipients" else [])
    name = "q" if page == "clients" else "client"
    found = reverse("client", args=[things["client"]]).encode() + b'"'
    viewer, operator = cast.person(Role.VIEWER), cast.person(Role.OPERATOR)

    for part in PARTS:
        assert found in operator.ask("GET", address, query_params={name: part}).content, part
    for part in PARTS + NEARLY:
        assert found not in viewer.ask("GET", address, query_params={name: part}).content, part
    assert found in viewer.ask("GET", address, query_params={name: PHONE}).content


def test_a_viewer_s_program_finds_nobody_by_a_part_of_a_phone(things: dict[str, Any]) -> None:
    viewer, operator = cast.program(Role.VIEWER), cast.program(Role.OPERATOR)

    def found(asker: Asker, **query: str) -> list[int]:
        return [client["id"] for client in asker.ask("GET", "/api/v1/clients", query_params=query).json()["items"]]

    for part in PARTS:
        assert found(operator, q=part) == [things["client"]], part
    for part in PARTS + NEARLY:
        assert found(viewer, q=part) == [], part
    assert found(viewer, q=PHONE) == found(viewer, phone=PHONE) == [things["client"]]
