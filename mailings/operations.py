"""The verbs of mailings: the only writer of a mailing's state. Every verb is one transaction with its journal.

Doors call these and nothing else. A verb that is not allowed raises `Refused` with a sentence; bad fields
raise `Invalid`; a mailing that does not exist, or was deleted, raises `Mailing.DoesNotExist`.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, time
from time import monotonic
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from accounts.journal import SERVICE, Actor, record
from clients.models import Client
from clients.operations import Invalid
from mailings import audience, bell, clock, queue
from mailings.models import Mailing, MailingState, Message
from mailings.plans import Plan, check, plan_of
from mailings.policy import Reason, State

STARTED = (MailingState.RUNNING, MailingState.PAUSED)
OVER = (MailingState.FINISHED, MailingState.CANCELLED)
CLOSING_S = 0.5
FIXED_ONCE_STARTED = frozenset({"starts_at", "operator_codes", "tags"})


class Refused(Exception):
    """The verb is not allowed in the mailing's state; the text says why and what to do instead."""


class Overdue(Invalid):
    """Overdue mailing"""

    def __init__(self) -> None:
        super().__init__({"ends_at": _("Overdue mailing")})


class NoMatches(Exception):
    """No matches by filter"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


# -- a person's will -----------------------------------------------------------------------------------


def create(
    actor: Actor, plan: Plan, *, draft: bool = False, everyone: bool = False, allow_empty: bool = False
) -> Mailing:
    """Plans a mailing; one whose start is past begins at once. A draft is only kept.

    Raises Invalid (Overdue when the end is past), NoMatches; after that nothing is stored.
    """
    check(plan)
    _check_everyone(plan, everyone)
    now = clock.now()
    if not draft:
        _check_launch(plan, now, allow_empty=allow_empty)
    with transaction.atomic():
        state = MailingState.DRAFT if draft else MailingState.SCHEDULED
        mailing = Mailing(state=state, created_at=now, updated_at=now)
        _put(mailing, plan)
        mailing.save(force_insert=True)
        record(actor, "create", mailing, **_shown(asdict(plan)), state=state.value)
        if not draft and plan.starts_at <= now:
            _start(mailing, now)
    return mailing


def _check_everyone(plan: Plan, everyone: bool) -> None:
    if plan.filter.is_everyone and not everyone:
        raise Invalid({"everyone": _("No codes and no tags means every client: say so with everyone")})


def _check_launch(plan: Plan, now: datetime, *, allow_empty: bool) -> None:
    if plan.ends_at <= now:
        raise Overdue
    if not allow_empty and not audience.reachable(plan.filter).exists():
        raise NoMatches


def _put(mailing: Mailing, plan: Plan) -> None:
    for name, value in asdict(plan).items():
        setattr(mailing, name, list(value) if isinstance(value, tuple) else value)


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the journal: times as text, the message's text only by its length."""
    shown: dict[str, Any] = {}
    for name, value in values.items():
        if name == "text":
            shown["text_length"] = len(value)
        else:
            shown[name] = value.isoformat() if isinstance(value, datetime | time) else value
    return shown


def change(actor: Actor, mailing_id: int, *, everyone: bool = False, **changes: Any) -> Mailing:
    """Changes fields of the plan, by the mailing's state: before the start all, afterwards not filter and start.

    Unsent messages get the new text. Moving the start of a scheduled mailing into the past starts it.
    Raises Refused, Invalid (Overdue).
    """
    now = clock.now()
    with transaction.atomic():
        mailing = _locked(mailing_id)
        before = plan_of(mailing)
        plan = replace(before, **changes)
        changed = {name: value for name, value in asdict(plan).items() if value != getattr(before, name)}
        _check_changeable(mailing, changed)
        check(plan)
        if changed.keys() & {"operator_codes", "tags"}:
            _check_everyone(plan, everyone)
        if changed and mailing.state != MailingState.DRAFT and plan.ends_at <= now:
            raise Overdue
        if changed:
            _put(mailing, plan)
            mailing.updated_at = now
            mailing.save(update_fields=[*changed, "updated_at"])
            old = {name: getattr(before, name) for name in changed}
            record(actor, "change", mailing, before=_shown(old), after=_shown(changed))
        if mailing.state == MailingState.SCHEDULED and plan.starts_at <= now:
            _start(mailing, now)
        elif mailing.state == MailingState.RUNNING:
            bell.dispatch(now)
    return mailing


