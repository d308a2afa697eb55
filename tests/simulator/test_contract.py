"""The contract, seen over the wire."""

import json
from typing import Any

import pytest

from tests.gateway_process import GatewayProcess
from tests.simulator.wire import BODY, ask, connect, raw, read_to_the_end


@pytest.mark.parametrize("path", ["/send/17", "/v1/send/17"])
def test_a_lawful_request_is_accepted_with_and_without_the_version_prefix(
    gateway: GatewayProcess, path: str
) -> None:
    status, body, headers = ask(gateway, path=path)

    assert (status, json.loads(body)) == (200, {"code": 0, "message": "OK"})
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, -(2**63)])
def test_an_id_may_be_any_integer_of_64_bits(gateway: GatewayProcess, number: int) -> None:
    assert ask(gateway, {**BODY, "id": number}, path=f"/send/{number}")[0] == 200


@pytest.mark.parametrize("phone", [70000000000, 79999999999])
def test_a_phone_may_be_any_7_and_ten_digits(gateway: GatewayProcess, phone: int) -> None:
    assert ask(gateway, {**BODY, "phone": phone})[0] == 200


@pytest.mark.parametrize("text", ["", "a" * 1600, "\u0000", "\ud800", "😀"])
def test_a_text_may_be_any_string(gateway: GatewayProcess, text: str) -> None:
    assert ask(gateway, {**BODY, "text": text})[0] == 200
    assert gateway.journal()[0]["body"]["text"] == text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic dTpw"},
        {"Authorization": "token"},
    ],
)
def test_without_a_bearer_token_nothing_is_accepted(gateway: GatewayProcess, headers: dict[str, str]) -> None:
    assert ask(gateway, headers=headers)[0] == 401


def test_only_the_token_that_was_set_is_right(gateway: GatewayProcess) -> None:
    gateway.control(token="right")

    assert ask(gateway, headers={"Authorization": "Bearer right"})[0] == 200
    assert ask(gateway, headers={"Authorization": "Bearer wrong"})[0] == 401


@pytest.mark.parametrize(
    "change",
    [
        {"id": "17"},
        {"id": 17.0},
        {"id": True},
        {"id": None},
        {"id": 18},
        {"id": 2**63},
        {"id": -(2**63) - 1},
        {"phone": "79001234567"},
        {"phone": 79001234567.0},
        {"phone": 89001234567},
        {"phone": 7900123456},
        {"phone": 790012345678},
        {"phone": None},
        {"text": None},
        {"text": 5},
        {"text": ["a"]},
        {"extra": 1},
    ],
)
def test_a_field_that_breaks_the_contract_is_refused(gateway: GatewayProcess, change: dict[str, Any]) -> None:
    assert ask(gateway, {**BODY, **change})[0] == 400


@pytest.mark.parametrize("field", ["id", "phone", "text"])
def test_a_missing_field_is_refused(gateway: GatewayProcess, field: str) -> None:
    assert ask(gateway, {key: value for key, value in BODY.items() if key != field})[0] == 400


@pytest.mark.parametrize("number", ["x", "017", "+17", "17.0", "9223372036854775808", "%D9%A1%D9%A7"])
def test_an_id_in_the_path_that_is_not_one_is_refused(gateway: GatewayProcess, number: str) -> None:
    assert ask(gateway, path=f"/send/{number}")[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"id=17",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(BODY).encode("utf-16"),
        json.dumps(BODY).encode()[:-1],
        b'{"id": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(gateway: GatewayProcess, body: bytes) -> None:
    assert ask(gateway, body)[0] == 400


def test_a_body_over_a_mebibyte_is_too_large(gateway: GatewayProcess) -> None:
    assert ask(gateway, {**BODY, "text": "a" * 3_000_000})[0] == 413


@pytest.mark.parametrize("path", ["/", "/send", "/send/", "/v2/send/17", "/send/17/", "/send/17?x=1"])
def test_any_other_address_is_not_found(gateway: GatewayProcess, path: str) -> None:
    assert ask(gateway, path=path)[0] == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_any_other_method_is_not_allowed(gateway: GatewayProcess, method: str) -> None:
    assert ask(gateway, method=method)[0] == 405


def test_what_is_not_http_is_answered_with_400_and_the_end(gateway: GatewayProcess) -> None:
    with connect(gateway) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")

        assert read_to_the_end(connection).startswith(b"HTTP/1.1 400 ")


def test_an_upgrade_to_another_protocol_is_refused(gateway: GatewayProcess) -> None:
    with connect(gateway) as connection:
        connection.sendall(b"GET /send/17 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")

        assert read_to_the_end(connection).startswith(b"HTTP/1.1 405 ")


def test_a_connection_serves_one_request_after_the_other(gateway: GatewayProcess) -> None:
    with connect(gateway) as connection:
        for number in (1, 2, 3):
            connection.sendall(raw(number))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")

    assert [entry["id"] for entry in gateway.journal()] == [1, 2, 3]


def test_a_request_may_come_in_pieces_and_in_chunks(gateway: GatewayProcess) -> None:
    body = json.dumps(BODY).encode()
    head = b"POST /send/17 HTTP/1.1\r\nAuthorization: Bearer t\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (body[:5], len(body) - 5, body[5:])

    with connect(gateway) as connection:
        for index in range(len(data)):
            connection.sendall(data[index : index + 1])

        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_pipelined_requests_are_answered_in_their_order(gateway: GatewayProcess) -> None:
    gateway.control(poison={"1": "slow:0.1", "2": "404", "3": "closeidle"})

    with connect(gateway) as connection:
        connection.sendall(raw(1) + raw(2) + raw(3))
        answers = read_to_the_end(connection).split(b"HTTP/1.1 ")

    assert [answer[:3] for answer in answers[1:]] == [b"200", b"404", b"200"]


def test_a_thousand_pipelined_requests_wait_for_one_that_is_slow(gateway: GatewayProcess) -> None:
    gateway.control(poison={"0": "slow:0.1"})

    with connect(gateway) as connection:
        connection.sendall(b"".join(raw(number) for number in range(1000)))
        answers = 0
        while answers < 1000:
            answers += connection.recv(65536).count(b"HTTP/1.1 200")

    assert gateway.stats()["in_flight"] == 0


def test_a_client_that_wants_no_further_answer_gets_none(gateway: GatewayProcess) -> None:
    with connect(gateway) as connection:
        connection.sendall(raw().replace(b"Host: x", b"Connection: close"))

        assert read_to_the_end(connection).count(b"HTTP/1.1") == 1
