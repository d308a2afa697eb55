"""The daily report as JSON: which days were written, a day's numbers, and sending it."""

import re
from datetime import date
from typing import Annotated, Any

from django.db.models import Count
from ninja import Query, Router, Status
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from accounts.models import User
from accounts.roles import Role
from config.wire import NEXT, ApiRequest, Input, Shown, Slice, Words, answers, cut, example, needs
from mailings import clock, letters, report
from mailings.models import Letter, LetterState, MailingState, Report
from mailings.policy import Reason, State
from mailings.report import Day

router = Router(tags=["reports"])
# people choose for themselves what they get; what is sent to somebody else is for administrators
sending_router = Router(tags=["reports"])
sending_router.add_decorator(needs(Role.ADMINISTRATOR))

_DAY = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")
NOON = "2026-01-31T12:00:00Z"
ENDS = {"sent": 11_980, "failed": 23, "unknown": 4, "expired": 0, "cancelled": 0}
PAST_DAY = {"day": "2026-01-30", **ENDS}
HOUR = {"at": NOON, "sent": 900}
MAILING = {"id": 7, "name": "Sale", "state": "running", "ends": ENDS, "recipients": 20_000, "open": 8_000}
REASON = {"state": "failed", "reason": "refused", "number": 23}
UNDECIDED = {"mailing_id": 7, "name": "Sale", "messages": 4}
GATEWAY = {"requests": 12_010, "good": 12_003, "p50_ms": 50, "p95_ms": 80, "p99_ms": 100, "bad_minutes": 0}
COMING = {"id": 8, "name": "News", "state": "scheduled", "starts_at": NOON, "ends_at": NOON, "open": 0}
DAY = {
    "day": "2026-01-31",
    "timezone": "Europe/Moscow",
    "since": "2026-01-30T21:00:00Z",
    "until": "2026-01-31T21:00:00Z",
    "made_at": "2026-02-01T05:00:00Z",
    "ends": ENDS,
    "week": [PAST_DAY],
    "by_hour": [HOUR],
    "mailings": [MAILING],
    "reasons": [REASON],
    "undecided": [UNDECIDED],
    "gateway": GATEWAY,
    "gateway_before": None,
    "coming": [COMING],
    "coming_more": 0,
}


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("A day is written as in 2026-01-31")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("There is no such day") from error


DayOf = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema(
        {"type": "string", "format": "date", "pattern": f"^{_DAY.pattern}$", "examples": ["2026-01-31"]}
    ),
]


class ReportOut(BaseModel):
    """A report that was written."""

    model_config = example(
        {
            "day": "2026-01-31",
            "timezone": "Europe/Moscow",
            "made_at": "2026-02-01T05:00:00Z",
            "posted_at": "2026-02-01T05:00:00Z",
            "letters": {"sent": 3, "unknown": 1},
        }
    )

    day: date
    timezone: str = Field(description="Whose day it is")
    made_at: Shown
    posted_at: Shown | None = Field(description="When the letters of the day were written; null if they were not")
    letters: dict[LetterState, int] = Field(description="How many letters of it are in each state")


class ReportPage(BaseModel):
    """A piece of the list of reports."""

    items: list[ReportOut]
    next: str | None = NEXT


class EndsOut(BaseModel):
    """By how many the messages in each state grew; below zero where more were put back than came."""

    model_config = example(ENDS)

    sent: int
    failed: int
    unknown: int
    expired: int
    cancelled: int


class PastDayOut(BaseModel):
    """One of the days before."""

    model_config = example(PAST_DAY)

    day: date
    sent: int
    failed: int
    unknown: int
    expired: int
    cancelled: int


class HourOut(BaseModel):
    """What was sent in an hour."""

    model_config = example(HOUR)

    at: Shown
    sent: int


class MailingDayOut(BaseModel):
    """A mailing in which something happened that day."""

    model_config = example(MAILING)

    id: int
    name: str = Field(description="Empty when it has none")
    state: MailingState
    ends: EndsOut
    recipients: int = Field(description="As of `made_at`")
    open: int = Field(description="That wait or are in flight, as of `made_at`")


class ReasonOut(BaseModel):
    """Why messages were not sent."""

    model_config = example(REASON)

    state: State
    reason: Reason
    number: int


class UndecidedOut(BaseModel):
    """A mailing that waits for a person's decision about unknown messages."""

    model_config = example(UNDECIDED)

    mailing_id: int
    name: str
    messages: int


class GatewayDayOut(BaseModel):
    """How the gateway did."""

    model_config = example(GATEWAY)

    requests: int
    good: int = Field(description="Answered as agreed, with a yes or a no")
    p50_ms: int | None = Field(description="Half of the requests took at most so long")
    p95_ms: int | None
    p99_ms: int | None
    bad_minutes: int = Field(description="Minutes in which most of the requests were in trouble")


