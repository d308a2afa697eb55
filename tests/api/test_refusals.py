"""Whatever goes wrong, a program gets JSON with one sentence, never a page and never a 500 of its making."""

import json
import logging
import re
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client as Http
from django.test import RequestFactory

from clients.models import Client
from config import urls
from tests.api.programs import PREFIX, Call, Program, calls

pytestmark = pytest.mark.once
CALLS = calls()
WITH_BODY = [call for call in CALLS if 400 in call.responses]
BODY_IS_OPTIONAL = ("/launch", "/duplicate", "/stop")
MOSCOW = {"phone": "79001234567", "timezone": "Europe/Moscow"}


def is_sentence(answer: Any) -> bool:
    return (
        answer["Content-Type"].startswith("application/json")
        and answer.get("Content-Length", str(len(answer.content))) == str(len(answer.content))
        and set(answer.json()) == {"detail"}
        and isinstance(answer.json()["detail"], str)
    )


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v1/clients/",
        "/api/v1/clients/1/",
        "/api/v1/clients/1/nothing",
        "/api/v2/clients",
        "/api/v1/%00",
        "/api/v1/clients/a/b",
        "/api/v1/openapi.json",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_address_is_told_so(operator: Program, method: str, path: str) -> None:
    answer: Any = operator.http.generic(method, path)

    assert answer.status_code == 404
    assert is_sentence(answer)


@pytest.mark.parametrize("path", sorted({call.path for call in CALLS}))
def test_a_method_that_an_address_does_not_know_is_refused_with_those_it_does(
    operator: Program, path: str
) -> None:
    known = {call.method for call in CALLS if call.path == path}
    address = next(call.address for call in CALLS if call.path == path)

    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"} - known:
        answer = operator.send(method, address)
        assert answer.status_code == 405, method
        assert set(answer["Allow"].split(", ")) == known
        assert method == "HEAD" or is_sentence(answer)


@pytest.mark.parametrize("call", WITH_BODY, ids=str)
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'phone': 1}",
        b'{"phone": 79001234567,}',
        b"\xff\xfe{\x00}\x00",
        b'{"phone": NaN}',
        b'{"phone": -Infinity}',
        b'{"tag": "\\ud800"}',
        b'{"tag": "\xed\xa0\x80"}',
        b'{"tag": "\x00"}',
        b'{"phone": 1} {}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"phone": ' + b"9" * 10_000 + b"}",
        b"phone=79001234567",
        b" ",
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
def test_a_body_that_is_no_json_is_refused(administrator: Program, call: Call, body: bytes) -> None:
    answer: Any = administrator.raw(call.method, call.address, body)

    assert answer.status_code == 400
    assert answer.json() == {"detail": "Cannot parse request body"}


@pytest.mark.parametrize("call", WITH_BODY, ids=str)
@pytest.mark.parametrize("body", [b"null", b"true", b"0", b'"text"', b"[]", b"[{}]"])
def test_a_body_that_is_no_object_is_refused(administrator: Program, call: Call, body: bytes) -> None:
    answer: Any = administrator.raw(call.method, call.address, body)

    assert answer.status_code == 422
    assert [problem["loc"] for problem in answer.json()["detail"]] == [["body"]]


@pytest.mark.parametrize("call", [call for call in WITH_BODY if not call.path.endswith(BODY_IS_OPTIONAL)], ids=str)
def test_a_body_that_is_missing_is_asked_for(administrator: Program, call: Call) -> None:
    answer: Any = administrator.send(call.method, call.address)

    assert answer.status_code in (404, 422)
    if answer.status_code == 422:
        assert answer.json()["detail"][0] | {"msg": ""} == {"loc": ["body"], "msg": "", "type": "missing"}


def test_json_of_any_depth_that_can_be_read_is_only_a_wrong_value(operator: Program) -> None:
    nested = b"[" * 150 + b"]" * 150

    answer: Any = operator.raw("POST", "/clients", b'{"phone": ' + nested + b', "timezone": ' + nested + b"}")

    assert answer.status_code == 422


def test_a_nested_body_of_five_megabytes_is_refused_quickly(operator: Program) -> None:
    answer: Any = operator.raw("POST", "/clients/batch", b'{"clients":' + b"[" * (5 * 1024 * 1024 - 11))

    assert answer.status_code == 400