def _check_changeable(mailing: Mailing, changed: Mapping[str, Any]) -> None:
    if not changed:
        return
    if mailing.state in OVER:
        raise Refused(_("The mailing is over and is not changed any more: duplicate it instead"))
    if mailing.state in STARTED and changed.keys() & FIXED_ONCE_STARTED:
        raise Refused(_("The mailing has started: its audience and its start are fixed. Duplicate it instead"))


def launch(actor: Actor, mailing_id: int, *, allow_empty: bool = False) -> Mailing:
    """A draft is scheduled, and begins at once when its start is past. Raises Refused, Overdue, NoMatches."""
    now = clock.now()
    with transaction.atomic():
        mailing = _locked(mailing_id)
        _allow(
            mailing, MailingState.DRAFT, otherwise=_("Only a draft is launched; this mailing was launched already")
        )
        _check_launch(plan_of(mailing), now, allow_empty=allow_empty)
        _move(mailing, MailingState.SCHEDULED, now)
        record(actor, "launch", mailing)
        if mailing.starts_at <= now:
            _start(mailing, now)
    return mailing


def pause(actor: Actor, mailing_id: int) -> Mailing:
    """Nothing new goes out within a second; what is in flight is recorded. Raises Refused."""
    with transaction.atomic():
        mailing = _locked(mailing_id)
        _allow(mailing, MailingState.RUNNING, otherwise=_("Only a running mailing is paused"))
        _move(mailing, MailingState.PAUSED, clock.now())
        record(actor, "pause", mailing)
    return mailing


def resume(actor: Actor, mailing_id: int) -> Mailing:
    """Goes on where it was paused. Raises Refused."""
    now = clock.now()
    with transaction.atomic():
        mailing = _locked(mailing_id)
        _allow(mailing, MailingState.PAUSED, otherwise=_("Only a paused mailing is resumed"))
        if mailing.ends_at <= now:
            raise Refused(_("The end of the mailing has come: it sends nothing more"))
        _move(mailing, MailingState.RUNNING, now)
        record(actor, "resume", mailing)
        _ring(mailing, now)
    return mailing


def cancel(actor: Actor, mailing_id: int) -> Mailing:
    """Stops it for good: what waits is cancelled, what is in flight is recorded. Raises Refused."""
    now = clock.now()
    with transaction.atomic():
        mailing = _locked(mailing_id)
        if mailing.state in OVER:
            raise Refused(_("The mailing is over already"))
        _end(mailing, MailingState.CANCELLED, now)
        record(actor, "cancel", mailing)
    _close_a_step(mailing, now)
    return mailing


def delete(actor: Actor, mailing_id: int) -> None:
    """Stops it as cancel does, and hides it with its messages from lists and statistics."""
    now = clock.now()
    with transaction.atomic():
        mailing = _locked(mailing_id)
        if mailing.state not in OVER:
            _end(mailing, MailingState.CANCELLED, now)
        mailing.deleted_at = now
        mailing.save(update_fields=["deleted_at"])
        record(actor, "delete", mailing)


def duplicate(actor: Actor, mailing_id: int) -> Mailing:
    """A draft with the same plan. When the end is past, it is moved: from now on, as long as the first one was."""
    now = clock.now()
    with transaction.atomic():
        source = _visible(mailing_id)
        plan = plan_of(source)
        if plan.ends_at <= now:
            plan = replace(plan, starts_at=now, ends_at=now + (plan.ends_at - plan.starts_at))
        copy = Mailing(state=MailingState.DRAFT, created_at=now, updated_at=now)
        _put(copy, plan)
        copy.save(force_insert=True)
        record(actor, "duplicate", copy, source=source.pk)
    return copy


def retry_failed(actor: Actor, mailing_id: int) -> Mailing:
    """Puts the failed messages back while the mailing can still send. Raises Refused."""
    now = clock.now()
    with transaction.atomic():
        mailing = _locked(mailing_id)
        if mailing.state not in STARTED or mailing.ends_at <= now:
            raise Refused(_("The mailing sends nothing more: duplicate it instead"))
        number = queue.requeue_failed(mailing, now=now)
        record(actor, "retry_failed", mailing, messages=number)
        if number:
            _ring(mailing, now)
    return mailing


