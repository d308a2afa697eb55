"""What the JSON API tells of mailings, messages and statistics."""

from typing import Any

from pydantic import BaseModel, Field

from clients import phones
from clients.api import ClientOut, sees_phones
from config.wire import NEXT, ApiRequest, Shown, ShownTime, example
from mailings.audience import Audience
from mailings.models import Attempt, Mailing, MailingState, Message, PauseReason
from mailings.policy import OnUnknown, Reason, State
from mailings.queries import Progress, Share, Statistics
from mailings.schemas_in import PLAN

COUNTS = {"queued": 12, "sending": 1, "sent": 80, "failed": 2, "unknown": 0, "expired": 0, "cancelled": 0}
MAILING = PLAN | {
    "id": 7,
    "starts_at": "2026-03-01T06:00:00Z",
    "ends_at": "2026-03-03T18:00:00Z",
    "send_from": "09:00:00",
    "send_until": "21:00:00",
    "rest_of": None,
    "state": "running",
    "pause_reason": None,
    "recipients": 95,
    "by_state": COUNTS,
    "created_at": "2026-02-20T08:00:00Z",
    "updated_at": "2026-03-01T06:00:00.250000Z",
    "started_at": "2026-03-01T06:00:00.250000Z",
    "finished_at": None,
    "attempts_forgotten_at": None,
    "messages_forgotten_at": None,
}
MESSAGE = {
    "id": 1001,
    "mailing_id": 7,
    "client_id": 42,
    "state": "sent",
    "reason": "accepted",
    "created_at": "2026-03-01T06:00:00.250000Z",
    "sent_at": "2026-03-01T06:00:01.500000Z",
    "due_at": None,
    "attempts": 1,
}
ATTEMPT = {
    "number": 1,
    "started_at": "2026-03-01T06:00:01.450000Z",
    "duration_ms": 50,
    "outcome": "sent",
    "http_status": 200,
    "detail": "",
}


class ByState(BaseModel):
    """How many messages are in each state; their sum is the number of recipients."""

    model_config = example(COUNTS)

    queued: int
    sending: int
    sent: int
    failed: int
    unknown: int
    expired: int
    cancelled: int

    @classmethod
    def of(cls, by_state: dict[State, int]) -> "ByState":
        return cls(**{state.value: number for state, number in by_state.items()})


class FilterOut(BaseModel):
    operator_codes: list[str]
    tags: list[str]


class MailingOut(BaseModel):
    """One text to many clients between a start and an end."""

    model_config = example(MAILING)

    id: int
    name: str
    text: str
    starts_at: Shown
    ends_at: Shown
    filter: FilterOut
    send_from: ShownTime
    send_until: ShownTime
    on_unknown: OnUnknown
    rest_of: int | None = Field(description="Only for those clients who did not get the mailing with this id")
    state: MailingState
    pause_reason: PauseReason | None = Field(description="Why it is paused: by a person, or by itself")
    recipients: int
    by_state: ByState
    created_at: Shown
    updated_at: Shown
    started_at: Shown | None
    finished_at: Shown | None
    attempts_forgotten_at: Shown | None = Field(
        description="Since when its attempts are not kept any more, but for those of messages in doubt"
    )
    messages_forgotten_at: Shown | None = Field(
        description="Since when its messages are not kept any more, but for those in doubt; its numbers stay"
    )

    @classmethod
    def of(cls, mailing: Mailing, progress: Progress) -> "MailingOut":
        own = cls.model_fields.keys() - {"filter", "rest_of", "pause_reason", "recipients", "by_state"}
        return cls(
            **{name: getattr(mailing, name) for name in own},
            rest_of=mailing.rest_of_id,
            pause_reason=PauseReason(mailing.pause_reason) if mailing.pause_reason else None,
            filter=FilterOut(operator_codes=mailing.operator_codes, tags=mailing.tags),
            recipients=progress.recipients,
            by_state=ByState.of(progress.by_state),
        )


class MailingPage(BaseModel):
    """A piece of the mailings."""

    items: list[MailingOut]
    next: str | None = NEXT


class AudienceOut(BaseModel):
    """An audience as it would be now."""

    model_config = example({"count": 3, "opted_out": 1, "by_timezone": {"Europe/Moscow": 3}, "sample": []})

    count: int = Field(description="Clients who match and may be written to")
    opted_out: int = Field(description="Clients who match and are never written to")
    by_timezone: dict[str, int] = Field(description="The counted ones, the biggest zone first")
    sample: list[ClientOut] = Field(description="The first few of them")

    @classmethod
    def of(cls, audience: Audience, request: ApiRequest) -> "AudienceOut":
        return cls(
            count=audience.count,
            opted_out=audience.opted_out,
            by_timezone=audience.by_zone,
            sample=[ClientOut.of(client, request) for client in audience.sample],
        )


