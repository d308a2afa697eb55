"""What the JSON API says of the gateway."""

from datetime import datetime
from typing import Any

from django.conf import settings
from pydantic import BaseModel, Field

from clients import phones
from clients.api import sees_phones
from config.wire import ApiRequest, Input, Shown, example
from mailings import breaker, pace
from mailings.breaker import Flow
from mailings.gateway import EXCERPT_LENGTH, Cause, Kind
from mailings.models import FLOW_SENTENCES, Gateway
from mailings.vitals import LOOKED_BACK, Vitals

CHECK = {
    "asked_at": "2026-03-01T06:00:00Z",
    "checked_at": "2026-03-01T06:00:01Z",
    "outcome": "refused",
    "cause": "refused",
    "http_status": 400,
    "detail": "",
    "duration_ms": 45,
}
LAST = {
    "seconds": 300,
    "requests": 95,
    "answers": [{"cause": "accepted", "http_status": 200, "number": 95}],
    "p50_ms": 50,
    "p95_ms": 75,
    "p99_ms": 100,
}
GATEWAY = {
    "state": "unauthorised",
    "sentence": "The gateway refuses our token. Messages wait; one is tried every minute.",
    "detail": "401 token expired",
    "since": "2026-03-01T05:58:00Z",
    "next_at": "2026-03-01T06:00:30Z",
    "requests_per_second": None,
    "check": CHECK,
    "last_minutes": LAST,
}


class Stop(Input):
    """Why sending is stopped."""

    model_config = example({"reason": "The contract is being renewed"})

    reason: str = Field(default="", max_length=200, pattern=r"^[^\x00]*$", description="For people")


class CheckOut(BaseModel):
    """The last check that somebody asked for."""

    model_config = example(CHECK)

    asked_at: Shown | None
    checked_at: Shown | None = Field(description="When it was done; before `asked_at` while it is still going on")
    outcome: Kind | None
    cause: Cause | None
    http_status: int | None
    detail: str
    duration_ms: int | None

    @classmethod
    def of(cls, row: Gateway, request: ApiRequest) -> "CheckOut | None":
        if row.check_asked_at is None and row.checked_at is None:
            return None
        said: dict[str, Any] = row.check_outcome or {}
        return cls(
            asked_at=row.check_asked_at,
            checked_at=row.checked_at,
            outcome=said.get("kind"),
            cause=said.get("cause"),
            http_status=said.get("http_status"),
            detail=told(said.get("detail", ""), request),
            duration_ms=said.get("duration_ms"),
        )


class AnsweredOut(BaseModel):
    """So many requests came to this end."""

    model_config = example({"cause": "accepted", "http_status": 200, "number": 95})

    cause: Cause
    http_status: int | None
    number: int


class VitalsOut(BaseModel):
    """What the gateway answered lately."""

    model_config = example(LAST)

    seconds: int = Field(description="How far it looks back")
    requests: int
    answers: list[AnsweredOut] = Field(description="The most frequent first")
    p50_ms: int | None = Field(description="Half of the requests took at most so long")
    p95_ms: int | None
    p99_ms: int | None

    @classmethod
    def of(cls, seen: Vitals, seconds: int) -> "VitalsOut":
        return cls(
            seconds=seconds,
            requests=seen.requests,
            answers=[AnsweredOut(cause=a.cause, http_status=a.http_status, number=a.number) for a in seen.answers],
            p50_ms=seen.p50_ms,
            p95_ms=seen.p95_ms,
            p99_ms=seen.p99_ms,
        )


class GatewayOut(BaseModel):
    """How the gateway is used now, for all mailings."""

    model_config = example(GATEWAY)

    state: Flow
    sentence: str = Field(description="What the state means, for a person")
    detail: str = Field(description="Why, in the gateway's words or a person's")
    since: Shown
    next_at: Shown | None = Field(description="When the wait is over, or the next message is tried")
    requests_per_second: float | None = Field(description="The most that are sent now; null for no limit")
    check: CheckOut | None
    last_minutes: VitalsOut

    @classmethod
    def of(cls, row: Gateway, seen: Vitals, request: ApiRequest) -> "GatewayOut":
        flow = Flow(row.flow)
        return cls(
            state=flow,
            sentence=str(FLOW_SENTENCES[flow]),
            detail=told(row.detail, request)[:EXCERPT_LENGTH],
            since=row.since,
            next_at=next_at(row),
            requests_per_second=breaker.per_second(pace.condition(row), settings.GATEWAY_RATE) or None,
            check=CheckOut.of(row, request),
            last_minutes=VitalsOut.of(seen, int(LOOKED_BACK.total_seconds())),
        )


def told(words: str, request: ApiRequest) -> str:
    """The gateway's own words, in which a phone may stand."""
    return words if sees_phones(request) else phones.masked_inside(words)


def next_at(row: Gateway) -> datetime | None:
    """A ramp's next step is no event for anybody."""
    return None if row.flow == Flow.RAMPING else row.until
