"""Every fault, seen from outside."""

import http.client
import json
import time
from email.utils import parsedate_to_datetime

import pytest

from mailings.simulator.faults import Kind
from tests.gateway_process import GatewayProcess
from tests.simulator.wire import BODY, ask, connect, nothing_came, raw, read_to_the_end, status


@pytest.mark.parametrize(
    "number", [201, 204, 301, 302, 304, 400, 401, 403, 404, 418, 429, 500, 502, 503, 504, 599]
)
def test_any_status_can_be_had_by_its_number(gateway: GatewayProcess, number: int) -> None:
    gateway.control(faults={str(number): 1})

    assert status(gateway) == number
    assert status(gateway) == number
    assert [(line["answer"], line["accepted"]) for line in gateway.journal()] == [(number, False)] * 2


@pytest.mark.parametrize("number", [200, 400, 401, 500])
def test_an_echo_repeats_all_that_was_sent(gateway: GatewayProcess, number: int) -> None:
    gateway.control(faults={f"echo:{number}": 1})

    found, body, _ = ask(gateway, json.dumps(BODY, ensure_ascii=False).encode())

    assert found == number
    assert all(text in body.decode() for text in ("79001234567", "Здравствуйте", "Bearer token"))
    assert [line["accepted"] for line in gateway.journal()] == [False]


@pytest.mark.parametrize("text", ["5", "0", "-1", "soon", "99999999999999999999"])
def test_a_retry_after_is_sent_as_it_was_written(gateway: GatewayProcess, text: str) -> None:
    gateway.control(faults={f"429:{text}": 1})

    number, _, headers = ask(gateway)

    assert (number, headers["Retry-After"]) == (429, text)


@pytest.mark.parametrize("ahead", [-30, 30])
def test_a_retry_after_can_be_a_date(gateway: GatewayProcess, ahead: int) -> None:
    gateway.control(faults={f"503:date{ahead:+}": 1})
    before = int(time.time())

    number, _, headers = ask(gateway)

    assert number == 503
    assert before + ahead <= parsedate_to_datetime(headers["Retry-After"]).timestamp() <= time.time() + ahead


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
def test_a_redirect_leads_to_where_following_it_would_show(gateway: GatewayProcess, number: int) -> None:
    gateway.control(faults={str(number): 1})

    assert ask(gateway)[2]["Location"] == "/moved/send/17"


def test_redirect_alone_means_307(gateway: GatewayProcess) -> None:
    gateway.control(faults={"redirect": 1})

    number, _, headers = ask(gateway)

    assert (number, headers["Location"]) == (307, "/moved/send/17")


@pytest.mark.parametrize("kind", ["hang", "halfclose"])
def test_an_unanswered_request_stays_in_flight_until_the_client_gives_up(
    gateway: GatewayProcess, kind: str
) -> None:
    gateway.control(faults={kind: 1})

    with connect(gateway) as connection:
        connection.sendall(raw())
        while not gateway.stats()["requests"]:
            pass
        assert gateway.stats()["in_flight"] == 1

    while gateway.stats()["in_flight"]:
        pass


def test_a_half_closed_connection_still_takes_bytes(gateway: GatewayProcess) -> None:
    gateway.control(faults={"halfclose": 1})

    with connect(gateway) as connection:
        connection.sendall(raw())
        assert connection.recv(1) == b""
        connection.sendall(raw())
        while gateway.stats()["requests"] < 2:
            pass
        assert connection.recv(1) == b""


def test_a_hanging_connection_answers_nothing_that_comes_later(gateway: GatewayProcess) -> None:
    gateway.control(poison={"1": "hang"})

    with connect(gateway) as connection:
        connection.sendall(raw(1) + raw(2))
        while gateway.stats()["requests"] < 2:
            pass
        assert nothing_came(connection)


def test_a_dripping_answer_comes_a_byte_a_second(gateway: GatewayProcess) -> None:
    gateway.control(faults={"drip": 1})

    with connect(gateway) as connection:
        connection.sendall(raw())
        first, start = connection.recv(100), time.monotonic()
        second, took = connection.recv(100), time.monotonic() - start

    assert (first, second) == (b"H", b"T")
    assert took > 0.9