class MessageOut(BaseModel):
    """One mailing to one client."""

    model_config = example(MESSAGE)

    id: int
    mailing_id: int
    client_id: int | None = Field(description="Null once the client was deleted")
    state: State
    reason: Reason = Field(description="Why it waits, or why it ended")
    created_at: Shown
    sent_at: Shown | None
    due_at: Shown | None = Field(description="When it may be tried next; null unless it waits")
    attempts: int

    @staticmethod
    def values(message: Message) -> dict[str, Any]:
        values = {name: getattr(message, name) for name in MessageOut.model_fields}
        return values if message.state == State.QUEUED else values | {"due_at": None}

    @classmethod
    def of(cls, message: Message) -> "MessageOut":
        return cls(**cls.values(message))


class MessagePage(BaseModel):
    """A piece of the messages."""

    items: list[MessageOut]
    next: str | None = NEXT


class RecipientPage(MessagePage):
    """A piece of the messages of one mailing."""

    messages_forgotten_at: Shown | None = Field(
        description="Since when they are not kept any more: only those in doubt are listed then"
    )


class AttemptOut(BaseModel):
    """One request to the gateway."""

    model_config = example(ATTEMPT)

    number: int
    started_at: Shown
    duration_ms: int | None
    outcome: str = Field(description="sent, refused, not_sent or unknown")
    http_status: int | None
    detail: str = Field(description="The beginning of the answer, or the error")

    @classmethod
    def of(cls, attempt: Attempt, request: ApiRequest) -> "AttemptOut":
        values = {name: getattr(attempt, name) for name in cls.model_fields}
        if not sees_phones(request):
            values["detail"] = phones.masked_inside(attempt.detail)
        return cls(**values)


class MessageDetail(MessageOut):
    """One mailing to one client, with every request it took."""

    model_config = example(MESSAGE | {"attempt_log": [ATTEMPT]})

    attempt_log: list[AttemptOut]

    @classmethod
    def with_log(cls, message: Message, request: ApiRequest) -> "MessageDetail":
        log = [AttemptOut.of(attempt, request) for attempt in message.attempt_log.all()]
        return cls(**cls.values(message), attempt_log=log)


class ShareOut(BaseModel):
    """The messages of one operator code, tag or time zone."""

    value: str
    recipients: int
    by_state: ByState

    @classmethod
    def of(cls, share: Share) -> "ShareOut":
        return cls(value=share.value, recipients=share.recipients, by_state=ByState.of(share.by_state))


class MinuteOut(BaseModel):
    """What was sent in one minute."""

    minute: Shown
    sent: int


class StatisticsOut(BaseModel):
    """One mailing in numbers."""

    model_config = example(
        {
            "mailing_id": 7,
            "recipients": 95,
            "by_state": COUNTS,
            "by_reason": {"accepted": 80, "in_flight": 1, "refused": 2, "turn": 12},
            "sent_per_minute": [{"minute": "2026-03-01T06:00:00Z", "sent": 80}],
            "by_operator_code": [{"value": "900", "recipients": 95, "by_state": COUNTS}],
            "by_tag": [{"value": "vip", "recipients": 95, "by_state": COUNTS}],
            "by_timezone": [{"value": "Europe/Moscow", "recipients": 95, "by_state": COUNTS}],
        }
    )

    mailing_id: int
    recipients: int
    by_state: ByState
    by_reason: dict[str, int]
    sent_per_minute: list[MinuteOut] = Field(description="Minutes in which something was sent")
    by_operator_code: list[ShareOut]
    by_tag: list[ShareOut]
    by_timezone: list[ShareOut]

    @classmethod
    def of(cls, mailing_id: int, found: Statistics) -> "StatisticsOut":
        return cls(
            mailing_id=mailing_id,
            recipients=found.progress.recipients,
            by_state=ByState.of(found.progress.by_state),
            by_reason=found.by_reason,
            sent_per_minute=[MinuteOut(minute=minute, sent=sent) for minute, sent in found.sent_per_minute],
            by_operator_code=[ShareOut.of(share) for share in found.by_operator_code],
            by_tag=[ShareOut.of(share) for share in found.by_tag],
            by_timezone=[ShareOut.of(share) for share in found.by_timezone],
        )


class MailingCounts(BaseModel):
    """One mailing of the overall statistics."""

    id: int
    name: str
    state: MailingState
    starts_at: Shown
    ends_at: Shown
    recipients: int
    by_state: ByState

    @classmethod
    def of(cls, mailing: Mailing, progress: Progress) -> "MailingCounts":
        own = cls.model_fields.keys() - {"recipients", "by_state"}
        return cls(
            **{name: getattr(mailing, name) for name in own},
            recipients=progress.recipients,
            by_state=ByState.of(progress.by_state),
        )


class Totals(BaseModel):
    """All mailings of the period together."""

    mailings: int
    recipients: int
    by_state: ByState


class OverallOut(BaseModel):
    """All mailings of a period in numbers."""

    totals: Totals
    mailings: list[MailingCounts] = Field(description="Newest first; also those without recipients")

    @classmethod
    def of(cls, total: Progress, each: list[tuple[Mailing, Progress]]) -> "OverallOut":
        return cls(
            totals=Totals(mailings=len(each), recipients=total.recipients, by_state=ByState.of(total.by_state)),
            mailings=[MailingCounts.of(mailing, progress) for mailing, progress in each],
        )
