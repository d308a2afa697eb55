"""The simulator itself: decides on every request, writes the journal, opens and closes the door."""

import asyncio
import socket
import time
from urllib.parse import urlsplit

from . import control
from .connection import Answer, Connection
from .contract import Request, Verdict, judge
from .counts import Counts
from .faults import BadOption, Fault, Kind, draws
from .journal import Journal
from .options import Options
from .replies import OK, Reply, echo, faulty, refusal

BACKLOG = 4096


class Simulator:
    """A gateway on an address of this machine. `start` and `stop` it in a running event loop."""

    def __init__(self, options: Options | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.options = options or Options()
        self.host, self.port = host, port
        self.journal = Journal()
        self.counts = Counts()
        self.connections: set[Connection] = set()
        self.server: asyncio.Server | None = None
        self.reserved: socket.socket | None = None
        self.returning: asyncio.TimerHandle | None = None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    # the door ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listens; raises OSError when the address cannot be had."""
        self.loop = asyncio.get_running_loop()
        await self._open(bound(self.host, self.port))

    async def _open(self, door: socket.socket) -> None:
        self.port = door.getsockname()[1]
        self.server = await self.loop.create_server(
            lambda: Connection(self, self.loop), sock=door, backlog=BACKLOG
        )

    def stop(self) -> None:
        """Drops everything at once."""
        self._shut()
        for connection in tuple(self.connections):
            connection.transport.abort()
        if self.reserved is not None:
            self.reserved.close()

    def go_down(self, seconds: float | None = None) -> None:
        """Refuses connections and drops those it has; keeps the port, and comes up by itself if told when."""
        self._shut()
        if self.reserved is None:
            self.reserved = bound(self.host, self.port)
        self.drop()
        if seconds is not None:
            self.returning = self.loop.call_later(seconds, self.come_up)

    def come_up(self) -> None:
        """Takes connections again, from this moment on."""
        self._stay()
        if self.reserved is not None:
            door, self.reserved = self.reserved, None
            door.listen(BACKLOG)
            self.opening = self.loop.create_task(self._open(door))

    def drop(self) -> None:
        """Ends every connection but those that gave orders, answered or not."""
        for connection in tuple(self.connections):
            if not connection.has_controlled:
                connection.transport.abort()

    def _shut(self) -> None:
        self._stay()
        if self.server is not None:
            self.server.close()
            self.server = None

    def _stay(self) -> None:
        """Forgets an appointed return."""
        if self.returning is not None:
            self.returning.cancel()
            self.returning = None

    # what a connection asks -------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        self.connections.add(connection)

    def closed(self, connection: Connection, unanswered: int) -> None:
        self.connections.discard(connection)
        self.counts.leave(unanswered)

    def answered(self) -> None:
        self.counts.leave()

    def receive(self, request: Request) -> Answer:
        if request.is_control:
            return Answer(self._serve(request))
        at = time.time_ns() // 1000
        verdict = judge(request, self.options.token)
        arrival = self.counts.arrive(at, verdict.message_id)
        fault, delay = self._fate(verdict, arrival)
        reply = reply_to(request, verdict, fault)
        answer = fault.name if fault else verdict.status
        accepted = fault.is_accepting if fault else verdict.status == 200
        self.counts.answer(answer, accepted=accepted)
        self.journal.record(at, request, verdict, answer=answer, accepted=accepted)
        return Answer(reply, delay + reply.delay, True)

    def _fate(self, verdict: Verdict, arrival: int) -> tuple[Fault | None, float]:
        """The fault that a lawful request meets, if any, and the seconds until the answer."""
        options = self.options
        fault, delay = None, options.latency.least
        if options.is_by_chance:
            first, second = draws(options.seed, verdict.message_id or 0, arrival)
            fault, delay = options.faults.pick(first), options.latency.at(second)
        if verdict.status != 200:
            return None, delay
        poison = options.poison
        rule = poison and (poison.get(verdict.message_id or 0) or poison.get(verdict.phone))
        return (next(rule, None) if rule else fault), delay

    # the simulator's own addresses ------------------------------------------------------------------

    def _serve(self, request: Request) -> Reply:
        route = (request.method, urlsplit(request.path).path)
        try:
            if route == ("POST", "/_control"):
                return self._control(request.body)
            if route == ("GET", "/_journal"):
                return control.streamed(self.journal.lines(*control.read_page(request.path)))
            if route == ("GET", "/_stats"):
                return control.shown(self._stats())
        except BadOption as error:
            return control.bad(error)
        return control.wrong(request)

    def _control(self, body: bytes) -> Reply:
        """All of the change or, when any of it is bad, none."""
        settings, deeds = control.read_change(body)
        self.options = self.options.changed(settings)
        if deeds.reset_journal:
            self.journal, self.counts = Journal(), Counts(self.counts.in_flight)
        if deeds.drop_connections:
            self.drop()
        if deeds.down or deeds.down_for is not None:
            self.go_down(deeds.down_for)
        elif deeds.down is False:
            self.come_up()
        return control.shown({"code": 0, "message": "OK"})

    def _stats(self) -> dict[str, object]:
        return self.counts.shown(time.time()) | {"connections": len(self.connections)}


def reply_to(request: Request, verdict: Verdict, fault: Fault | None) -> Reply:
    if fault is not None and fault.kind is Kind.ECHO:
        return echo(fault.status, request)
    if fault is not None:
        return faulty(fault, verdict.message_id or 0)
    return OK if verdict.status == 200 else refusal(verdict.status, verdict.detail)


def bound(host: str, port: int) -> socket.socket:
    """A socket that holds the address but does not listen, so that connections are refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
    except OSError:
        door.close()
        raise
    door.setblocking(False)
    return door
