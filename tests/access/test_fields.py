"""What nobody asks for is not taken: columns of ours as extra fields of every form and every body."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest
from django.db import models
from django.urls import resolve

from accounts.roles import Role
from config.api import whole_document
from tests.access import cast, routes
from tests.access.cast import Asker
from tests.access.forms import Form, forms
from tests.access.routes import Line

pytestmark = pytest.mark.once
CANARY, NUMBER, MOMENT = "canary", 987654321, "2001-02-03T04:05:06Z"


def column_names() -> dict[str, Any]:
    """Every column of every table of ours, with a value that would be good there and stands nowhere yet."""
    fields = [field for model in cast.all_models() for field in model._meta.concrete_fields]
    named = [(name, field) for field in fields for name in (field.name, field.attname)]
    others = {"id": NUMBER, "pk": NUMBER, "is_staff": True, "is_superuser": True}
    return {name: _other(field) for name, field in named} | others


def _other(field: "models.Field[Any, Any]") -> object:
    if field.choices:
        return [value for value, _ in field.flatchoices][-1]
    if isinstance(field, models.BooleanField):
        return not field.default
    if isinstance(field, models.DateTimeField):
        return MOMENT
    is_text = isinstance(field, models.CharField | models.TextField | models.GenericIPAddressField)
    return CANARY if is_text else {} if isinstance(field, models.JSONField) else NUMBER


COLUMNS = column_names()


@pytest.fixture
def things(db: None) -> dict[str, Any]:
    return cast.prepare()


def kept() -> dict[str, Any]:
    """All rows, without what differs from one try to the next: instants, ids, order, what chance made."""
    return {
        label: sorted(_WRITTEN.sub(r"\1", repr({name: _steady(name, row[name]) for name in row})) for row in rows)
        for label, rows in cast.everything().items()
    }


# of an instant in a text, as in the journal's details, the year is left
_WRITTEN = re.compile(r"(\d{4})-\d\d-\d\dT[\d:.+Z]+")


def _steady(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.year == 2001
    if isinstance(value, dict):
        return {inner: _steady(inner, told) for inner, told in value.items()}
    return (
        None
        if name in ("id", "prefix", "digest", "password", "request_id", "subject_id") and value != NUMBER
        else value
    )


# -- forms ---------------------------------------------------------------------------------------------


# what a page's address may say for its form
BY_ADDRESS = {("/unknown", "message")}
REVIEWED = [("running", "delete"), ("running", "cancel"), ("mailing", "launch"), ("mailing", "delete")]


def forms_of_all_pages(asker: Asker, things: dict[str, Any]) -> dict[str, Form]:
    """By the address that they are sent to; a button that no page shows now is pressed all the same."""
    found: dict[str, Form] = {}
    for mailing, verb in REVIEWED:
        for line in routes.pages():
            if line.method == "GET" and line.needs:
                address = cast.address(line, things | {"mailing": things[mailing], "verb": verb})
                page = asker.ask("GET", address).content.decode()
                found |= {form.action: form for form in forms(page, address) if form.method == "POST"}
    shown = {resolve(address).url_name for address in found}
    hidden = [line for line in routes.pages() if not line.reads and line.needs and line.name not in shown]
    return found | {address: Form(address, "POST") for line in hidden for address in [cast.address(line, things)]}


def test_no_form_takes_a_field_that_it_does_not_show(things: dict[str, Any]) -> None:
    asker, wrong = cast.person(Role.ADMINISTRATOR), []

    for address, form in forms_of_all_pages(asker, things).items():
        taken = form.values.keys() | {name for place, name in BY_ADDRESS if address.endswith(place)}
        extra = {name: [str(value)] for name, value in COLUMNS.items() if name not in taken}
        before, plainly = sent(asker, address, form.filled)
        after, laden = sent(asker, address, form.filled | extra)
        if (before, plainly) != (after, laden) or before not in (200, 302):
            wrong.append((address, before, after, changes(plainly, laden)))

    assert wrong == []


def sent(asker: Asker, address: str, values: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
    """The status, and what is there afterwards; then it is undone."""
    with cast.undone():
        status = asker.press(address, values).status_code
        return status, kept()


def changes(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [row for label in one for row in set(one[label]) ^ set(other[label])]


# -- bodies --------------------------------------------------------------------------------------------

Place = tuple[str, ...]
DOCUMENT = json.loads(whole_document())
BODIES = [line for line in routes.calls() if not line.reads]


def shape_of(line: Line) -> dict[str, Any] | None:
    """The schema of an operation's body; None when it takes none."""
    said = DOCUMENT["paths"][line.address][line.method.lower()].get("requestBody")
    return None if said is None else resolved(said["content"]["application/json"]["schema"])


