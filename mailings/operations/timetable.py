"""What happens to mailings by itself: by the clock, and because of what the directory says."""

from collections.abc import Iterator
from datetime import datetime
from time import monotonic

from django.db import transaction

from accounts.journal import SERVICE, record
from config.logs import logger
from mailings import clock, policy, queries, queue
from mailings.models import Mailing, MailingState, Message, PauseReason
from mailings.operations.steps import STARTED, each, end, put_on_hold, start, turned
from mailings.policy import Reason, State

CLOSING_S = 0.5

log = logger(__name__)


def start_due(now: datetime) -> int:
    """Starts every scheduled mailing whose start has come; one whose end has come too is finished unsent."""
    due = Mailing.objects.filter(state=MailingState.SCHEDULED, starts_at__lte=now).order_by("starts_at", "id")

    @transaction.atomic
    def start_one(mailing_id: int) -> bool:
        mailing = due.select_for_update(skip_locked=True).filter(pk=mailing_id).first()
        if mailing is None:
            return False
        start(mailing, now, by_the_clock=True)
        return True

    return len(each(list(due.values_list("id", flat=True)), start_one))


def finish_done(now: datetime) -> int:
    """Finishes every started mailing whose end has come or that has no open message left."""
    started = Mailing.objects.filter(state__in=STARTED).order_by("ends_at", "id")

    @transaction.atomic
    def finish_one(mailing_id: int) -> bool:
        mailing = started.select_for_update(skip_locked=True).filter(pk=mailing_id).first()
        if mailing is None or not (mailing.ends_at <= now or _is_done(mailing)):
            return False
        end(mailing, MailingState.FINISHED, now)
        return True

    return len(each(list(started.values_list("id", flat=True)), finish_one))


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
    over = Mailing.objects.filter(closing=True).order_by("finished_at", "id")
    return len(each(_for_a_moment(list(over)), lambda mailing: close_a_step(mailing, now)))


def _for_a_moment(mailings: list[Mailing]) -> Iterator[Mailing]:
    """The first in any case, more while there is time."""
    until = monotonic() + CLOSING_S
    for mailing in mailings:
        yield mailing
        if monotonic() > until:
            return


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
        told = {"reason": PauseReason.REFUSED.value, "refused": refused, "answers": answers}
        record(SERVICE, "pause", mailing, **turned(MailingState.RUNNING, MailingState.PAUSED), **told)
    log.warning("mailing paused itself", mailing_id=mailing_id, refused=refused, answers=answers)
    return True


def stop_clients(client_ids: list[int], reason: str) -> None:
    """What the directory says of clients who are not written to any more."""
    now = clock.now()
    deleted = reason == "deleted"
    queue.stop_clients(client_ids, Reason.CLIENT_DELETED if deleted else Reason.CLIENT_OPTED_OUT, now=now)
    if deleted:
        queue.forget_clients(client_ids)