class ComingOut(BaseModel):
    """A mailing that starts, goes on or ends in the 24 hours after the report was made."""

    model_config = example(COMING)

    id: int
    name: str
    state: MailingState
    starts_at: Shown
    ends_at: Shown
    open: int


class DayOut(BaseModel):
    """A day in numbers."""

    model_config = example(DAY)

    day: date
    timezone: str = Field(description="Whose day it is")
    since: Shown
    until: Shown
    made_at: Shown
    ends: EndsOut
    week: list[PastDayOut] = Field(description="The days before, the oldest first, seven or as many as are known")
    by_hour: list[HourOut]
    mailings: list[MailingDayOut] = Field(description="Those first in which most messages ended")
    reasons: list[ReasonOut] = Field(description="The most frequent first, five at most")
    undecided: list[UndecidedOut] = Field(description="As of `made_at`")
    gateway: GatewayDayOut | None = Field(description="Null when there were no requests, or they are forgotten")
    gateway_before: GatewayDayOut | None = Field(description="The day before")
    coming: list[ComingOut] = Field(
        description="The 24 hours after `made_at`: what starts, then what is at work by its end; twenty at most"
    )
    coming_more: int = Field(description="How many come besides those")

    @classmethod
    def of(cls, day: Day) -> "DayOut":
        told: dict[str, Any] = report.to_json(day)
        instants = {name: getattr(day, name) for name in ("since", "until", "made_at")}
        return cls.model_validate(
            told
            | instants
            | {
                "week": [{"day": at, **ends} for at, ends in told["week"]],
                "by_hour": [{"at": at, "sent": number} for at, number in day.by_hour],
                "reasons": [
                    {"state": state, "reason": reason, "number": number} for state, reason, number in day.reasons
                ],
                "undecided": [
                    {"mailing_id": pk, "name": name, "messages": number} for pk, name, number in day.undecided
                ],
            }
        )


class SendReport(Input):
    """Whom it is sent to."""

    model_config = example({"to": "anna@example.com"})

    to: Words = Field(max_length=254, description="The e-mail of a person of the console")
    language: Words = Field("", max_length=2, description="`en` or `ru`; when left out, the one the person chose")


class LetterOut(BaseModel):
    """A letter that a worker sends."""

    model_config = example(
        {"id": 12, "day": "2026-01-31", "to": "anna@example.com", "language": "en", "state": "queued"}
    )

    id: int
    day: date
    to: str
    language: str
    state: LetterState

    @classmethod
    def of(cls, letter: Letter) -> "LetterOut":
        state = LetterState(letter.state)
        return cls(id=letter.pk, day=letter.report.day, to=letter.address, language=letter.language, state=state)


@router.get("", response=answers(200, ReportPage, write=False), summary="List reports")
def list_reports(request: ApiRequest, piece: Query[Slice]) -> ReportPage:
    """The days that were written, the last written first."""
    rows, following = cut(letters.reports(), piece, newest_first=True)
    counted: dict[int, dict[LetterState, int]] = {row.pk: {} for row in rows}
    states = Letter.objects.filter(report__in=rows).order_by().values_list("report", "state")
    for pk, state, number in states.annotate(Count("id")):
        counted[pk][LetterState(state)] = number
    return ReportPage(items=[_shown(row, counted[row.pk]) for row in rows], next=following)


def _shown(row: Report, counted: dict[LetterState, int]) -> ReportOut:
    return ReportOut(
        day=row.day, timezone=row.timezone, made_at=row.made_at, posted_at=row.posted_at, letters=counted
    )


@router.get("/{day}", response=answers(200, DayOut, 404, write=False), summary="Read a day's numbers")
def read_report(request: ApiRequest, day: DayOf) -> DayOut:
    """As they were written, or as they would be now. 404 when the day is not over, or too long ago."""
    return DayOut.of(letters.read(day, clock.now()))


@sending_router.post("/{day}/send", response=answers(201, LetterOut, 404, 409, body=True), summary="Send a report")
def send_report(request: ApiRequest, day: DayOf, body: SendReport) -> Status[LetterOut]:
    """To one person, by e-mail; a worker does it. Needs an administrator.

    404 for a day without a report and for somebody who is no person of the console, 409 without a mail server.
    """
    user = User.objects.select_related("subscription").get(email=body.to.strip().lower(), is_active=True)
    chosen = getattr(user, "subscription", None)
    language = body.language or (chosen.language if chosen else "en")
    letter = letters.send(request.auth, day, to=user.email, language=language, user=user)
    return Status(201, LetterOut.of(letter))
