"""The simulator's own addresses: `/_control`, `/_journal`, `/_stats`. They ask for no token."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .contract import Request
from .faults import BadOption
from .options import READERS, read_object, read_seconds
from .replies import Reply, encoded, head, whole


@dataclass(frozen=True, slots=True)
class Deeds:
    """What POST /_control can ask for besides settings; `down` is None when the door is left as it is."""

    reset_journal: bool = False
    drop_connections: bool = False
    down: bool | None = None
    down_for: float | None = None


def read_change(body: bytes) -> tuple[dict[str, object], Deeds]:
    """The settings, still unread, and the deeds in the body of POST /_control; raises BadOption."""
    asked = read_object(body)
    unknown = sorted(asked.keys() - READERS.keys() - DEEDS.keys())
    if unknown:
        raise BadOption(f"unknown setting {unknown[0]!r}; known are {', '.join([*READERS, *DEEDS])}")
    deeds = {name: read(asked.pop(name)) for name, read in DEEDS.items() if name in asked}
    return asked, Deeds(**deeds)


def read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise BadOption(f"a switch is true or false, not {value!r}")
    return value


DEEDS: dict[str, Callable[[object], Any]] = {  # each gives the type of its own field
    "reset_journal": read_flag,
    "drop_connections": read_flag,
    "down": read_flag,
    "down_for": read_seconds,
}


def read_page(path: str) -> tuple[int, int | None]:
    """`after` and `limit` of GET /_journal; raises BadOption."""
    asked = dict(parse_qsl(urlsplit(path).query, keep_blank_values=True))
    for name, value in asked.items():
        if name not in ("after", "limit"):
            raise BadOption(f"unknown parameter {name!r}; known are after and limit")
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            raise BadOption(f"{name} must be a number from 0, not {value!r}")
    return int(asked.get("after", 0)), int(asked["limit"]) if "limit" in asked else None


def shown(value: object) -> Reply:
    return Reply(whole(200, encoded(value)))


def streamed(lines: Iterator[bytes]) -> Reply:
    """JSON lines, written as fast as they are taken."""
    return Reply(head(200, None, kind="application/x-ndjson"), stream=partial(chunked, lines))


def chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def bad(error: BadOption) -> Reply:
    return Reply(whole(400, encoded({"detail": str(error)})))


def wrong(request: Request) -> Reply:
    """For a control address that does not exist, or not by this method."""
    return Reply(whole(404, encoded({"detail": f"{request.method} {request.path} is not known here"})))
