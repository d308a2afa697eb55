"""The gateway's contract and the only outgoing HTTP. Knows no model.

`encode` and `judge` are the contract, pure. `Line` delivers many at once; `knock` only looks whether it is there.
"""

import asyncio
import json
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import aiohttp
import requests
import uvloop
from urllib3.exceptions import HTTPError

from config import logs
from config.redaction import DOTS, SHORTEST_SECRET

BODY_LIMIT = 64 * 1024
EXCERPT_LENGTH = 512
RETRY_AFTER_CAP_S = 3600.0
# a request that begins this close to its deadline might reach the gateway after it
BEGIN_MARGIN_S = 0.25
# a request that is later than this gives its instant up: two that were promised one after the other never meet
LATE_S = 0.02


class Kind(StrEnum):
    """What an attempt came to. Only these four; everything else is a cause."""

    SENT = "sent"
    NOT_SENT = "not_sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """What was observed. Each belongs to one kind."""

    ACCEPTED = "accepted"
    NO_CONNECTION = "no_connection"
    NOT_BEGUN = "not_begun"
    THROTTLED = "throttled"
    UNAUTHORISED = "unauthorised"
    REFUSED = "refused"
    NO_ANSWER = "no_answer"
    CONNECTION_LOST = "connection_lost"
    SERVER_ERROR = "server_error"
    OFF_CONTRACT = "off_contract"
    REDIRECT = "redirect"
    WORKER_LOST = "worker_lost"
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request. `detail` is at most 512 characters; `retry_after_s` only when told."""

    kind: Kind
    cause: Cause
    http_status: int | None = None
    detail: str = ""
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """One message to deliver. `deadline` is an instant of `time.monotonic()` after which nothing is sent and no
    answer is waited for; `timeout_s` bounds the whole exchange besides. After `begin_by` nothing is sent either,
    but an answer is awaited. With a limit, `begin_at` is the instant it was promised. `told` is its log line."""

    id: int
    phone: str
    text: str
    deadline: float
    timeout_s: float
    begin_by: float = math.inf
    begin_at: float | None = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request with its outcome, when it began (Unix seconds) and how long it took."""

    request: Request
    outcome: Outcome
    began_at: float
    duration_s: float


_json = json.JSONEncoder(ensure_ascii=False, check_circular=False)


def encode(request: Request) -> bytes:
    """The body of a request: JSON with the id and the phone as integers."""
    return _json.encode({"id": request.id, "phone": int(request.phone), "text": request.text}).encode()


def judge(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Outcome:
    """What a complete answer means: the outcome table of docs/reliability.md. Pure.

    `body` may be longer than the limit by one byte: that says it was cut. A time that is told is reckoned by the
    gateway's clock, where it shows it; ours may be wrong.
    """
    detail = excerpt(body[: 4 * EXCERPT_LENGTH].decode("utf-8", "replace"))
    if status == 200:
        good = _is_acceptance(body)
        return Outcome(
            Kind.SENT if good else Kind.UNKNOWN, Cause.ACCEPTED if good else Cause.OFF_CONTRACT, 200, detail
        )
    told = retry_after(headers.get("Retry-After"), now=_date(headers.get("Date", "")) or now)
    if status == 429 or (status == 503 and told is not None):
        return Outcome(Kind.NOT_SENT, Cause.THROTTLED, status, detail, told or 0.0)
    if status in (401, 403):
        return Outcome(Kind.NOT_SENT, Cause.UNAUTHORISED, status, detail)
    if 400 <= status < 500:
        return Outcome(Kind.REFUSED, Cause.REFUSED, status, detail)
    if 300 <= status < 400:
        return Outcome(Kind.UNKNOWN, Cause.REDIRECT, status, detail)
    cause = Cause.SERVER_ERROR if status >= 500 else Cause.OFF_CONTRACT
    return Outcome(Kind.UNKNOWN, cause, status, detail)


def without_token(body: bytes, token: str) -> bytes:
    """An answer that repeats our token is stored and shown without it. Too short a one may be any word."""
    return body.replace(token.encode(), DOTS.encode()) if len(token) >= SHORTEST_SECRET else body


def excerpt(text: str) -> str:
    """The first 512 characters, without those that no database keeps."""
    return text[:EXCERPT_LENGTH].encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _is_acceptance(body: bytes) -> bool:
    if len(body) > BODY_LIMIT:
        return False
    try:
        answer = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(answer, dict) and type(answer.get("code")) is int and answer["code"] == 0


def retry_after(header: str | None, *, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or an HTTP date), 0 to 3600; None when there is none.

    Nonsense counts as told but gives 0: the sender's own delay applies.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text.lstrip("0")[:6] or 0), RETRY_AFTER_CAP_S))
    moment = _date(text)
    return 0.0 if moment is None else min(max((moment - now).total_seconds(), 0.0), RETRY_AFTER_CAP_S)


def _date(text: str) -> datetime | None:
    """The instant of an HTTP date; None when it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


