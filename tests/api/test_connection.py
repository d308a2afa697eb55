"""Over a real connection: what a test client does not show, lengths and bodies that nobody reads."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts.roles import Role
from clients.models import Client
from tests.api.programs import PREFIX, Program

BODY = json.dumps({"phone": "79001234567", "timezone": "Europe/Moscow"}).encode()


class Wire:
    """Sends as told, and takes only a whole JSON document of the announced length for an answer."""

    def __init__(self, server: LiveServer, headers: dict[str, str]) -> None:
        self.connection = HTTPConnection(server.thread.host, server.thread.port, timeout=20)
        self.headers = {"Content-Type": "application/json", "Connection": "close"} | headers

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        self.connection.request(method, PREFIX + path, body, self.headers, **options)
        answer = self.connection.getresponse()
        content = answer.read()
        self.connection.close()
        assert int(answer.headers["Content-Length"]) == len(content)
        return answer.status, json.loads(content)


@pytest.fixture
def wire(live_server: LiveServer) -> Iterator[Wire]:
    wire = Wire(live_server, Program(Role.OPERATOR).headers)
    yield wire
    wire.connection.close()


def test_refusals_arrive_whole(wire: Wire) -> None:
    told = [
        wire.send("GET", "/nothing"),
        wire.send("PUT", "/clients"),
        wire.send("POST", "/clients", b"{"),
        wire.send("POST", "/clients", b" " * (5 * 1024 * 1024 + 1)),
        wire.send("POST", "/clients", iter([BODY]), encode_chunked=True),
        wire.send("GET", "/clients/%00"),
        wire.send("GET", "/clients/1"),
    ]

    assert [status for status, _ in told] == [404, 405, 400, 413, 411, 422, 404]
    assert all(set(answer) == {"detail"} for _, answer in told)


def test_a_client_is_added_over_the_wire(wire: Wire) -> None:
    status, shown = wire.send("POST", "/clients", BODY)

    assert status == 201
    assert shown["id"] == Client.objects.get().pk
    assert wire.send("POST", "/clients", BODY) == (409, {"detail": "Phone already exists"})
