"""One connection: requests come out of the bytes, replies go in, in the order of the requests."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import httptools

from .contract import BODY_LIMIT, Request
from .replies import Ending, Reply, refusal

RST_ON_CLOSE = struct.pack("ii", 1, 0)


class Answer(NamedTuple):
    """A reply, the seconds to wait before it, and whether it counts as a send in flight."""

    reply: Reply
    delay: float = 0.0
    is_send: bool = False


class Desk(Protocol):
    """Whoever decides on the answers and keeps the figures."""

    def receive(self, request: Request) -> Answer: ...
    def opened(self, connection: "Connection") -> None: ...
    def closed(self, connection: "Connection", unanswered: int) -> None: ...
    def answered(self) -> None: ...


class Connection(asyncio.Protocol):
    """Parses with httptools and plays replies; a pipelined request waits for the one before it."""

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        self.desk = desk
        self.loop = loop
        self.parser: Any = httptools.HttpRequestParser(self)  # httptools is not typed
        self.transport: Any = None  # uvloop's transport has no type of its own
        self.waiting: deque[Answer] = deque()
        self.current: Answer | None = None
        self.stream: Iterator[bytes] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.unanswered = 0
        self.has_controlled = False
        self.is_full = False

    # what asyncio calls -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.desk.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # ours, not the sender's
        except httptools.HttpParserUpgrade:
            self._give_up("this gateway speaks nothing but HTTP/1.1")
        except httptools.HttpParserError:
            self._give_up("this is not HTTP")

    def connection_lost(self, error: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.parser = None  # it points back here, and thousands of such rings are work for the collector
        self.desk.closed(self, self.unanswered)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        if self.stream is not None and self.timer is None:
            self._flow()

    # what httptools calls ---------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.path = ""
        self.authorization = b""
        self.body = b""

    def on_url(self, url: bytes) -> None:
        self.path += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self.authorization = value

    def on_body(self, body: bytes) -> None:
        if len(self.body) <= BODY_LIMIT:  # what is longer is judged too long, and not kept
            self.body += body

    def on_message_complete(self) -> None:
        if self.transport.is_closing():
            return
        method = self.parser.get_method().decode()
        request = Request(method, self.path, self.authorization, self.body)
        self.has_controlled |= request.is_control
        answer = self.desk.receive(request)
        self.unanswered += answer.is_send
        if method == "HEAD" or not self.parser.should_keep_alive():
            answer = answer._replace(reply=answer.reply.closing())
        if self.current is not None:
            self.waiting.append(answer)
            self.transport.pause_reading()
        else:
            self._begin(answer)

    # playing a reply --------------------------------------------------------------------------------

    def _begin(self, answer: Answer) -> None:
        self.current = answer
        if answer.delay:
            self.timer = self.loop.call_later(answer.delay, self._play)
        else:
            self._play()

    def _play(self) -> None:
        self.timer = None
        assert self.current is not None
        reply = self.current.reply
        if reply.data:
            self.transport.write(reply.data)
        if reply.stream is None:
            self._end()
        else:
            self.stream = reply.stream()
            self._rest(reply.pause)

    def _rest(self, pause: float) -> None:
        self.timer = self.loop.call_later(pause, self._flow)

    def _flow(self) -> None:
        """Writes the stream's next piece, unless the other side is slow to take what it has."""
        self.timer = None
        assert self.current is not None
        assert self.stream is not None
        if self.is_full:
            return
        piece = next(self.stream, None)
        if piece is None:
            self.stream = None
            self._end()
        else:
            self.transport.write(piece)
            self._rest(self.current.reply.pause)

    def _end(self) -> None:
        assert self.current is not None
        ENDINGS[self.current.reply.ending](self)

    def _settle(self) -> None:
        """The current request is done with."""
        if self.current is not None and self.current.is_send:
            self.unanswered -= 1
            self.desk.answered()
        self.current = None

    def _next(self) -> None:
        self._settle()
        if self.waiting:
            self.current = self.waiting.popleft()
            # by the loop even when there is nothing to wait for: a thousand in a row would be too deep a call
            self.timer = self.loop.call_later(self.current.delay, self._play)
            if not self.waiting:
                self.transport.resume_reading()

    def _close(self) -> None:
        self._settle()
        self.transport.close()

    def _reset(self) -> None:
        self._settle()
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self.transport.abort()

    def _close_half(self) -> None:
        self.transport.write_eof()

    def _never(self) -> None:
        """Nothing: `current` stays, so that later requests wait behind it."""

    def _give_up(self, detail: str) -> None:
        """Says what is wrong with the bytes themselves and hangs up."""
        if not self.transport.is_closing():
            self.transport.write(refusal(400, detail).data)
            self.transport.close()


ENDINGS: dict[Ending, Callable[[Connection], None]] = {
    Ending.KEEP: Connection._next,
    Ending.CLOSE: Connection._close,
    Ending.RESET: Connection._reset,
    Ending.HALF: Connection._close_half,
    Ending.NEVER: Connection._never,
}
