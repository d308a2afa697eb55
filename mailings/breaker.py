"""Whether the gateway may be asked now, and how fast: decisions without a database, a network or a clock.

       ┌───────────── level reached ◀──────────────┐
       ▼                                           │
    flowing ──over half in trouble──▶ broken ──▶ ramping ◀── waiting ◀── told to wait ── flowing, ramping
       └────────── 401, 403 ────────▶ unauthorised ─┘ ▲
       └─────────── a person ───────▶ stopped ────────┘

`pace` keeps the condition in a row that all workers share, and acts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from mailings.gateway import Cause, Kind, Outcome

# it opens when, of at least 20 requests in 10 s, over half were in trouble
WATCHED_S = 10.0
ENOUGH = 20
# after a break the first few answers decide
ENOUGH_IN_RAMP = 3
# requests per second after a break, and after a wait that the gateway asked for; doubled once a second
RAMP_FIRST = 5.0
RAMP_AFTER_WAIT = 50.0
RAMP_FULL = 1000.0
RAMP_STEP = timedelta(seconds=1)


class Flow(StrEnum):
    """How the gateway is used; the sentences are in `models.FLOW_SENTENCES`."""

    FLOWING = "flowing"
    RAMPING = "ramping"
    WAITING = "waiting"
    BROKEN = "broken"
    UNAUTHORISED = "unauthorised"
    STOPPED = "stopped"


# while it is given up, one request of the whole installation tries it
PROBE_EVERY = {Flow.BROKEN: timedelta(seconds=15), Flow.UNAUTHORISED: timedelta(minutes=1)}
PROBED = tuple(PROBE_EVERY)


@dataclass(frozen=True, slots=True)
class Condition:
    """The gateway's use at an instant.

    `until` is when the wait is over, the next probe may go, or the next step of the ramp comes; None when nothing
    is waited for. `level` is the ramp's, in requests per second. `detail` says why, in the gateway's words.
    """

    flow: Flow
    since: datetime
    until: datetime | None = None
    level: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Requests of the last seconds that speak for or against the gateway."""

    well: int = 0
    troubled: int = 0

    @property
    def all(self) -> int:
        return self.well + self.troubled

    def is_bad(self, enough: int) -> bool:
        return self.all >= enough and 2 * self.troubled > self.all


@dataclass(frozen=True, slots=True)
class News:
    """What the last answers say to all: a refused token (its detail), a wait that was told, a probe's result."""

    unauthorised: str | None = None
    told_s: float = 0.0
    trouble: str = ""
    probe_well: bool | None = None

    @property
    def is_any(self) -> bool:
        return self != News()

    @property
    def can_wait(self) -> bool:
        """Whether only the sum of many such answers would mean something."""
        return self.unauthorised is None and not self.told_s and self.probe_well is None


def is_trouble(outcome: Outcome, duration_s: float, timeout_s: float) -> bool | None:
    """Whether the outcome speaks against the gateway; None: it says nothing about it.

    A request that was cut off before its time by the end of its mailing says nothing.
    """
    if outcome.kind in (Kind.SENT, Kind.REFUSED):
        return False
    if outcome.cause in (Cause.NOT_BEGUN, Cause.WORKER_LOST, Cause.BUG):
        return None
    if outcome.cause is Cause.NO_ANSWER and duration_s < 0.95 * timeout_s:
        return None
    return True


def news(outcomes: Iterable[Outcome], *, probe: Outcome | None = None) -> News:
    """The news in a batch of outcomes."""
    unauthorised: str | None = None
    told_s, trouble = 0.0, ""
    for outcome in outcomes:
        told_s = max(told_s, outcome.retry_after_s)
        if outcome.cause is Cause.UNAUTHORISED:
            unauthorised = _said(outcome)
        elif outcome.kind in (Kind.UNKNOWN, Kind.NOT_SENT):
            trouble = _said(outcome)
    well = None if probe is None else probe.kind in (Kind.SENT, Kind.REFUSED)
    return News(unauthorised, told_s, trouble, well)


def _said(outcome: Outcome) -> str:
    status = f"{outcome.http_status} " if outcome.http_status else ""
    return f"{status}{outcome.detail}".strip()


def after_news(condition: Condition, heard: News, evidence: Evidence, now: datetime) -> Condition:
    """The condition after a batch of answers. What a person stopped, only a person starts again."""
    flow = condition.flow
    if flow is Flow.STOPPED:
        return condition
    if heard.unauthorised is not None:
        since = condition.since if flow is Flow.UNAUTHORISED else now
        until = now + PROBE_EVERY[Flow.UNAUTHORISED]
        return Condition(Flow.UNAUTHORISED, since, until, detail=heard.unauthorised)
    if heard.told_s > 0:
        return _told_to_wait(condition, now + timedelta(seconds=heard.told_s), now)
    if flow in PROBED and heard.probe_well:
        return ramp(now)
    if flow in (Flow.FLOWING, Flow.RAMPING):
        enough = ENOUGH if flow is Flow.FLOWING else ENOUGH_IN_RAMP
        if evidence.is_bad(enough):
            return Condition(Flow.BROKEN, now, now + PROBE_EVERY[Flow.BROKEN], detail=heard.trouble)
    return condition


def _told_to_wait(condition: Condition, until: datetime, now: datetime) -> Condition:
    if condition.flow in (Flow.FLOWING, Flow.RAMPING):
        return Condition(Flow.WAITING, now, until)
    return replace(condition, until=max(until, condition.until or until))


def after_time(condition: Condition, evidence: Evidence, now: datetime) -> Condition:
    """The condition after time has passed: a wait ends in a ramp, and a ramp that gets answers rises."""
    if condition.until is None or now < condition.until:
        return condition
    if condition.flow is Flow.WAITING:
        return ramp(now, RAMP_AFTER_WAIT)
    if condition.flow is Flow.RAMPING and evidence.well:
        if condition.level * 2 >= RAMP_FULL:
            return Condition(Flow.FLOWING, now)
        return replace(condition, level=condition.level * 2, until=now + RAMP_STEP)
    return condition


def ramp(now: datetime, level: float = RAMP_FIRST) -> Condition:
    """The beginning of a careful return."""
    return Condition(Flow.RAMPING, now, now + RAMP_STEP, level)


def per_second(condition: Condition, rate: float) -> float:
    """The requests per second that are allowed now; 0: no limit. `rate` is the configured limit, 0: none."""
    if condition.flow is not Flow.RAMPING:
        return rate
    return min(condition.level, rate) if rate else condition.level