@pytest.mark.parametrize("call", [call for call in CALLS if not call.reads], ids=str)
def test_a_body_over_five_megabytes_is_refused(operator: Program, call: Call) -> None:
    answer: Any = operator.raw(call.method, call.address, b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))

    assert answer.status_code == 413
    assert is_sentence(answer)


def test_a_body_that_comes_with_reading_is_not_looked_at(operator: Program) -> None:
    answer: Any = operator.raw("GET", "/clients", b"<clients/>" * 600_000, "text/xml")

    assert answer.status_code == 200


def test_a_body_of_unknown_length_is_refused(operator: Program) -> None:
    answer = operator.http.post(f"{PREFIX}/clients", headers={"Transfer-Encoding": "chunked"})

    assert answer.status_code == 411
    assert is_sentence(answer)


def test_a_body_of_just_five_megabytes_is_read(operator: Program) -> None:
    body = json.dumps(MOSCOW).encode()

    answer: Any = operator.raw("POST", "/clients", body.ljust(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "text/json",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonp",
    ],
)
def test_only_json_is_taken_by_every_call(operator: Program, kind: str) -> None:
    for call in CALLS:
        if not call.reads:
            answer: Any = operator.raw(call.method, call.address, json.dumps(MOSCOW).encode(), kind)
            assert answer.status_code == 415, call
            assert is_sentence(answer)
    assert not Client.objects.exists()


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=UTF-8", "Application/JSON"])
def test_json_is_named_in_any_way_of_the_standard(operator: Program, kind: str) -> None:
    assert operator.raw("POST", "/clients", json.dumps(MOSCOW).encode(), kind).status_code == 201


def test_an_answer_to_nonsense_is_not_as_long_as_the_nonsense(operator: Program) -> None:
    many = operator.post("/clients", {f"field {number}": 1 for number in range(10_000)})
    long = operator.post("/clients", {"x" * 1_000_000: 1})

    assert len(many.json()["detail"]) == 100
    assert len(long.content) < 1000


def test_sentences_do_not_change_with_a_language(operator: Program) -> None:
    headers = {**operator.headers, "Accept-Language": "ru"}

    answer = Http(headers=headers).post(f"{PREFIX}/clients", MOSCOW | {"phone": "1"}, "application/json")

    assert answer.json()["detail"][0]["msg"] == "A phone is 7 and ten digits, as in 79001234567"


def test_nothing_of_the_api_is_kept_by_caches(operator: Program, stranger: Program) -> None:
    for answer in (operator.get("/clients"), stranger.get("/clients"), operator.get("/nothing")):
        assert answer["Cache-Control"] == "no-store"


def test_a_foreign_host_is_refused_in_json(operator: Program) -> None:
    answer = operator.http.get(f"{PREFIX}/clients", headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert is_sentence(answer)


# -- our own faults ------------------------------------------------------------------------------------


def test_a_fault_of_ours_is_a_500_in_json_and_loudly_logged(
    operator: Program, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("the database is away")

    operator.http.raise_request_exception = False
    with connection.execute_wrapper(away), caplog.at_level(logging.ERROR, logger="django.request"):
        answer = operator.get("/clients")

    assert answer.status_code == 500
    assert answer.json() == {"detail": "Internal Server Error"}
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_a_program_gets_json_for_every_status_that_django_answers(status: int) -> None:
    handler = getattr(urls, f"handler{status}")
    reason = [] if status == 500 else [Exception("why")]

    told = handler(RequestFactory().get("/api/v1/clients"), *reason)
    assert (told.status_code, told["Content-Type"]) == (status, "application/json; charset=utf-8")


def test_a_person_gets_a_page(operator: Program) -> None:
    answer = operator.http.get("/nothing")

    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (404, "text/html")


# -- ids -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [call for call in CALLS if "{" in call.path], ids=str)
def test_a_hostile_id_is_no_id(administrator: Program, call: Call) -> None:
    hostile = ["0", "-1", "+1", "1.0", "1e3", "0x1", "1_0", "%201", "1%00", "%00", "٣", "%D9%A3", "null", "abc"]
    hostile += ["9223372036854775808", "9" * 19, "9" * 1000, "%F0%9F%92%A5", "%FF", "1;2", "..", "1%20OR%201=1"]

    for one in hostile:
        address = re.sub("/(1|2026-01-01)(?=/|$)", f"/{one}", call.address, count=1)
        answer: Any = administrator.send(call.method, address, {})
        assert answer.status_code in (404, 422), (one, answer.content)
        assert answer["Content-Type"].startswith("application/json")
