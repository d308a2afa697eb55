"""Moving messages that went wrong, as a person decided."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Max

from mailings.models import Attempt, Errand, Message
from mailings.policy import MOVES, Decision, State
from mailings.queue.transitions import follow_clients, shift

# how many messages one step decides about: an old SQLite takes 999 values in a statement
PIECE = 900


def decide(mailing_id: int, decision: Decision, ids: Sequence[int], *, now: datetime) -> int:
    """Moves those of these messages that are still in the state that the decision is about. Returns how many.

    What is put back has all its tries before it again. That the mailing can send is the caller's to see to.
    """
    move = MOVES[decision]
    also: dict[str, Any] = {}
    if move.after is State.SENT:
        also = {"sent_at": now}
    elif move.puts_back:
        also = {"strikes": 0, "due_at": now}
    rows = Message.objects.select_for_update().filter(mailing=mailing_id, state=move.before, id__in=ids)
    with transaction.atomic():
        locked = list(rows.order_by("id").values_list("id", flat=True))
        moved = shift(locked, move.before, move.after, move.reason, now=now, **also)
        if move.puts_back:
            _follow(locked, now)
    return moved


def _follow(ids: Sequence[int], now: datetime) -> None:
    """Who moved while his message was held is written to by his new clock."""
    moved = Message.objects.filter(id__in=ids, client__isnull=False).exclude(timezone=F("client__timezone"))
    clients = [client for client in moved.values_list("client", flat=True) if client is not None]
    if clients:
        follow_clients(clients, now=now)


def last_to_decide(mailing_id: int, decision: Decision) -> int | None:
    """The highest id of the messages that a decision about all of them is about; None when there is none."""
    wrong = Message.objects.filter(mailing=mailing_id, state=MOVES[decision].before)
    last: int | None = wrong.aggregate(last=Max("id"))["last"]
    return last


def step(errand: Errand, *, now: datetime) -> bool:
    """Carries an errand one step on. True while there may be more.

    The first one is taken in the transaction of the decision, the others with the errand's row locked.
    """
    decision = Decision(errand.decision)
    wrong = Message.objects.filter(mailing=errand.mailing_id, state=MOVES[decision].before)
    here = wrong.filter(id__gt=errand.cursor, id__lte=errand.until).order_by("id")
    ids = list(here.values_list("id", flat=True)[:PIECE])
    late = _tried_since(ids, errand.decided_at) if errand.cursor else set()
    errand.moved += decide(errand.mailing_id, decision, [id_ for id_ in ids if id_ not in late], now=now)
    errand.cursor = ids[-1] if ids else errand.until
    return len(ids) == PIECE


def _tried_since(ids: Sequence[int], moment: datetime) -> set[int]:
    """Those of them that had an attempt which ended after `moment`."""
    tries = Attempt.objects.filter(message__in=ids).order_by().values_list("message", "started_at", "duration_ms")
    return {id_ for id_, began, took in tries if began + timedelta(milliseconds=took or 0) > moment}
