"""Looking whether the gateway is there, over real HTTP: nobody gets a message, and it is never waited for long."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from mailings.gateway import Cause, Kind, Outcome, knock
from tests.gateway_process import GatewayProcess
from tests.postgres import free_port


def ask(gateway: GatewayProcess, *, token: str = "a-token", timeout_s: float = 5) -> Outcome:
    return knock(url=gateway.url, token=token, timeout_s=timeout_s)


def test_a_gateway_that_is_well_refuses_it_and_sends_nothing(gateway: GatewayProcess) -> None:
    gateway.control(token="a-token")

    outcome = ask(gateway)

    assert (outcome.kind, outcome.http_status) == (Kind.REFUSED, 400)
    (entry,) = gateway.journal()
    assert (entry["accepted"], entry["body"]) == (False, {})


def test_a_wrong_token_shows(gateway: GatewayProcess) -> None:
    gateway.control(token="another")

    assert (ask(gateway).cause, ask(gateway).http_status) == (Cause.UNAUTHORISED, 401)


def test_an_answer_that_repeats_the_token_is_kept_without_it() -> None:
    with answering(http("401 No", b"a-long-token is not known")) as url:
        outcome = knock(url=url, token="a-long-token", timeout_s=5)

    assert outcome.detail == "••• is not known"


@contextmanager
def answering(*pieces: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """Someone who takes one request, says this, piece by piece, and closes; his address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            with suppress(OSError):
                for piece in pieces:
                    self.request.sendall(piece)
                    over.wait(pause_s)

    over = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()


def http(status: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("answer", "kind", "cause"),
    [
        (http("500 Oops"), Kind.UNKNOWN, Cause.SERVER_ERROR),
        (http("429 Slow", Retry_After="9"), Kind.NOT_SENT, Cause.THROTTLED),
        (http("307 Elsewhere", Location="http://127.0.0.1:1/"), Kind.UNKNOWN, Cause.REDIRECT),
        (http("200 OK", b"<html>"), Kind.UNKNOWN, Cause.OFF_CONTRACT),
        (http("200 OK", b"x" * 200_000), Kind.UNKNOWN, Cause.OFF_CONTRACT),
        (http("200 OK", b'{"code": 0}'), Kind.SENT, Cause.ACCEPTED),
        (b"", Kind.NOT_SENT, Cause.NO_CONNECTION),
        (b"not http at all\r\n\r\n", Kind.NOT_SENT, Cause.NO_CONNECTION),
        (http("200 OK", b'{"code": 0}')[:-5], Kind.UNKNOWN, Cause.OFF_CONTRACT),
    ],
)
def test_trouble_is_told_as_for_a_message(answer: bytes, kind: Kind, cause: Cause) -> None:
    with answering(answer) as url:
        outcome = knock(url=url, token="a-token", timeout_s=5)

    assert (outcome.kind, outcome.cause) == (kind, cause)


def test_an_answer_that_drips_is_not_waited_for() -> None:
    began = time.monotonic()

    with answering(*(bytes([byte]) for byte in http("200 OK", b'{"code": 0}')), pause_s=0.3) as url:
        outcome = knock(url=url, token="a-token", timeout_s=1)

    assert (outcome.kind, outcome.cause) == (Kind.UNKNOWN, Cause.NO_ANSWER)
    assert time.monotonic() - began < 3


def test_nobody_there_is_not_sent() -> None:
    outcome = knock(url=f"http://127.0.0.1:{free_port()}", token="a-token", timeout_s=5)

    assert (outcome.kind, outcome.cause) == (Kind.NOT_SENT, Cause.NO_CONNECTION)
    assert "a-token" not in outcome.detail


def test_one_who_takes_the_call_and_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outcome = knock(url=f"http://127.0.0.1:{listener.getsockname()[1]}", token="a-token", timeout_s=0.5)

    assert (outcome.kind, outcome.cause) == (Kind.UNKNOWN, Cause.NO_ANSWER)
