"""The steps that the verbs are made of, and the refusals they share. Only the verbs call them."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import Max
from django.utils.translation import gettext as _

from accounts.journal import SERVICE, record
from accounts.refusals import Invalid, Refused
from clients.models import Client
from mailings import bell
from mailings.models import Mailing, MailingState, PauseReason

STARTED = (MailingState.RUNNING, MailingState.PAUSED)
OVER = (MailingState.FINISHED, MailingState.CANCELLED)


class Overdue(Invalid):
    """Overdue mailing"""

    def __init__(self) -> None:
        super().__init__({"ends_at": _("Overdue mailing")})


class NoMatches(Exception):
    """No matches by filter"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


Thing = TypeVar("Thing")


def each(things: Iterable[Thing], step: Callable[[Thing], bool]) -> list[Thing]:
    """Those for which the step said yes. One that fails keeps no other from its turn.

    Raises what failed as a group when all had their turn; of a database that is away, at once.
    """
    done: list[Thing] = []
    failed: list[Exception] = []
    for thing in things:
        try:
            if step(thing):
                done.append(thing)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001  # not swallowed: raised below
            failed.append(error)
    if failed:
        raise ExceptionGroup("some failed, the others had their turn", failed)
    return done


def visible(mailing_id: int) -> Mailing:
    return Mailing.objects.visible().get(pk=mailing_id)


def locked(mailing_id: int) -> Mailing:
    # its id stays: what is claimed or settled of it, and refers to it, need not wait for the verb
    return Mailing.objects.visible().select_for_update(no_key=True).get(pk=mailing_id)


def allow(mailing: Mailing, state: MailingState, *, otherwise: str) -> None:
    if mailing.state != state:
        raise Refused(otherwise)


def move(mailing: Mailing, state: MailingState, now: datetime) -> None:
    mailing.state = state
    mailing.updated_at = now
    mailing.save(update_fields=["state", "updated_at"])


def turned(before: str, after: str) -> dict[str, dict[str, str]]:
    """For the journal: from which state to which."""
    return {"before": {"state": str(before)}, "after": {"state": str(after)}}


def put_on_hold(mailing: Mailing, reason: PauseReason, now: datetime) -> None:
    mailing.pause_reason = reason
    mailing.save(update_fields=["pause_reason"])
    move(mailing, MailingState.PAUSED, now)


def start(mailing: Mailing, now: datetime, *, by_the_clock: bool = False) -> None:
    """Fixes the audience (who is in the directory now) and rings. The mailing's row is locked by the caller.

    `by_the_clock`: its start has come, so that what is between that and `now` is our delay.
    """
    if mailing.ends_at <= now:
        end(mailing, MailingState.FINISHED, now)
        return
    before = mailing.state
    mailing.state, mailing.started_at, mailing.updated_at = MailingState.RUNNING, now, now
    mailing.audience_until = Client.objects.aggregate(last=Max("id"))["last"] or 0
    mailing.start_delay_s = (now - mailing.starts_at).total_seconds() if by_the_clock else None
    mailing.save(update_fields=["state", "started_at", "updated_at", "audience_until", "start_delay_s"])
    record(SERVICE, "start", mailing, **turned(before, mailing.state))
    ring(mailing, now)


def ring(mailing: Mailing, now: datetime) -> None:
    if not mailing.audience_is_whole:
        bell.audience(mailing.pk, now)
    bell.dispatch(now)


def end(mailing: Mailing, state: MailingState, now: datetime) -> None:
    before = mailing.state
    mailing.state, mailing.closing = state, True
    mailing.finished_at = mailing.updated_at = now
    mailing.save(update_fields=["state", "closing", "finished_at", "updated_at"])
    if state == MailingState.FINISHED:
        record(SERVICE, "finish", mailing, **turned(before, state))
