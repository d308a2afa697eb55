"""What goes back over the wire: the contract's answer, or one that breaks it in a chosen way."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from enum import Enum
from functools import cache
from http import HTTPStatus

from .contract import Request
from .faults import Fault, Kind


class Ending(Enum):
    """What becomes of the connection after a reply."""

    KEEP = "the next request is served"
    CLOSE = "closed"
    RESET = "reset, as by a machine that lost its power and came back"
    HALF = "our half is closed, theirs is still read"
    NEVER = "nothing more, ever: the request stays unanswered"


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes to write at once, then a stream with a pause in seconds before each piece, then the ending."""

    data: bytes = b""
    ending: Ending = Ending.KEEP
    stream: Callable[[], Iterator[bytes]] | None = None
    pause: float = 0.0
    delay: float = 0.0

    def closing(self) -> "Reply":
        """The same, but the connection does not outlive it."""
        return replace(self, ending=Ending.CLOSE) if self.ending is Ending.KEEP else self


def reason(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"


def head(status: int, length: int | None, *, kind: str = "application/json", **headers: str) -> bytes:
    """Status line and headers; without a length the body is told to come in chunks."""
    lines = [f"HTTP/1.1 {status} {reason(status)}", f"Content-Type: {kind}"]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(status: int, body: bytes, *, kind: str = "application/json", **headers: str) -> bytes:
    """A complete answer; a status that may not have a body gets none."""
    if status in (204, 304):
        return head(status, 0, kind=kind, **headers)
    return head(status, len(body), kind=kind, **headers) + body


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


OK_BODY = encoded({"code": 0, "message": "OK"})
OK = Reply(whole(200, OK_BODY))
PAGE = b"<!DOCTYPE html><html><body><h1>It works!</h1></body></html>"
AHEAD = re.compile(r"date([+-][0-9]{1,9})")
HUGE_BYTES = 100 * 1024 * 1024
PIECE = b"A" * 65536


@cache
def refusal(status: int, detail: str) -> Reply:
    """The contract's own no."""
    headers = {"allow": "POST"} if status == 405 else {}
    return Reply(whole(status, encoded({"code": status, "message": detail}), **headers))


def echo(status: int, request: Request) -> Reply:
    """All that was sent, as a talkative gateway's errors have it."""
    said = f"{request.body.decode(errors='replace')} by {request.authorization.decode(errors='replace')}"
    return Reply(whole(status, f"You said: {said}".encode(), kind="text/plain"))


def faulty(fault: Fault, message_id: int) -> Reply:
    """The reply that commits the fault."""
    if fault.kind is Kind.STATUS:
        return _status(fault, message_id)
    if fault.kind is Kind.REDIRECT:
        return _status(Fault(Kind.STATUS, status=307), message_id)
    if fault.kind is Kind.SLOW:
        return replace(OK, delay=fault.seconds)
    if fault.kind is Kind.WRONGTYPE:
        return WRONG_TYPES[message_id % 2]
    return FAULTY[fault.kind]


def _status(fault: Fault, message_id: int) -> Reply:
    headers = {}
    if fault.retry_after:
        headers["retry_after"] = _retry_after(fault.retry_after)
    if 300 <= fault.status < 400:
        headers["location"] = f"/moved/send/{message_id}"
    body = {"code": fault.status, "message": reason(fault.status)}
    return Reply(whole(fault.status, encoded(body), **headers))


def _retry_after(text: str) -> str:
    """`date+5` and `date-5` become an HTTP date; everything else is sent as it is, sense or not."""
    ahead = AHEAD.fullmatch(text)
    return formatdate(time.time() + int(ahead[1]), usegmt=True) if ahead else text


def _bytewise() -> Iterator[bytes]:
    """All but the first byte, which is sent at once."""
    return (OK.data[i : i + 1] for i in range(1, len(OK.data)))


def _huge() -> Iterator[bytes]:
    """The contract's answer with a message of 100 MB: only its size is wrong."""
    opening, closing = b'{"code": 0, "message": "', b'"}'
    yield head(200, HUGE_BYTES) + opening
    left = HUGE_BYTES - len(opening) - len(closing)
    while left > 0:
        yield PIECE[:left]
        left -= len(PIECE)
    yield closing


WRONG_TYPES = [
    Reply(whole(200, encoded({"code": "0", "message": "OK"}))),
    Reply(whole(200, encoded({"code": False, "message": "OK"}))),
]
FAULTY = {
    Kind.HANG: Reply(ending=Ending.NEVER),
    Kind.DRIP: Reply(OK.data[:1], stream=_bytewise, pause=1.0),
    Kind.RESET: Reply(ending=Ending.RESET),
    Kind.CLOSE: Reply(ending=Ending.CLOSE),
    Kind.TRUNCATE: Reply(OK.data[: -len(OK_BODY) // 2], ending=Ending.CLOSE),
    Kind.HALFCLOSE: Reply(ending=Ending.HALF),
    Kind.GARBAGE: Reply(b"\x00\x16\x03\xff this is not HTTP\r\n\r\n", ending=Ending.CLOSE),
    Kind.HTML: Reply(whole(200, PAGE, kind="text/html")),
    Kind.EMPTY: Reply(whole(200, b"")),
    Kind.CODE1: Reply(whole(200, encoded({"code": 1, "message": "not today"}))),
    Kind.LIST: Reply(whole(200, encoded([{"code": 0, "message": "OK"}]))),
    Kind.NOTUTF8: Reply(whole(200, b'{"code": 0, "message": "\xcf\xf0\xe8\xed\xff\xf2\xee"}')),
    Kind.HUGE: Reply(stream=_huge),
    Kind.CLOSEIDLE: Reply(OK.data, ending=Ending.CLOSE),
}