@dataclass(slots=True)
class _Trip:
    """Whether a byte of the request of this task may have left, and the sockets it has made."""

    left: bool = False
    sockets: list[socket.socket] = field(default_factory=list)


_TRIP: ContextVar[_Trip] = ContextVar("trip")


class _Connector(aiohttp.TCPConnector):
    """Notes that a request has its connection: from then on it may leave. A tenth cheaper than a trace."""

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:  # as aiohttp's own
        trip = _TRIP.get()
        try:
            connection = await super().connect(*arguments, **options)
        except BaseException:
            # uvloop closes the number of a socket whose TLS handshake fails, but leaves the object, which would
            # close that number again when it is collected: by then it may be the database's
            for made in trip.sockets:
                made.detach()
            raise
        trip.left = True
        return connection


def _make_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    made = socket.socket(*address[:3])
    _TRIP.get().sockets.append(made)
    return made


class Line:
    """Many requests at once over one pooled session, on an event loop in a thread of its own.

    The owner submits and collects from one thread. Leaving the context waits for nothing: requests still
    under way are cut off and come to nothing, so collect first what must be known.
    """

    def __init__(self, *, url: str, token: str, capacity: int) -> None:
        self.capacity = capacity
        self._url, self._token = f"{url}/send/", token
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._loop = uvloop.new_event_loop()  # a third less processor time per request than asyncio's own
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway-line", daemon=True)
        self._done: deque[Delivery] = deque()
        self._some_done = threading.Event()
        self._under_way = 0
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = logs.Together(__name__, "gateway request", self._loop.call_soon)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def under_way(self) -> int:
        """Requests submitted and not collected yet."""
        return self._under_way

    @property
    def free(self) -> int:
        return self.capacity - self._under_way

    def submit(self, batch: Sequence[Request]) -> None:
        """Begins all of `batch`; returns at once."""
        self._under_way += len(batch)
        self._loop.call_soon_threadsafe(self._begin, batch)

    def collect(self, *, wait_s: float, linger_s: float = 0.0) -> list[Delivery]:
        """What has come back since the last call; waits up to `wait_s` for the first one.

        Then it waits `linger_s` for company: writing one outcome costs about as much as writing fifty.
        """
        if not self._done and wait_s > 0:
            self._some_done.wait(wait_s)
        if self._done and linger_s > 0:
            time.sleep(linger_s)
        self._some_done.clear()
        came = [self._done.popleft() for _ in range(len(self._done))]
        self._under_way -= len(came)
        return came

    async def _open(self) -> None:
        # a connection the gateway has closed while idle must not cost an "unknown": keep it idle briefly
        connector = _Connector(
            limit=self.capacity, keepalive_timeout=4, ttl_dns_cache=60, socket_factory=_make_socket
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _begin(self, batch: Sequence[Request]) -> None:
        for request in batch:
            if request.begin_at is None:
                self._begin_one(request)
            else:
                self._loop.call_later(max(0.0, request.begin_at - time.monotonic()), self._begin_one, request)

    def _begin_one(self, request: Request) -> None:
        task = self._loop.create_task(self._carry(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, request: Request) -> None:
        began_at, start = time.time(), time.monotonic()
        outcome = await self._exchange(request)
        self._done.append(Delivery(request, outcome, began_at, time.monotonic() - start))
        self._some_done.set()

    async def _exchange(self, request: Request) -> Outcome:
        assert self._session is not None
        moment = time.monotonic()
        left_s, begin_s = request.deadline - moment, request.begin_by - moment
        if min(left_s, begin_s) <= BEGIN_MARGIN_S:
            return Outcome(Kind.NOT_SENT, Cause.NOT_BEGUN, detail="the time was over before it began")
        if request.begin_at is not None and moment > request.begin_at + LATE_S:
            return Outcome(Kind.NOT_SENT, Cause.NOT_BEGUN, detail="it came late to its turn")
        if request.told:
            self._begun.tell(request.told)
        trip, latest_s = _Trip(), min(left_s, begin_s) - BEGIN_MARGIN_S
        _TRIP.set(trip)
        try:
            async with self._session.post(
                f"{self._url}{request.id}",
                data=encode(request),
                timeout=_limits(min(request.timeout_s, left_s), latest_s),
                allow_redirects=False,
            ) as answer:
                body = without_token(await _first_bytes(answer.content), self._token)
                return judge(answer.status, answer.headers, body, now=datetime.now(UTC))
        except Exception as error:  # noqa: BLE001  an exception nobody listed is an outcome too: unknown, loudly
            if isinstance(error, TimeoutError) and not trip.left and latest_s < request.timeout_s:
                return Outcome(Kind.NOT_SENT, Cause.NOT_BEGUN, detail="the time was over before it was connected")
            return explain(error, left=trip.left)


def _limits(total_s: float, connected_s: float) -> aiohttp.ClientTimeout:
    # aiohttp would round what is longer than 5 s up to a whole second: past the end of the mailing
    return aiohttp.ClientTimeout(total=total_s, connect=min(total_s, connected_s), ceil_threshold=math.inf)


async def _first_bytes(stream: aiohttp.StreamReader) -> bytes:
    """The body, or one byte more than the limit of it."""
    body = b""
    while len(body) <= BODY_LIMIT:
        chunk = await stream.read(BODY_LIMIT + 1 - len(body))
        body += chunk
        if not chunk or stream.at_eof():
            break
    return body


def explain(error: Exception, *, left: bool) -> Outcome:
    """What an exception means. `left`: whether a byte of the request may have gone out. Pure."""
    detail = excerpt(f"{type(error).__name__}: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Outcome(Kind.NOT_SENT, Cause.NO_CONNECTION, detail=detail)
    if isinstance(error, TimeoutError):
        if not left:
            return Outcome(Kind.NOT_SENT, Cause.NO_CONNECTION, detail=detail or "timed out")
        return Outcome(Kind.UNKNOWN, Cause.NO_ANSWER, detail=detail)
    if isinstance(error, aiohttp.ClientError | OSError):
        if not left:
            return Outcome(Kind.NOT_SENT, Cause.NO_CONNECTION, detail=detail)
        return Outcome(Kind.UNKNOWN, Cause.CONNECTION_LOST, detail=detail)
    return Outcome(Kind.UNKNOWN, Cause.BUG, detail=detail)


def knock(*, url: str, token: str, timeout_s: float) -> Outcome:
    """Looks whether the gateway is there and takes our token: a request without a message, which nobody can get.

    Any decision on it says yes. Waits no longer than `timeout_s`, however the answer drips.
    """
    found: list[Outcome] = []
    knocking = threading.Thread(target=lambda: found.append(_knock(url, token, timeout_s)), daemon=True)
    knocking.start()
    knocking.join(timeout_s)
    return found[0] if found else Outcome(Kind.UNKNOWN, Cause.NO_ANSWER, detail=f"no answer in {timeout_s:g} s")


def _knock(url: str, token: str, timeout_s: float) -> Outcome:
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy and no .netrc: as messages are sent
            answer = session.post(
                f"{url}/send/0",
                json={},
                headers={"Authorization": f"Bearer {token}"},
                timeout=timeout_s,
                allow_redirects=False,
                stream=True,
            )
            body = without_token(answer.raw.read(BODY_LIMIT + 1), token)
            return judge(answer.status_code, answer.headers, body, now=datetime.now(UTC))
    except requests.ReadTimeout as error:
        return Outcome(Kind.UNKNOWN, Cause.NO_ANSWER, detail=excerpt(f"{type(error).__name__}: {error}"))
    except (requests.RequestException, HTTPError, OSError) as error:
        # whether a byte left does not matter: there was no message in it
        return Outcome(Kind.NOT_SENT, Cause.NO_CONNECTION, detail=excerpt(f"{type(error).__name__}: {error}"))
