"""What an outcome means for a message, and when it is tried again: pure; callers bring `now` and chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailings.gateway import Cause, Kind, Outcome

RETRY_FIRST_S = 1.0
RETRY_CAP_S = 300.0
STRIKES = 20
# how many of the last answers tell whether the gateway is well
RECENT = 50
# a mailing that is refused more often than this among its last answers pauses itself
ANSWERS_WATCHED = 50
REFUSED_SHARE = 0.3


class State(StrEnum):
    """States of a message; their sentences are in `models.Message`."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a message waits, or why it ended."""

    TURN = "turn"
    RETRY_NOT_SENT = "retry_not_sent"
    RETRY_THROTTLED = "retry_throttled"
    RETRY_UNAUTHORISED = "retry_unauthorised"
    RETRY_UNKNOWN = "retry_unknown"
    RETRY_BY_HAND = "retry_by_hand"
    IN_FLIGHT = "in_flight"
    ACCEPTED = "accepted"
    ACCEPTED_BY_HAND = "accepted_by_hand"
    REFUSED = "refused"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    GIVEN_UP_BY_HAND = "given_up_by_hand"
    NO_ANSWER = "no_answer"
    WORKER_LOST = "worker_lost"
    END_BEFORE_ANSWER = "end_before_answer"
    RESTORED = "restored"
    END_BEFORE_TURN = "end_before_turn"
    END_WHILE_RETRYING = "end_while_retrying"
    MAILING_CANCELLED = "mailing_cancelled"
    CLIENT_DELETED = "client_deleted"
    CLIENT_OPTED_OUT = "client_opted_out"


# each reason belongs to one state
STATE_OF = {
    Reason.TURN: State.QUEUED,
    Reason.RETRY_NOT_SENT: State.QUEUED,
    Reason.RETRY_THROTTLED: State.QUEUED,
    Reason.RETRY_UNAUTHORISED: State.QUEUED,
    Reason.RETRY_UNKNOWN: State.QUEUED,
    Reason.RETRY_BY_HAND: State.QUEUED,
    Reason.IN_FLIGHT: State.SENDING,
    Reason.ACCEPTED: State.SENT,
    Reason.ACCEPTED_BY_HAND: State.SENT,
    Reason.REFUSED: State.FAILED,
    Reason.TOO_MANY_ATTEMPTS: State.FAILED,
    Reason.GIVEN_UP_BY_HAND: State.FAILED,
    Reason.NO_ANSWER: State.UNKNOWN,
    Reason.WORKER_LOST: State.UNKNOWN,
    Reason.END_BEFORE_ANSWER: State.UNKNOWN,
    Reason.RESTORED: State.UNKNOWN,
    Reason.END_BEFORE_TURN: State.EXPIRED,
    Reason.END_WHILE_RETRYING: State.EXPIRED,
    Reason.MAILING_CANCELLED: State.CANCELLED,
    Reason.CLIENT_DELETED: State.CANCELLED,
    Reason.CLIENT_OPTED_OUT: State.CANCELLED,
}
FINAL = (State.SENT, State.FAILED, State.EXPIRED, State.CANCELLED)
# who is not known to have got it, though a failed one may have had an attempt without a clear answer
NOT_SENT = (State.FAILED, State.EXPIRED, State.CANCELLED)

# what each observation means
KIND_OF = {
    Cause.ACCEPTED: Kind.SENT,
    Cause.NO_CONNECTION: Kind.NOT_SENT,
    Cause.NOT_BEGUN: Kind.NOT_SENT,
    Cause.THROTTLED: Kind.NOT_SENT,
    Cause.UNAUTHORISED: Kind.NOT_SENT,
    Cause.REFUSED: Kind.REFUSED,
    Cause.NO_ANSWER: Kind.UNKNOWN,
    Cause.CONNECTION_LOST: Kind.UNKNOWN,
    Cause.SERVER_ERROR: Kind.UNKNOWN,
    Cause.OFF_CONTRACT: Kind.UNKNOWN,
    Cause.REDIRECT: Kind.UNKNOWN,
    Cause.WORKER_LOST: Kind.UNKNOWN,
    Cause.BUG: Kind.UNKNOWN,
}


class OnUnknown(StrEnum):
    RESEND = "resend"
    HOLD = "hold"


class Decision(StrEnum):
    """What a person may decide of messages that went wrong: three of unknown ones, the last of failed ones."""

    RESEND = "resend"
    SENT = "sent"
    FAILED = "failed"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Move:
    """What a decision does to a message."""

    before: State
    after: State
    reason: Reason

    @property
    def puts_back(self) -> bool:
        """Whether it will be sent again, for which the mailing must be able to send."""
        return self.after is State.QUEUED


