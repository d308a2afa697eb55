"""The web server itself: it believes no header that our own rules have not let through; what it tells."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests import databases
from tests.web_process import errors_of, web_server
from tests.worker_process import until

pytestmark = [pytest.mark.once, pytest.mark.processes]
CANARY = "canary-of-7"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Over HTTPS to people; no proxy is trusted, not even one on this machine. No request reaches a database."""
    log: Path = tmp_path_factory.mktemp("web") / "web.log"
    settings = {"PUBLIC_URL": "https://vestnik.example.com", "TRUSTED_PROXIES": ""}
    with web_server(databases.choose(), log, **settings) as address:
        yield address


def ask(address: str, **headers: str) -> tuple[int, str | None]:
    with closing(HTTPConnection(address, timeout=30)) as wire:
        wire.request("GET", "/nothing", headers={name.replace("_", "-"): text for name, text in headers.items()})
        answer = wire.getresponse()
        answer.read()
        return answer.status, answer.getheader("Location")


@pytest.mark.parametrize(
    "claim",
    [
        {"X_Forwarded_Proto": "https"},
        {"X_Forwarded_Protocol": "ssl"},
        {"X_Forwarded_Ssl": "on"},
        {"Forwarded": "proto=https;for=203.0.113.9"},
        {"X_Forwarded_Proto": "http", "X_Forwarded_Ssl": "on"},
    ],
    ids=str,
)
def test_nobody_on_this_machine_says_that_it_was_https(address: str, claim: dict[str, str]) -> None:
    assert ask(address, **claim) == (301, "https://vestnik.example.com/nothing")


def test_nobody_says_where_the_service_lies(address: str) -> None:
    lines = ["GET /nothing HTTP/1.1", "Host: a", "SCRIPT_NAME: /evil", "PATH_INFO: /evil", "Connection: close"]

    answer = send(address, "\r\n".join([*lines, "", ""]).encode())

    assert b"evil" not in answer


def test_each_line_from_its_start_to_its_end_is_an_event_on_standard_output(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with web_server(databases.choose(), log) as address:
        killed = next(int(event.split()[-1]) for event in events(log) if event.startswith("Booting worker"))
        os.kill(killed, signal.SIGKILL)
        until(lambda: any("SIGKILL" in event for event in events(log)))
        send(address, b"GET /79001234567?q=canary HTTP/9.x\r\n\r\n")
        until(lambda: any("Invalid" in event for event in events(log)))

    told = events(log)
    assert [event.split()[0] for event in told[:3]] == ["Starting", "Listening", "Using"]
    assert told[-1] == "Shutting down: Master"
    assert "79001234567" not in log.read_text()
    assert errors_of(log).read_text() == ""


def send(address: str, request: bytes) -> bytes:
    host, port = address.split(":")
    with closing(socket.create_connection((host, int(port)), timeout=30)) as wire:
        wire.sendall(request)
        return b"".join(iter(lambda: wire.recv(65536), b""))


def events(log: Path) -> list[str]:
    """What each whole line says; fails when one is not JSON or lacks what every line has."""
    lines = [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    assert all({"timestamp", "level", "logger", "event"} <= line.keys() for line in lines)
    return [line["event"] for line in lines]


def test_wrong_settings_are_told_in_a_line_too(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with pytest.raises(AssertionError), web_server(f"postgres://a:{CANARY}@h:x/b", log):
        pass

    (told,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert told["event"] == "ended by an error"
    assert "DATABASE_URL cannot be read" in told["exception"]
    assert CANARY not in log.read_text()
    assert errors_of(log).read_text() == ""
