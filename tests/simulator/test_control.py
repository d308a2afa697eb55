"""Orders at run time, and what the simulator tells about itself."""

import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.gateway_process import GatewayProcess
from tests.simulator.wire import BODY, ask, connect, raw, status


def order(gateway: GatewayProcess, body: bytes) -> tuple[int, dict[str, Any]]:
    number, answer, _ = ask(gateway, body, path="/_control", headers={})
    return number, json.loads(answer)


# settings ------------------------------------------------------------------------------------------


def test_a_latency_holds_for_every_answer_from_then_on(gateway: GatewayProcess) -> None:
    gateway.control(latency="100ms")
    start = time.monotonic()

    assert status(gateway) == 200
    assert ask(gateway, b"")[0] == 400
    assert time.monotonic() - start > 0.19


def test_latency_is_waited_for_by_many_at_the_same_time(gateway: GatewayProcess) -> None:
    gateway.control(latency="1s")
    waiting = [connect(gateway) for _ in range(100)]

    for number, connection in enumerate(waiting):
        connection.sendall(raw(number))

    assert all(connection.recv(65536).startswith(b"HTTP/1.1 200") for connection in waiting)
    assert gateway.stats()["peak_in_flight"] == 100
    for connection in waiting:
        connection.close()


def test_faults_come_in_their_shares_and_the_same_in_every_run(gateway: GatewayProcess) -> None:
    runs = []
    for seed in (5, 5, 6):
        gateway.control(seed=seed, faults={"500": 0.2, "code1": 0.1}, reset_journal=True)
        with ThreadPoolExecutor(8) as threads:
            runs.append(list(threads.map(lambda number: status(gateway, number), range(500))))

    first, again, other = runs
    assert first == again
    assert first != other
    assert 70 < first.count(500) < 130
    assert 30 < gateway.stats()["answers"]["code1"] < 70


def test_a_fault_is_decided_anew_for_each_request_of_a_message(gateway: GatewayProcess) -> None:
    gateway.control(faults={"500": 0.5})

    assert {status(gateway, 17) for _ in range(30)} == {200, 500}


def test_new_faults_take_the_place_of_the_old(gateway: GatewayProcess) -> None:
    gateway.control(faults={"500": 1})
    gateway.control(faults={"503": 1})

    assert status(gateway) == 503


def test_what_breaks_the_contract_meets_no_fault(gateway: GatewayProcess) -> None:
    gateway.control(faults={"500": 1}, poison={"17": "500"})

    assert ask(gateway, headers={})[0] == 401
    assert ask(gateway, b"{}")[0] == 400


def test_poison_is_for_one_message_or_one_phone(gateway: GatewayProcess) -> None:
    gateway.control(poison={"17": "500", "79990000000": "503"})

    assert [status(gateway, 17), status(gateway, 18), status(gateway, 19, 79990000000)] == [500, 200, 503]
    assert status(gateway, 17) == 500


def test_poison_can_be_different_from_one_request_to_the_next(gateway: GatewayProcess) -> None:
    gateway.control(poison={"17": ["500", "ok", "429:1"]}, faults={"404": 1})

    assert [status(gateway, 17) for _ in range(4)] == [500, 200, 429, 200]


# bad orders ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "JSON"),
        (b"[]", "object"),
        (b'{"latencies": 1}', "latencies"),
        (b'{"latency": "fast"}', "fast"),
        (b'{"latency": -1}', "-1"),
        (b'{"faults": {"sneeze": 0.1}}', "sneeze"),
        (b'{"faults": {"500": 2}}', "share"),
        (b'{"faults": {"500": 0.6, "hang": 0.6}}', "more than 1"),
        (b'{"token": 5}', "token"),
        (b'{"seed": "x"}', "seed"),
        (b'{"poison": {"x": "hang"}}', "id or a phone"),
        (b'{"down_for": "x"}', "length of time"),
        (b'{"down": 1}', "true or false"),
        (b'{"reset_journal": "yes"}', "true or false"),
    ],
)
def test_a_bad_order_is_refused_with_a_sentence(gateway: GatewayProcess, body: bytes, word: str) -> None:
    number, answer = order(gateway, body)

    assert number == 400
    assert word in answer["detail"]


def test_an_order_that_is_bad_in_part_changes_nothing(gateway: GatewayProcess) -> None:
    status(gateway)

    with pytest.raises(ValueError, match="seed"):
        gateway.control(faults={"500": 1}, token="right", reset_journal=True, down=True, seed="x")

    assert status(gateway) == 200
    assert len(gateway.journal()) == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/_control"), ("POST", "/_journal"), ("POST", "/_stats"), ("GET", "/_else"), ("GET", "/_")],
)
def test_other_addresses_of_its_own_do_not_exist(gateway: GatewayProcess, method: str, path: str) -> None:
    assert ask(gateway, b"", method=method, path=path)[0] == 404
    assert gateway.journal() == []


# the door ------------------------------------------------------------------------------------------


def test_while_down_connections_are_refused_and_those_there_were_are_gone(gateway: GatewayProcess) -> None:
    with connect(gateway) as connection:
        connection.sendall(raw())
        connection.recv(65536)
        gateway.control(down=True)

        with pytest.raises(ConnectionRefusedError):
            connect(gateway)
        assert connection.recv(1) == b""

    gateway.control(down=False)
    assert status(gateway) == 200


