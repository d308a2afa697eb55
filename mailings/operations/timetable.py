"""What happens to mailings by itself: by the clock, and because of what the directory says."""

from datetime import datetime
from time import monotonic

from django.db import transaction

from accounts.journal import SERVICE, record
from config.logs import logger
from mailings import clock, policy, queries, queue
from mailings.models import Mailing, MailingState, Message, PauseReason
from mailings.operations.steps import STARTED, end, put_on_hold, start
from mailings.policy import Reason, State

CLOSING_S = 0.5

log = logger(__name__)


def start_due(now: datetime) -> int:
    """Starts every scheduled mailing whose start has come; one whose end has come too is finished unsent."""
    due = Mailing.objects.filter(state=MailingState.SCHEDULED, starts_at__lte=now).order_by("starts_at", "id")
    started = 0
    for mailing_id in list(due.values_list("id", flat=True)):
        with transaction.atomic():
            mailing = due.select_for_update(skip_locked=True).filter(pk=mailing_id).first()
            if mailing is not None:
                start(mailing, now)
                started += 1
    return started


def finish_done(now: datetime) -> int:
    """Finishes every started mailing whose end has come or that has no open message left."""
    finished = 0
    for mailing_id in list(
        Mailing.objects.filter(state__in=STARTED).order_by("ends_at", "id").values_list("id", flat=True)
    ):
        with transaction.atomic():
            found = Mailing.objects.select_for_update(skip_locked=True).filter(pk=mailing_id, state__in=STARTED)
            mailing = found.first()
            if mailing is not None and (mailing.ends_at <= now or _is_done(mailing)):
                end(mailing, MailingState.FINISHED, now)
                finished += 1
    return finished


def _is_done(mailing: Mailing) -> bool:
    """Nothing waits, nothing is in flight, and nothing is held for a decision that could still be "resend"."""
    undecided = (*queue.OPEN, State.UNKNOWN)
    if not mailing.audience_is_whole or mailing.errands.exists():
        return False
    return not Message.objects.filter(mailing=mailing, state__in=undecided).exists()


def close_ended(now: datetime) -> int:
    """Closes what still waits in mailings that are over, a step each. Returns how many are closed for good.

    Not longer than `CLOSING_S` in all: many mailings that end together must not keep others from starting.
    """
    closed, until = 0, monotonic() + CLOSING_S
    for mailing in list(Mailing.objects.filter(closing=True).order_by("finished_at", "id")):
        closed += close_a_step(mailing, now)
        if monotonic() > until:
            break
    return closed


def close_a_step(mailing: Mailing, now: datetime) -> bool:
    if not queue.close(mailing, now=now):
        return False
    # a row that was in flight a moment ago cannot come back: closing ends only when none is open
    return bool(Mailing.objects.filter(pk=mailing.pk, closing=True).update(closing=False))


def pause_refused(mailing_id: int, now: datetime) -> bool:
    """Pauses a running mailing of whose last answers too many were refusals. Whether it did."""
    with transaction.atomic():
        running = Mailing.objects.filter(pk=mailing_id, state=MailingState.RUNNING, deleted_at=None)
        mailing = running.select_for_update(no_key=True).first()
        if mailing is None:
            return False
        refused, answers = queries.last_answers(mailing_id, policy.ANSWERS_WATCHED, since=mailing.resumed_at)
        if not policy.is_refused_too_often(refused, answers):
            return False
        put_on_hold(mailing, PauseReason.REFUSED, now)
        record(SERVICE, "pause", mailing, reason=PauseReason.REFUSED.value, refused=refused, answers=answers)
    log.warning("mailing paused itself", mailing_id=mailing_id, refused=refused, answers=answers)
    return True


def stop_clients(client_ids: list[int], reason: str) -> None:
    """What the directory says of clients who are not written to any more."""
    now = clock.now()
    deleted = reason == "deleted"
    queue.stop_clients(client_ids, Reason.CLIENT_DELETED if deleted else Reason.CLIENT_OPTED_OUT, now=now)
    if deleted:
        queue.forget_clients(client_ids)