# -- the clock's ---------------------------------------------------------------------------------------


def start_due(now: datetime) -> int:
    """Starts every scheduled mailing whose start has come; one whose end has come too is finished unsent."""
    due = Mailing.objects.filter(state=MailingState.SCHEDULED, starts_at__lte=now).order_by("starts_at", "id")
    started = 0
    for mailing_id in list(due.values_list("id", flat=True)):
        with transaction.atomic():
            mailing = due.select_for_update(skip_locked=True).filter(pk=mailing_id).first()
            if mailing is not None:
                _start(mailing, now)
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
                _end(mailing, MailingState.FINISHED, now)
                finished += 1
    return finished


def _is_done(mailing: Mailing) -> bool:
    """Nothing waits, nothing is in flight, and nothing is held for a decision that could still be "resend"."""
    undecided = (*queue.OPEN, State.UNKNOWN)
    return mailing.audience_is_whole and not Message.objects.filter(mailing=mailing, state__in=undecided).exists()


def close_ended(now: datetime) -> int:
    """Closes what still waits in mailings that are over, a step each. Returns how many are closed for good.

    Not longer than `CLOSING_S` in all: many mailings that end together must not keep others from starting.
    """
    closed, until = 0, monotonic() + CLOSING_S
    for mailing in list(Mailing.objects.filter(closing=True).order_by("finished_at", "id")):
        closed += _close_a_step(mailing, now)
        if monotonic() > until:
            break
    return closed


def _close_a_step(mailing: Mailing, now: datetime) -> bool:
    if not queue.close(mailing, now=now):
        return False
    # a row that was in flight a moment ago cannot come back: closing ends only when none is open
    return bool(Mailing.objects.filter(pk=mailing.pk, closing=True).update(closing=False))


def stop_clients(client_ids: list[int], reason: str) -> None:
    """What the directory says of clients who are not written to any more."""
    now = clock.now()
    deleted = reason == "deleted"
    queue.stop_clients(client_ids, Reason.CLIENT_DELETED if deleted else Reason.CLIENT_OPTED_OUT, now=now)
    if deleted:
        queue.forget_clients(client_ids)


# -- steps ---------------------------------------------------------------------------------------------


def _visible(mailing_id: int) -> Mailing:
    return Mailing.objects.visible().get(pk=mailing_id)


def _locked(mailing_id: int) -> Mailing:
    # its id stays: what is claimed or settled of it, and refers to it, need not wait for the verb
    return Mailing.objects.visible().select_for_update(no_key=True).get(pk=mailing_id)


def _allow(mailing: Mailing, state: MailingState, *, otherwise: str) -> None:
    if mailing.state != state:
        raise Refused(otherwise)


def _move(mailing: Mailing, state: MailingState, now: datetime) -> None:
    mailing.state = state
    mailing.updated_at = now
    mailing.save(update_fields=["state", "updated_at"])


def _start(mailing: Mailing, now: datetime) -> None:
    """Fixes the audience (who is in the directory now) and rings. The mailing's row is locked by the caller."""
    if mailing.ends_at <= now:
        _end(mailing, MailingState.FINISHED, now)
        return
    mailing.state, mailing.started_at, mailing.updated_at = MailingState.RUNNING, now, now
    mailing.audience_until = Client.objects.aggregate(last=Max("id"))["last"] or 0
    mailing.save(update_fields=["state", "started_at", "updated_at", "audience_until"])
    record(SERVICE, "start", mailing)
    _ring(mailing, now)


def _ring(mailing: Mailing, now: datetime) -> None:
    if not mailing.audience_is_whole:
        bell.audience(mailing.pk, now)
    bell.dispatch(now)


def _end(mailing: Mailing, state: MailingState, now: datetime) -> None:
    mailing.state, mailing.closing = state, True
    mailing.finished_at = mailing.updated_at = now
    mailing.save(update_fields=["state", "closing", "finished_at", "updated_at"])
    if state == MailingState.FINISHED:
        record(SERVICE, "finish", mailing)
