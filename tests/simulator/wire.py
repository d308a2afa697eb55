"""Talking to the simulator byte by byte, to see what a polite client would hide."""

import http.client
import json
import socket
from typing import Any

from tests.gateway_process import GatewayProcess

BODY = {"id": 17, "phone": 79001234567, "text": "Здравствуйте"}
BEARER = {"Authorization": "Bearer token"}


def ask(
    gateway: GatewayProcess,
    body: Any = BODY,  # anything at all, lawful or not
    *,
    path: str = "/send/17",
    method: str = "POST",
    headers: dict[str, str] = BEARER,
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """The whole answer to one request; `body` goes out as JSON unless it is bytes already."""
    connection = http.client.HTTPConnection(*gateway.address, timeout=30)
    try:
        connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def status(gateway: GatewayProcess, number: int = 17, phone: int = 79001234567) -> int:
    """The status of the answer to a lawful request."""
    return ask(gateway, {**BODY, "id": number, "phone": phone}, path=f"/send/{number}")[0]


def raw(number: int = 17) -> bytes:
    """A lawful request."""
    body = json.dumps({**BODY, "id": number}).encode()
    head = f"POST /send/{number} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def connect(gateway: GatewayProcess) -> socket.socket:
    return socket.create_connection(gateway.address, timeout=30)


def nothing_came(connection: socket.socket) -> bool:
    """Whether neither a byte nor an end has arrived by now."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    finally:
        connection.settimeout(30)
    return False


def read_to_the_end(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))
