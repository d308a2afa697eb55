"""The web server itself: it believes no header that our own rules have not let through."""

import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests import databases
from tests.web_process import web_server

pytestmark = [pytest.mark.once, pytest.mark.processes]


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
    host, port = address.split(":")
    with closing(socket.create_connection((host, int(port)), timeout=30)) as wire:
        lines = ["GET /nothing HTTP/1.1", "Host: a", "SCRIPT_NAME: /evil", "PATH_INFO: /evil", "Connection: close"]
        wire.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: wire.recv(65536), b""))

    assert b"evil" not in answer
