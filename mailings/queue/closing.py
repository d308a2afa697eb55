"""Ending what waits, by a person's will or because the mailing is over."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from mailings import policy
from mailings.models import Mailing, MailingState, Message
from mailings.policy import Reason, State
from mailings.queue.transitions import OPEN, STEP, doubtful, shift


def close(mailing: Mailing, *, now: datetime) -> bool:
    """Closes a step of the waiting messages of a mailing that is over. True when none is open any more.

    Expired when the end came, cancelled when a person stopped it, unknown when an attempt may have sent it.
    What is in flight is left to its outcome.
    """
    cancelled = mailing.state == MailingState.CANCELLED
    with transaction.atomic():
        rows = dict(
            Message.objects.select_for_update(skip_locked=True)
            .filter(mailing=mailing, state=State.QUEUED)
            .order_by("id")
            .values_list("id", "attempts")[:STEP]
        )
        ends: dict[tuple[State, Reason], list[int]] = {}
        tried = doubtful([id_ for id_, attempts in rows.items() if attempts])
        for id_, attempts in rows.items():
            end = policy.end_of_waiting(tried=attempts > 0, doubtful=id_ in tried, cancelled=cancelled)
            ends.setdefault(end, []).append(id_)
        for (state, reason), ids in ends.items():
            shift(ids, State.QUEUED, state, reason, now=now)
    return not Message.objects.filter(mailing=mailing, state__in=OPEN).exists()


def doubt(mailing: Mailing, *, now: datetime) -> int:
    """Holds a step of what is open in a mailing for a person's decision; how many.

    For a database that came back from a backup, before any worker runs: what was in flight then is over.
    """
    with transaction.atomic():
        rows = Message.objects.select_for_update().filter(mailing=mailing, state__in=OPEN).order_by("id")
        found = list(rows.values_list("id", "state")[:STEP])
        for state in OPEN:
            ids = [id_ for id_, where in found if where == state]
            free = {"lease_until": None, "lease_token": None}
            shift(ids, state, State.UNKNOWN, Reason.RESTORED, now=now, **free)
    return len(found)


def stop_clients(client_ids: Sequence[int], reason: Reason, *, now: datetime) -> int:
    """Cancels what waits for these clients; what is in flight is left to its outcome. Returns how many."""
    waiting = Message.objects.filter(client__in=client_ids, state=State.QUEUED)
    with transaction.atomic():
        ids = list(waiting.select_for_update().order_by("id").values_list("id", flat=True))
        return shift(ids, State.QUEUED, State.CANCELLED, reason, now=now)


def forget_clients(client_ids: Sequence[int]) -> None:
    """Cuts the tie between messages and clients who are about to be deleted. The counts stay."""
    Message.objects.filter(client__in=client_ids).update(client=None)