MOVES = {
    Decision.RESEND: Move(State.UNKNOWN, State.QUEUED, Reason.RETRY_BY_HAND),
    Decision.SENT: Move(State.UNKNOWN, State.SENT, Reason.ACCEPTED_BY_HAND),
    Decision.FAILED: Move(State.UNKNOWN, State.FAILED, Reason.GIVEN_UP_BY_HAND),
    Decision.RETRY: Move(State.FAILED, State.QUEUED, Reason.RETRY_BY_HAND),
}
# what a message is counted by besides its state: the operator code, tag and time zone of its client
Traits = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed message on its way to the gateway.

    `attempt` counts its requests, this one included; `strikes` those that went against its own limit.
    `is_doubtful` says that an earlier one may have sent it, and nobody has decided about that.
    `lease_until`, `ends_at` and `closes_at` (the client's window; None: no window) are instants of the database's
    clock; after any of them nothing may be sent. `told` are the ids that its log lines begin with, as JSON.
    """

    id: int
    mailing_id: int
    phone: str
    text: str
    attempt: int
    strikes: int
    token: int
    lease_until: datetime
    ends_at: datetime
    on_unknown: OnUnknown
    closes_at: datetime | None = None
    traits: Traits = ("", "", "")
    is_doubtful: bool = False
    told: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a message goes after an attempt. `due_at` only when it waits for another one."""

    state: State
    reason: Reason
    due_at: datetime | None = None
    strikes: int = 0


_RETRY_REASON = {
    Cause.THROTTLED: Reason.RETRY_THROTTLED,
    Cause.UNAUTHORISED: Reason.RETRY_UNAUTHORISED,
}
# in these the message cannot be at fault: the gateway has not even seen it, or its worker died
_BLAMELESS = {*_RETRY_REASON, Cause.NO_CONNECTION, Cause.NOT_BEGUN, Cause.WORKER_LOST}


def verdict(outcome: Outcome, job: Job, now: datetime, chance: float, *, gateway_well: bool = True) -> Verdict:
    """What `outcome` means for the message: the "then" column of the outcome table.

    `chance` in [0, 1) is the jitter. Whether the end has come is not asked here: what waits after it is closed by
    `end_of_waiting`. A strike counts only while the gateway is otherwise well and the message
    may be at fault, so that an outage fails nobody.
    """
    if outcome.kind is Kind.SENT:
        return Verdict(State.SENT, Reason.ACCEPTED)
    if outcome.kind is Kind.REFUSED:
        return Verdict(State.FAILED, Reason.REFUSED)
    if outcome.kind is Kind.UNKNOWN and job.on_unknown is OnUnknown.HOLD:
        lost = outcome.cause is Cause.WORKER_LOST
        return Verdict(State.UNKNOWN, Reason.WORKER_LOST if lost else Reason.NO_ANSWER)
    counts = gateway_well and outcome.cause not in _BLAMELESS
    strikes = job.strikes + (1 if counts else 0)
    if strikes >= STRIKES:
        return Verdict(State.FAILED, Reason.TOO_MANY_ATTEMPTS, strikes=strikes)
    delay = retry_delay(job.attempt, chance, at_least=outcome.retry_after_s)
    due_at = now + timedelta(seconds=delay)
    return Verdict(State.QUEUED, _why_it_waits(outcome, job), due_at=due_at, strikes=strikes)


def _why_it_waits(outcome: Outcome, job: Job) -> Reason:
    """That it may have been sent outlives requests that were surely not: `hold` may still be said."""
    if outcome.kind is Kind.UNKNOWN or job.is_doubtful:
        return Reason.RETRY_UNKNOWN
    return _RETRY_REASON.get(outcome.cause, Reason.RETRY_NOT_SENT)


def end_of_waiting(*, tried: bool, doubtful: bool, cancelled: bool) -> tuple[State, Reason]:
    """What becomes of a waiting message when its mailing is over. `doubtful`: an attempt may have sent it."""
    if doubtful:
        return State.UNKNOWN, Reason.END_BEFORE_ANSWER
    if cancelled:
        return State.CANCELLED, Reason.MAILING_CANCELLED
    return State.EXPIRED, Reason.END_WHILE_RETRYING if tried else Reason.END_BEFORE_TURN


def is_well(recent: Sequence[bool]) -> bool:
    """Whether the gateway works, by its recent answers (True: it decided on the message). Too few say nothing."""
    return len(recent) >= RECENT // 2 and 2 * sum(recent) > len(recent)


def is_refused_too_often(refused: int, answers: int) -> bool:
    """Whether a mailing should pause itself, by its last answers. Too few say nothing."""
    return answers >= ANSWERS_WATCHED and refused > REFUSED_SHARE * answers


def retry_delay(attempt: int, chance: float, *, at_least: float = 0.0) -> float:
    """Seconds to wait after the `attempt`-th request: exponential from 1 s with full jitter, at most 300 s."""
    ceiling = min(RETRY_CAP_S, RETRY_FIRST_S * 2.0 ** min(attempt - 1, 30))
    return max(at_least, ceiling * chance)


def shares(capacity: int, in_flight: Sequence[int]) -> list[int]:
    """How many more places each mailing may take so that all get their equal part of `capacity`."""
    if not in_flight:
        return []
    part = max(1, capacity // len(in_flight))
    return [max(0, part - busy) for busy in in_flight]
