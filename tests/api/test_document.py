"""The OpenAPI document, and the page that shows it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client as Http

from config.document import ANSWERS
from tests.api.programs import Program

SNAPSHOT = Path(settings.BASE_DIR) / "docs" / "openapi.json"
RENEW = "manage.py export_openapi_schema --api config.api.api --indent 2 --output docs/openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SNAPSHOT.read_text())
    return loaded


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def resolved(document: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in shape or len(shape.get("allOf", [])) == 1:
        shape = shape["allOf"][0] if "allOf" in shape else document["components"]["schemas"][_name(shape)]
    return shape


def _name(shape: dict[str, Any]) -> str:
    return str(shape["$ref"]).rsplit("/", 1)[-1]


def test_the_snapshot_is_what_is_served(document: dict[str, Any], tmp_path: Path) -> None:
    served = Http().get("/openapi.json")
    call_command(*RENEW.split()[1:-1], str(tmp_path / "renewed.json"))

    assert served.status_code == 200
    assert served.json() == document, f"renew the snapshot: {RENEW}"
    assert json.loads((tmp_path / "renewed.json").read_text()) == document


def test_it_is_openapi_3_1_with_the_two_ways_in(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    schemes = document["components"]["securitySchemes"]
    assert {(scheme["type"], scheme.get("scheme")) for scheme in schemes.values()} == {
        ("http", "bearer"),
        ("apiKey", None),
    }


def test_every_operation_is_explained(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert len(operation["summary"]) > 8, name
        assert len(operation.get("description", "")) > 10, name
        assert operation["tags"], name
        assert operation["security"] == [{"ApiKey": []}, {"Session": []}], name
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_every_status_that_can_be_answered_is_there(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        wanted = {401, 422}
        if not name.startswith("GET"):
            wanted |= {403, 411, 413, 415}
        if "requestBody" in operation:
            wanted |= {400}
        if "{" in name:
            wanted |= {404}
        said = {int(status) for status in operation["responses"]}
        assert wanted <= said <= set(ANSWERS), name
        assert len([status for status in said if status < 300]) == 1, name


def test_every_answer_has_a_shape_with_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)
            if status != "204":
                [(kind, content)] = response["content"].items()
                assert kind == "application/json"
                assert has_example(document, content["schema"]), (name, status)


def test_every_body_has_an_example_that_keeps_its_own_rules(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if "requestBody" in operation:
            shape = operation["requestBody"]["content"]["application/json"]["schema"]
            assert has_example(document, shape), name


def has_example(document: dict[str, Any], shape: dict[str, Any]) -> bool:
    """Its own, or put together from those of its parts."""
    shape = resolved(document, shape)
    parts = shape.get("properties", {}).values()
    return bool(shape.get("examples")) or any(has_example(document, part.get("items", part)) for part in parts)


def test_the_examples_keep_the_rules_of_their_shapes(document: dict[str, Any]) -> None:
    shown = 0
    for name, shape in document["components"]["schemas"].items():
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        for example in shape.get("examples", []):
            jsonschema_rs.validate(whole, example)
            shown += 1

    assert shown >= 12


def test_every_parameter_is_bounded(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for parameter in operation["parameters"]:
            shape = parameter["schema"]
            options = [resolved(document, option) for option in shape.get("anyOf", [shape])]
            for option in options:
                option = resolved(document, option)
                bounded = {"maxLength", "pattern", "maximum", "enum", "format"} & set(option)
                assert bounded or option.get("type") == "null", (name, parameter)


def test_a_body_refuses_unknown_fields_in_the_document_too(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if "requestBody" in operation:
            shape = resolved(document, operation["requestBody"]["content"]["application/json"]["schema"])
            assert shape["additionalProperties"] is False, name


# -- the page ------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_page_needs_no_other_host_and_no_inline_script() -> None:
    answer = Http().get("/docs/")
    page = answer.content.decode()

    assert answer.status_code == 200
    assert "://" not in page.replace("http://www.w3.org", "")
    scripts = re.findall(r"<script\b([^>]*)>(.*?)</script>", page, re.DOTALL)
    assert scripts
    for attributes, content in scripts:
        assert "application/json" in attributes or ("src=" in attributes and not content.strip())
    assert not re.search(r"\son\w+=|\sstyle=|<style", page)
    assert "'unsafe" not in answer["Content-Security-Policy"]


@pytest.mark.django_db
def test_the_files_of_the_page_are_ours() -> None:
    page = Http().get("/docs/").content.decode()

    named = re.findall(r'(?:src|href)="/static/([^"]+)"', page)
    assert len(named) >= 4
    assert [path for path in named if finders.find(path) is None] == []


def test_the_document_and_its_page_are_read_by_anybody_and_only_read(stranger: Program) -> None:
    for path in ("/openapi.json", "/docs/"):
        assert stranger.http.get(path).status_code == 200
        assert stranger.http.head(path).status_code == 200
        assert stranger.http.post(path).status_code == 405