def resolved(shape: dict[str, Any]) -> dict[str, Any]:
    if "allOf" in shape:
        return resolved(shape["allOf"][0])
    return DOCUMENT["components"]["schemas"][shape["$ref"].rsplit("/", 1)[-1]] if "$ref" in shape else shape


def objects(
    shape: dict[str, Any], place: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every object of a body whose fields are named, and where it stands."""
    yield place, shape
    for name, part in shape["properties"].items():
        inner = resolved(part)
        if "properties" in inner:
            yield from objects(inner, (*place, name))


def laden(body: dict[str, Any], place: Place, extra: dict[str, Any]) -> dict[str, Any]:
    """The body with more fields in the object that stands at the place."""
    whole = inner = deepcopy(body)
    for name in place:
        inner = inner.setdefault(name, {})
    inner.update(extra)
    return whole


def in_parts(fields: dict[str, Any], size: int = 50) -> Iterator[dict[str, Any]]:
    """An answer names a hundred problems at most."""
    names = list(fields)
    for start in range(0, len(names), size):
        yield {name: fields[name] for name in names[start : start + size]}


@pytest.mark.parametrize("line", [line for line in BODIES if shape_of(line)], ids=str)
def test_no_body_takes_a_field_that_is_not_in_the_document(line: Line, things: dict[str, Any]) -> None:
    shape = shape_of(line)
    assert shape is not None
    asker, before = cast.program(Role.ADMINISTRATOR), cast.everything()

    for place, inner in objects(shape):
        unknown = {name: value for name, value in COLUMNS.items() if name not in inner["properties"]}
        for some in in_parts(unknown):
            body = laden(shape["examples"][0], place, some)
            answer = asker.ask(line.method, cast.address(line, things), data=json.dumps(body))
            assert answer.status_code == 422
            problems = [problem for problem in answer.json()["detail"] if problem["type"] == "extra_forbidden"]
            assert {tuple(problem["loc"]) for problem in problems} == {("body", *place, name) for name in some}

    assert cast.everything() == before


@pytest.mark.parametrize("line", [line for line in BODIES if not shape_of(line)], ids=str)
def test_a_call_without_a_body_does_the_same_with_one(line: Line, things: dict[str, Any]) -> None:
    asker, address = cast.program(Role.ADMINISTRATOR), cast.address(line, things)

    with cast.undone():
        status = asker.ask(line.method, address).status_code
        plainly = kept()
    with cast.undone():
        answer = asker.ask(line.method, address, data=json.dumps(COLUMNS))
        with_fields = kept()

    assert answer.status_code in (status, 422)
    assert with_fields == plainly or answer.status_code == 422


def test_a_client_in_a_batch_with_an_unknown_field_is_rejected_alone(things: dict[str, Any]) -> None:
    asker = cast.program(Role.ADMINISTRATOR)
    known = DOCUMENT["components"]["schemas"]["ClientIn"]["properties"]
    good = {"phone": "79015550001", "timezone": "Europe/Moscow"}
    rows = [good | {name: value} for name, value in COLUMNS.items() if name not in known]

    said = asker.ask("POST", "/api/v1/clients/batch", data=json.dumps({"clients": rows})).json()

    assert (said["created"], said["updated"], len(said["rejected"])) == (0, 0, len(rows))
