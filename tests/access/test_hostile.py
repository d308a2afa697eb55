"""Ids that are none in every place of every address, and nonsense in everything that may stand after the `?`."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from accounts.roles import Role
from config.api import whole_document
from tests.access import cast, routes
from tests.access.cast import FRAGMENT
from tests.access.forms import forms
from tests.access.routes import Line

pytestmark = pytest.mark.once
IDS = (
    "0",
    "-1",
    "+1",
    "1e3",
    "1_0",
    " 1",
    "٣",
    "²",
    "\x00",
    "1\x00",
    "1\n",
    "'1' OR 1=1",
    "999999999999999999",
    "9223372036854775807",
    "9223372036854775808",
    "9" * 4400,
    "\u202e1",
    "..",
    "<b>",
)
VALUES = (
    "",
    "1e3",
    "٣",
    "9" * 4400,
    "a\x00b",
    "\udcff",
    "'; DROP TABLE clients_client; --",
    "%",
    "9999-12-31",
    "2026-02-30T25:61",
    "x" * 3000,
    "\u202e\U0001f4a5",
)


@pytest.fixture
def things(db: None) -> dict[str, Any]:
    return cast.prepare()


def with_each_id(line: Line, things: dict[str, Any]) -> list[str]:
    """The line's address with each hostile value in each of its places, the others being good."""
    good = {name: str(things[cast.subject(line, name)]) for name in line.parameters}
    return [
        line.address.format(**good | {name: quote(value, safe="")}) for name in line.parameters for value in IDS
    ]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_no_hostile_id_is_anybody_s(method: str, things: dict[str, Any]) -> None:
    askers = cast.person(Role.ADMINISTRATOR), cast.program(Role.ADMINISTRATOR)
    before, wrong = cast.everything(), []

    for line in routes.lines():
        if line.method == method and line.parameters:
            for address in with_each_id(line, things):
                status = askers[line.is_for_programs].ask(method, address).status_code
                if status not in ((404, 422) if line.is_for_programs else (404,)):
                    wrong.append(f"{method} {address[:100]}: {status}")

    assert wrong == []
    assert cast.everything() == before


def parameters_of_pages(things: dict[str, Any]) -> list[tuple[str, str]]:
    """By address, what each page asks its reader for in it, and what lists and links put there besides."""
    asker, found = cast.person(Role.ADMINISTRATOR), []
    for line in routes.pages():
        if line.method == "GET" and line.needs:
            address = cast.address(line, things)
            shown = forms(asker.ask("GET", address).content.decode(), address)
            asked = {name for form in shown if form.method == "GET" for name in form.values}
            found += [(address, name) for name in sorted(asked | LINKED.get(line.name, PAGED if asked else set()))]
    return found


PAGED = {"before", "after"}
LINKED = {
    "mailing_unknown": {"message", "decision"},
    "mailing_audience": {"audience", "operator_codes", "tags", "rest_of"},
}


def test_no_value_in_the_address_of_a_page_breaks_it(things: dict[str, Any]) -> None:
    asker, wrong = cast.person(Role.ADMINISTRATOR), []

    for address, name in parameters_of_pages(things):
        for value in VALUES:
            query = f"{name}={quote(value, errors='surrogateescape')}"
            status = asker.ask("GET", f"{address}?{query}", headers=FRAGMENT).status_code
            if status != 200:
                wrong.append(f"{address}?{query[:200]}: {status}")

    assert wrong == []


def test_no_value_of_a_declared_parameter_breaks_a_call(things: dict[str, Any]) -> None:
    asker, wrong, said = cast.program(Role.ADMINISTRATOR), [], json.loads(whole_document())["paths"]

    for line in routes.calls():
        parameters = said[line.address][line.method.lower()].get("parameters", [])
        for name in (one["name"] for one in parameters if one["in"] == "query"):
            for value in VALUES:
                query = f"{name}={quote(value, errors='surrogateescape')}"
                answer = asker.ask(line.method, f"{cast.address(line, things)}?{query}")
                places = [problem["loc"] for problem in answer.json().get("detail", [])]
                if (answer.status_code, places) not in ((200, []), (422, [["query", name]])):
                    wrong.append(f"{line}?{query[:100]}: {answer.status_code} {places}")

    assert wrong == []
