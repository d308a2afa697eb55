"""What the log says of each message, one line for each step of its life.

The worker's own moves (queued, claimed, settled, released) are told as the last thing before they are committed:
so nothing that the ledger has is missing in the log, and what a process that was killed in between has told too
much is set right by the line of whoever takes over. Moves within somebody's verb are told once they are committed:
until then the verb may be refused.
"""

import html
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import NamedTuple
from urllib.parse import unquote

from django.db import transaction

from accounts.models import JournalEntry
from config import logs
from mailings.gateway import Outcome
from mailings.models import Mailing
from mailings.policy import FINAL, Job, Reason, State, Verdict

NAME = __name__
# how much of an answer a line shows, and how long a piece of the message's own text may at most stand in it
ANSWER_LENGTH = 120
PIECE = 8
# by these a person sends a mailing on its way, or on
SENDING = ("create", "launch", "resume", "decide", "retry_failed")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


class Ids(NamedTuple):
    """What a message's lines are found by."""

    message_id: int
    client_id: int | None


# writes the beginning of a message's lines
Writer = Callable[[Ids], str]


def origin(mailing_id: int) -> str:
    """Whose request sent the mailing on its way last, for all that follows from it; empty when it was nobody's."""
    deeds = JournalEntry.objects.filter(subject_type="mailing", subject_id=mailing_id, verb__in=SENDING)
    columns = deeds.order_by("-id").values_list("request_id", "user", "api_key__prefix")
    found = zip(logs.FROM_REQUEST, columns.first() or (), strict=False)
    return logs.fields(**{name: value for name, value in found if value})


class Origins:
    """The origins of mailings, as they were when each was last changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, datetime], str] = {}

    def of(self, mailing: Mailing) -> str:
        key = mailing.pk, mailing.updated_at
        if key not in self._known:
            self._known[key] = origin(mailing.pk)
        return self._known[key]


def about(mailing_id: int, whose: str) -> Writer:
    """Writes the ids of a mailing's messages as the beginning of their lines."""
    first = f'"mailing_id": {mailing_id}'
    last = f", {whose}" if whose else ""

    def write(ids: Ids) -> str:
        client = "null" if ids.client_id is None else ids.client_id
        return f'{first}, "message_id": {ids.message_id}, "client_id": {client}{last}'

    return write


# -- the steps -----------------------------------------------------------------------------------------


def queued(mailing_id: int, recipients: Iterable[Ids]) -> None:
    """These have just been added to the mailing."""
    write = about(mailing_id, origin(mailing_id))
    logs.tell(NAME, "message queued", [write(ids) for ids in recipients])


def claimed(jobs: Iterable[Job]) -> None:
    logs.tell(NAME, "message claimed", [f'{job.told}, "attempt": {job.attempt}' for job in jobs])


def released(jobs: Iterable[Job]) -> None:
    """Nothing of them was begun; their next attempt has the same number."""
    logs.tell(NAME, "message released", [f'{job.told}, "attempt": {job.attempt}' for job in jobs])


def answered(answers: Iterable[tuple[Job, Outcome, float]]) -> None:
    """What came of requests, and after how many seconds: observed, and in no table yet."""
    logs.tell(NAME, "gateway answer", [_answer(*one) for one in answers])


def settled(ends: Iterable[tuple[Job, Outcome, Verdict]]) -> None:
    logs.tell(NAME, "message settled", [_end(*one) for one in ends])


def too_late(jobs: Iterable[Job]) -> None:
    """Somebody else has decided about these: what came of the attempt changes nothing."""
    logs.tell(NAME, "answer too late", [f'{job.told}, "attempt": {job.attempt}' for job in jobs])


def moved(mailing_id: int, messages: Iterable[Ids], before: State, after: State, reason: Reason) -> None:
    """By a person's will, or because the mailing is over: told when it is committed."""
    write = about(mailing_id, logs.fields(**logs.from_request()))
    how = f'"before": "{before}", {_state(after, reason)}'
    told = [f"{write(ids)}, {how}" for ids in messages]
    transaction.on_commit(partial(logs.tell, NAME, "message moved", told))


# -- their parts ---------------------------------------------------------------------------------------


def _state(state: State, reason: Reason, retry_at: datetime | None = None) -> str:
    again = f', "retry_at": "{retry_at:%Y-%m-%dT%H:%M:%S.%fZ}"' if retry_at else ""
    return f'"state": "{state}", "reason": "{reason}"{again}, "final": {"true" if state in FINAL else "false"}'


def _end(job: Job, outcome: Outcome, verdict: Verdict) -> str:
    came_to = f'"attempt": {job.attempt}, "outcome": "{outcome.kind}", "cause": "{outcome.cause}"'
    return f"{job.told}, {came_to}, {_state(verdict.state, verdict.reason, verdict.due_at)}"


def _answer(job: Job, outcome: Outcome, duration_s: float) -> str:
    status = "" if outcome.http_status is None else f', "http_status": {outcome.http_status}'
    what = f'"attempt": {job.attempt}, "cause": "{outcome.cause}"{status}, "duration_ms": {duration_s * 1000:.0f}'
    return f'{job.told}, {what}, "answer": {logs.quoted(without(outcome.detail[:ANSWER_LENGTH], job.text))}'


def without(answer: str, text: str) -> str:
    """The beginning of an answer up to where it repeats the message's text, in whatever way it writes letters.

    A common piece of fifteen letters is always found, often one of eight.
    """
    if "\\" in answer or "&" in answer or "%" in answer:
        answer = _plain(answer)
    if text and text in answer:
        return answer[: answer.index(text)] + "…"
    for start in range(0, len(answer) - PIECE + 1, PIECE):
        if answer[start : start + PIECE] in text:
            return answer[: max(0, start - PIECE)] + "…"
    return answer


def _plain(answer: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), unquote(html.unescape(answer))).replace("\\n", "\n")