def test_down_and_up_may_be_said_twice(gateway: GatewayProcess) -> None:
    for down in (True, True, False, False):
        gateway.control(down=down)

    assert status(gateway) == 200


def test_down_for_a_time_ends_by_itself(gateway: GatewayProcess) -> None:
    gateway.control(down_for=0.3)
    start = time.monotonic()

    with pytest.raises(ConnectionRefusedError):
        connect(gateway)
    while not is_up(gateway):
        pass

    assert time.monotonic() - start >= 0.25
    assert status(gateway) == 200


def is_up(gateway: GatewayProcess) -> bool:
    try:
        connect(gateway).close()
    except ConnectionRefusedError:
        return False
    return True


def test_an_earlier_up_takes_the_place_of_the_appointed_one(gateway: GatewayProcess) -> None:
    gateway.control(down_for=3600)
    gateway.control(down=False)

    assert status(gateway) == 200


def test_dropped_connections_are_no_longer_in_flight(gateway: GatewayProcess) -> None:
    gateway.control(faults={"hang": 1})

    with connect(gateway) as connection:
        connection.sendall(raw())
        while not gateway.stats()["in_flight"]:
            pass
        gateway.control(drop_connections=True)

        assert connection.recv(1) == b""
    assert gateway.stats()["in_flight"] == 0


# the journal and the figures -----------------------------------------------------------------------


def test_the_journal_has_every_request_with_the_instant_and_the_answer(gateway: GatewayProcess) -> None:
    before = time.time()
    status(gateway)
    ask(gateway, headers={})
    ask(gateway, b"hello", path="/send/18")
    ask(gateway, method="GET", path="/elsewhere")
    after = time.time()

    lines = gateway.journal()

    assert [line["n"] for line in lines] == [1, 2, 3, 4]
    assert [line["id"] for line in lines] == [17, 17, 18, None]
    assert [line["body"] for line in lines] == [BODY, BODY, "hello", BODY]
    assert [line["authorized"] for line in lines] == [True, False, True, True]
    assert [line["answer"] for line in lines] == [200, 401, 400, 404]
    assert [line["accepted"] for line in lines] == [True, False, False, False]
    assert before - 0.001 <= lines[0]["at"] <= lines[3]["at"] <= after


def test_the_journal_can_be_read_from_where_one_was(gateway: GatewayProcess) -> None:
    for number in range(5):
        status(gateway, number)

    _, body, headers = ask(gateway, b"", method="GET", path="/_journal?after=2&limit=2")

    assert [json.loads(line)["id"] for line in body.splitlines()] == [2, 3]
    assert headers["Content-Type"] == "application/x-ndjson"
    assert [line["id"] for line in gateway.journal(after=4)] == [4]


@pytest.mark.parametrize("query", ["after=x", "after=-1", "limit=", "limit=1.5", "since=1", "after=" + "9" * 30])
def test_a_bad_part_of_the_journal_is_refused(gateway: GatewayProcess, query: str) -> None:
    number, body, _ = ask(gateway, b"", method="GET", path=f"/_journal?{query}")

    assert number == 400
    assert json.loads(body)["detail"]


def test_a_long_journal_is_streamed_whole(gateway: GatewayProcess) -> None:
    with connect(gateway) as connection:
        connection.sendall(b"".join(raw(number) for number in range(5000)))
        answers = 0
        while answers < 5000:
            answers += connection.recv(65536).count(b"HTTP/1.1 200")

    assert [line["id"] for line in gateway.journal()] == list(range(5000))


def test_the_figures_tell_what_came_and_what_it_got(gateway: GatewayProcess) -> None:
    gateway.control(poison={"2": "500"})
    for number in (1, 2, 1):
        status(gateway, number)
    ask(gateway, headers={})

    stats = gateway.stats()

    assert stats["answers"] == {"200": 2, "500": 1, "401": 1}
    assert (stats["requests"], stats["accepted"], stats["distinct_ids"], stats["repeats"]) == (4, 2, 3, 1)
    assert (stats["in_flight"], stats["peak_in_flight"], stats["per_second"]) == (0, 1, 0.4)


def test_a_new_journal_starts_the_figures_anew(gateway: GatewayProcess) -> None:
    status(gateway)

    gateway.control(reset_journal=True)

    assert gateway.journal() == []
    assert (gateway.stats()["requests"], gateway.stats()["answers"]) == (0, {})


def test_it_takes_orders_while_every_send_hangs(gateway: GatewayProcess) -> None:
    gateway.control(faults={"hang": 1})
    hanging: list[socket.socket] = [connect(gateway) for _ in range(200)]

    for number, connection in enumerate(hanging):
        connection.sendall(raw(number))
    while gateway.stats()["in_flight"] < 200:
        pass
    gateway.control(faults={})

    assert status(gateway) == 200
    for connection in hanging:
        connection.close()


def test_orders_come_through_one_connection_after_the_other(gateway: GatewayProcess) -> None:
    connection = http.client.HTTPConnection(*gateway.address, timeout=30)

    for path in ("/_stats", "/_journal", "/_stats"):
        connection.request("GET", path)
        assert connection.getresponse().read() is not None

    connection.close()