def test_a_slow_answer_is_late_and_right(gateway: GatewayProcess) -> None:
    gateway.control(faults={"slow:0.2": 1})
    start = time.monotonic()

    assert status(gateway) == 200
    assert time.monotonic() - start > 0.19


def test_a_reset_is_a_reset(gateway: GatewayProcess) -> None:
    gateway.control(faults={"reset": 1})

    with connect(gateway) as connection:
        connection.sendall(raw())
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_close_is_an_end_without_an_answer(gateway: GatewayProcess) -> None:
    gateway.control(faults={"close": 1})

    with connect(gateway) as connection:
        connection.sendall(raw())
        assert connection.recv(1) == b""


def test_a_truncated_answer_ends_in_the_middle_of_its_body(gateway: GatewayProcess) -> None:
    gateway.control(faults={"truncate": 1})

    with pytest.raises(http.client.IncompleteRead) as raised:
        ask(gateway)

    assert raised.value.partial == b'{"code": 0, "m'


def test_garbage_is_not_http(gateway: GatewayProcess) -> None:
    gateway.control(faults={"garbage": 1})

    with pytest.raises(http.client.BadStatusLine):
        ask(gateway)


def test_an_idle_connection_is_closed_without_a_word(gateway: GatewayProcess) -> None:
    gateway.control(faults={"closeidle": 1})

    with connect(gateway) as connection:
        connection.sendall(raw())
        answer = read_to_the_end(connection)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" not in answer


def test_a_huge_answer_is_the_right_one_but_for_its_size(gateway: GatewayProcess) -> None:
    gateway.control(faults={"huge": 1})

    number, body, headers = ask(gateway)

    assert number == 200
    assert len(body) == int(headers["Content-Length"]) == 100 * 1024 * 1024
    assert json.loads(body)["code"] == 0


def test_a_client_that_does_not_read_a_huge_answer_holds_up_nobody(gateway: GatewayProcess) -> None:
    gateway.control(poison={"1": "huge"})

    with connect(gateway) as connection:
        connection.sendall(raw(1))
        connection.recv(1)
        assert status(gateway, 2) == 200
        assert gateway.stats()["in_flight"] == 1


@pytest.mark.parametrize(
    ("kind", "number", "body"),
    [
        ("html", 17, b"<!DOCTYPE html><html><body><h1>It works!</h1></body></html>"),
        ("empty", 17, b""),
        ("code1", 17, b'{"code": 1, "message": "not today"}'),
        ("wrongtype", 16, b'{"code": "0", "message": "OK"}'),
        ("wrongtype", 17, b'{"code": false, "message": "OK"}'),
        ("list", 17, b'[{"code": 0, "message": "OK"}]'),
    ],
)
def test_a_200_can_carry_anything_but_the_contract(
    gateway: GatewayProcess, kind: str, number: int, body: bytes
) -> None:
    gateway.control(faults={kind: 1})

    answer = ask(gateway, {"id": number, "phone": 79001234567, "text": "a"}, path=f"/send/{number}")

    assert answer[:2] == (200, body)


def test_an_answer_can_be_no_utf_8(gateway: GatewayProcess) -> None:
    gateway.control(faults={"notutf8": 1})

    _, body, _ = ask(gateway)

    with pytest.raises(UnicodeDecodeError):
        body.decode()


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.STATUS, Kind.REDIRECT}))
def test_the_journal_tells_which_fault_was_committed_and_whether_it_accepted(
    gateway: GatewayProcess, kind: str
) -> None:
    gateway.control(faults={{"slow": "slow:0", "echo": "echo:200"}.get(kind, kind): 1})

    with connect(gateway) as connection:
        connection.sendall(raw())
        while not gateway.stats()["requests"]:
            pass

    [line] = gateway.journal()
    assert line["answer"] == kind
    assert line["accepted"] == (kind in ("slow", "drip", "closeidle"))
    assert gateway.stats()["answers"] == {kind: 1}
