"""The contract over real HTTP: what the gateway may do, and what each thing is taken for."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import pytest

from mailings.gateway import Cause, Delivery, Kind, Line, Outcome, Request
from tests.gateway_process import GatewayProcess

TOKEN = "a-long-token"
PATIENCE_S = 20.0
Ask = Callable[[str, Request], Outcome]


def make_request(
    number: int = 17, *, text: str = "Привет 😀", left_s: float = 60, timeout_s: float = 10, begin_s: float = 60
) -> Request:
    now = time.monotonic()
    return Request(number, "79001234567", text, now + left_s, timeout_s, begin_by=now + begin_s)


def carry(line: Line, requests: Sequence[Request]) -> list[Delivery]:
    """Submits them all and collects until all are back."""
    line.submit(requests)
    came: list[Delivery] = []
    until = time.monotonic() + PATIENCE_S
    while len(came) < len(requests) and time.monotonic() < until:
        came += line.collect(wait_s=0.5)
    assert len(came) == len(requests), "some requests never came back"
    return came


@pytest.fixture
def ask() -> Ask:
    """Asks over a line of its own."""

    def by_line(url: str, request: Request) -> Outcome:
        with Line(url=url, token=TOKEN, capacity=1) as line:
            return carry(line, [request])[0].outcome

    return by_line


def meaning(outcome: Outcome) -> tuple[Kind, Cause]:
    return outcome.kind, outcome.cause


def test_the_gateway_gets_the_id_the_phone_and_the_text_and_the_token(gateway: GatewayProcess, ask: Ask) -> None:
    gateway.control(token=TOKEN)

    outcome = ask(gateway.url, make_request(2**63 - 1))

    assert outcome == Outcome(Kind.SENT, Cause.ACCEPTED, 200, '{"code": 0, "message": "OK"}')
    (entry,) = gateway.journal()
    assert entry["body"] == {"id": 2**63 - 1, "phone": 79001234567, "text": "Привет 😀"}
    assert entry["id"] == 2**63 - 1
    assert entry["authorized"]


def test_a_wrong_token_is_not_sent(gateway: GatewayProcess, ask: Ask) -> None:
    gateway.control(token="another")

    assert meaning(ask(gateway.url, make_request())) == (Kind.NOT_SENT, Cause.UNAUTHORISED)


ANSWERED = {
    "500": (Kind.UNKNOWN, Cause.SERVER_ERROR),
    "502": (Kind.UNKNOWN, Cause.SERVER_ERROR),
    "503": (Kind.UNKNOWN, Cause.SERVER_ERROR),
    "504": (Kind.UNKNOWN, Cause.SERVER_ERROR),
    "503:7": (Kind.NOT_SENT, Cause.THROTTLED),
    "429": (Kind.NOT_SENT, Cause.THROTTLED),
    "429:soon": (Kind.NOT_SENT, Cause.THROTTLED),
    "401": (Kind.NOT_SENT, Cause.UNAUTHORISED),
    "403": (Kind.NOT_SENT, Cause.UNAUTHORISED),
    "400": (Kind.REFUSED, Cause.REFUSED),
    "404": (Kind.REFUSED, Cause.REFUSED),
    "422": (Kind.REFUSED, Cause.REFUSED),
    "201": (Kind.UNKNOWN, Cause.OFF_CONTRACT),
    "204": (Kind.UNKNOWN, Cause.OFF_CONTRACT),
    "301": (Kind.UNKNOWN, Cause.REDIRECT),
    "303": (Kind.UNKNOWN, Cause.REDIRECT),
    "304": (Kind.UNKNOWN, Cause.REDIRECT),
    "308": (Kind.UNKNOWN, Cause.REDIRECT),
    "redirect": (Kind.UNKNOWN, Cause.REDIRECT),
    "html": (Kind.UNKNOWN, Cause.OFF_CONTRACT),
    "empty": (Kind.UNKNOWN, Cause.OFF_CONTRACT),
    "code1": (Kind.UNKNOWN, Cause.OFF_CONTRACT),
    "wrongtype": (Kind.UNKNOWN, Cause.OFF_CONTRACT),
    "list": (Kind.UNKNOWN, Cause.OFF_CONTRACT),
    "notutf8": (Kind.UNKNOWN, Cause.OFF_CONTRACT),
    "huge": (Kind.UNKNOWN, Cause.OFF_CONTRACT),
    "reset": (Kind.UNKNOWN, Cause.CONNECTION_LOST),
    "close": (Kind.UNKNOWN, Cause.CONNECTION_LOST),
    "halfclose": (Kind.UNKNOWN, Cause.CONNECTION_LOST),
    "truncate": (Kind.UNKNOWN, Cause.CONNECTION_LOST),
    "garbage": (Kind.UNKNOWN, Cause.CONNECTION_LOST),
    "slow:0.3": (Kind.SENT, Cause.ACCEPTED),
    "closeidle": (Kind.SENT, Cause.ACCEPTED),
    "echo:200": (Kind.UNKNOWN, Cause.OFF_CONTRACT),
}


@pytest.mark.parametrize(("fault", "expected"), ANSWERED.items(), ids=ANSWERED.keys())
def test_what_the_gateway_does_is_taken_for_what_it_is_and_never_asked_again(
    gateway: GatewayProcess, ask: Ask, fault: str, expected: tuple[Kind, Cause]
) -> None:
    gateway.control(faults={fault: 1})

    outcome = ask(gateway.url, make_request())

    assert meaning(outcome) == expected
    assert len(gateway.journal()) == 1
    assert "\x00" not in outcome.detail
    assert TOKEN not in outcome.detail


@pytest.mark.parametrize("fault", ["hang", "drip", "slow:30"])
@pytest.mark.parametrize("limits", [(60, 0.5), (0.6, 60)], ids=["timeout", "deadline"])
def test_an_answer_that_is_not_whole_in_time_is_unknown(
    gateway: GatewayProcess, ask: Ask, fault: str, limits: tuple[float, float]
) -> None:
    gateway.control(faults={fault: 1})

    outcome = ask(gateway.url, make_request(left_s=limits[0], timeout_s=limits[1]))

    assert meaning(outcome) == (Kind.UNKNOWN, Cause.NO_ANSWER)
    assert len(gateway.journal()) == 1


def test_a_drip_that_has_begun_its_body_is_cut_too(ask: Ask) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{"
    with answering(head) as url:
        outcome = ask(url, make_request(timeout_s=0.5))

    assert meaning(outcome) == (Kind.UNKNOWN, Cause.NO_ANSWER)


@pytest.mark.parametrize(("told", "seconds"), [("7", 7.0), ("99999", 3600.0), ("-1", 0.0), ("soon", 0.0)])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_arrives(gateway: GatewayProcess, ask: Ask, status: int, told: str, seconds: float) -> None:
    gateway.control(faults={f"{status}:{told}": 1})

    assert ask(gateway.url, make_request()).retry_after_s == seconds


def test_retry_after_arrives_as_a_date(gateway: GatewayProcess, ask: Ask) -> None:
    gateway.control(faults={"503:date+1000": 1})

    assert 900 < ask(gateway.url, make_request()).retry_after_s <= 1000


def test_a_refused_connection_is_not_sent(gateway: GatewayProcess, ask: Ask) -> None:
    gateway.control(down=True)

    assert meaning(ask(gateway.url, make_request())) == (Kind.NOT_SENT, Cause.NO_CONNECTION)


def test_a_connection_that_nobody_takes_is_not_sent(ask: Ask) -> None:
    with not_taking() as url:
        outcome = ask(url, make_request(timeout_s=0.5))

    assert meaning(outcome) == (Kind.NOT_SENT, Cause.NO_CONNECTION)


def test_a_tls_failure_is_not_sent(gateway: GatewayProcess, ask: Ask) -> None:
    outcome = ask(gateway.url.replace("http:", "https:"), make_request())

    assert meaning(outcome) == (Kind.NOT_SENT, Cause.NO_CONNECTION)
    assert gateway.journal() == []


@pytest.mark.parametrize("left_s", [-3600, -1, 0, 0.2])
def test_nothing_is_sent_when_the_deadline_has_passed_or_is_too_near(
    gateway: GatewayProcess, ask: Ask, left_s: float
) -> None:
    assert meaning(ask(gateway.url, make_request(left_s=left_s))) == (Kind.NOT_SENT, Cause.NOT_BEGUN)
    assert gateway.journal() == []


@pytest.mark.parametrize("begin_s", [-3600, 0, 0.2])
def test_nothing_is_begun_when_the_window_has_closed_or_is_about_to(
    gateway: GatewayProcess, ask: Ask, begin_s: float
) -> None:
    assert meaning(ask(gateway.url, make_request(begin_s=begin_s))) == (Kind.NOT_SENT, Cause.NOT_BEGUN)
    assert gateway.journal() == []


def test_what_was_begun_inside_the_window_is_answered_after_it(gateway: GatewayProcess, ask: Ask) -> None:
    gateway.control(latency="700ms")

    assert meaning(ask(gateway.url, make_request(begin_s=0.5))) == (Kind.SENT, Cause.ACCEPTED)


def test_a_connection_that_comes_after_the_window_is_not_used(ask: Ask) -> None:
    began = time.monotonic()
    with not_taking() as url:
        outcome = ask(url, make_request(begin_s=0.5))

    assert meaning(outcome) == (Kind.NOT_SENT, Cause.NOT_BEGUN)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("left_s", "begin_s"), [(1.2, 60), (60, 1.2)], ids=["end", "window"])
def test_nothing_leaves_over_a_connection_that_comes_in_the_last_moment(
    ask: Ask, left_s: float, begin_s: float
) -> None:
    with taking_after(0.3) as (url, received):  # whom the kernel did not answer knocks again after a second
        outcome = ask(url, make_request(left_s=left_s, begin_s=begin_s))

    assert meaning(outcome) == (Kind.NOT_SENT, Cause.NOT_BEGUN)
    assert received == []


def test_no_limit_is_rounded_up(gateway: GatewayProcess) -> None:
    gateway.control(faults={"hang": 1})
    limits = [5.1, 5.3, 5.5, 5.7, 5.9]
    requests = [make_request(number, left_s=limit) for number, limit in enumerate(limits, start=1)]

    with Line(url=gateway.url, token=TOKEN, capacity=10) as line:
        came = carry(line, requests)

    late = {delivery.request.id: delivery.duration_s - limits[delivery.request.id - 1] for delivery in came}
    assert max(late.values()) < 0.3


def test_a_short_timeout_is_no_deadline(gateway: GatewayProcess, ask: Ask) -> None:
    gateway.control(faults={"hang": 1})

    assert meaning(ask(gateway.url, make_request(timeout_s=0.2))) == (Kind.UNKNOWN, Cause.NO_ANSWER)


def test_many_go_at_once_and_each_comes_back_once(gateway: GatewayProcess) -> None:
    gateway.control(latency="200ms")
    requests = [make_request(number, text=f"Text {number}") for number in range(1, 301)]

    with Line(url=gateway.url, token=TOKEN, capacity=300) as line:
        assert line.free == 300
        came = carry(line, requests)
        assert (line.under_way, line.free) == (0, 300)

    assert {delivery.request for delivery in came} == set(requests)
    assert {meaning(delivery.outcome) for delivery in came} == {(Kind.SENT, Cause.ACCEPTED)}
    texts = {entry["id"]: entry["body"]["text"] for entry in gateway.journal()}
    assert texts == {number: f"Text {number}" for number in range(1, 301)}
    assert gateway.stats()["peak_in_flight"] > 100


def test_one_that_hangs_holds_up_nobody(gateway: GatewayProcess) -> None:
    gateway.control(poison={"1": "hang", "2": "drip"})
    requests = [make_request(number) for number in range(1, 51)]

    with Line(url=gateway.url, token=TOKEN, capacity=10) as line:
        line.submit(requests[:10])
        came = collect(line, 8)
        line.submit(requests[10:])
        came += collect(line, 40)

        assert {delivery.request.id for delivery in came} == set(range(3, 51))
        assert line.under_way == 2


def test_a_connection_closed_while_idle_makes_no_second_request(gateway: GatewayProcess) -> None:
    gateway.control(faults={"closeidle": 1})

    with Line(url=gateway.url, token=TOKEN, capacity=1) as line:
        came = {number: carry(line, [make_request(number)])[0].outcome.kind for number in range(1, 31)}

    # one that left on a connection just being closed may never have arrived
    arrived = [entry["id"] for entry in gateway.journal()]
    assert set(came.values()) <= {Kind.SENT, Kind.UNKNOWN}
    assert len(arrived) == len(set(arrived))
    assert {number for number, kind in came.items() if kind is Kind.SENT} == set(arrived)


def test_leaving_cuts_off_what_is_under_way(gateway: GatewayProcess) -> None:
    gateway.control(faults={"hang": 1})

    with Line(url=gateway.url, token=TOKEN, capacity=5) as line:
        line.submit([make_request(number) for number in range(1, 6)])
        assert line.collect(wait_s=0) == []

    assert line.collect(wait_s=0) == []


def collect(line: Line, number: int) -> list[Delivery]:
    """The next `number` deliveries."""
    came: list[Delivery] = []
    until = time.monotonic() + PATIENCE_S
    while len(came) < number and time.monotonic() < until:
        came += line.collect(wait_s=0.5)
    return came


@contextmanager
def answering(data: bytes) -> Iterator[str]:
    """A server that says `data` to its first caller and then nothing more, without closing."""
    with ExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            caller = stack.enter_context(door.accept()[0])
            caller.recv(65536)
            caller.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        thread.join(PATIENCE_S)


@contextmanager
def hanging_up() -> Iterator[str]:
    """A server that hears the beginning of every handshake and resets the connection."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    caller = door.accept()[0]
                except OSError:
                    return
                caller.recv(1)
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                caller.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{door.getsockname()[1]}"
        door.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE_S)


@contextmanager
def not_taking() -> Iterator[str]:
    """A server whose queue of callers is full, so that the kernel drops whoever knocks."""
    with ExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(door.getsockname())
        yield f"http://127.0.0.1:{door.getsockname()[1]}"


@contextmanager
def taking_after(seconds: float) -> Iterator[tuple[str, list[bytes]]]:
    """A server whose queue of callers is full at first; then it answers nobody and keeps what it is told."""
    received: list[bytes] = []
    with ExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        door.settimeout(3)
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(door.getsockname())

        def take() -> None:
            threading.Event().wait(seconds)
            with suppress(TimeoutError):
                while True:
                    taken = stack.enter_context(door.accept()[0])
                    taken.settimeout(1)
                    with suppress(TimeoutError):
                        if told := taken.recv(100):
                            received.append(told)

        thread = threading.Thread(target=take)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}", received
        thread.join()
