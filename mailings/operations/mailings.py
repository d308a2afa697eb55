"""What a person wants of a mailing, each verb one transaction with its journal."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, time
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.journal import Actor, record
from accounts.refusals import Invalid, Refused
from mailings import audience, bell, clock, tally
from mailings.models import Mailing, MailingState, PauseReason
from mailings.operations.steps import (
    OVER,
    STARTED,
    NoMatches,
    Overdue,
    allow,
    end,
    locked,
    move,
    put_on_hold,
    ring,
    start,
    turned,
)
from mailings.operations.timetable import close_a_step
from mailings.plans import Filter, Plan, check, filter_of, plan_of
from mailings.policy import NOT_SENT

FIXED_ONCE_STARTED = frozenset({"starts_at", "operator_codes", "tags"})


def create(
    actor: Actor, plan: Plan, *, draft: bool = False, everyone: bool = False, allow_empty: bool = False
) -> Mailing:
    """Plans a mailing; one whose start is past begins at once. A draft is only kept.

    Raises Invalid (Overdue when the end is past), NoMatches; after that nothing is stored.
    """
    check(plan)
    _check_everyone(plan.filter, everyone)
    now = clock.now()
    if not draft:
        _check_launch(plan.ends_at, plan.filter, now, allow_empty=allow_empty)
    with transaction.atomic():
        state = MailingState.DRAFT if draft else MailingState.SCHEDULED
        mailing = Mailing(state=state, created_at=now, updated_at=now)
        _put(mailing, plan)
        mailing.save(force_insert=True)
        record(actor, "create", mailing, **_shown(asdict(plan)), state=state.value)
        if not draft and plan.starts_at <= now:
            start(mailing, now)
    return mailing


def _check_everyone(wanted: Filter, everyone: bool) -> None:
    if wanted.is_everyone and not everyone:
        raise Invalid({"everyone": _("No codes and no tags means every client: say so with everyone")})


def _check_launch(ends_at: datetime, wanted: Filter, now: datetime, *, allow_empty: bool) -> None:
    if ends_at <= now:
        raise Overdue
    if not allow_empty and not audience.reachable(wanted).exists():
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
        mailing = locked(mailing_id)
        before = plan_of(mailing)
        plan = replace(before, **changes)
        changed = {name: value for name, value in asdict(plan).items() if value != getattr(before, name)}
        _check_changeable(mailing, changed)
        check(plan)
        if changed.keys() & {"operator_codes", "tags"}:
            _check_everyone(replace(plan.filter, rest_of=mailing.rest_of_id), everyone)
        if changed and mailing.state != MailingState.DRAFT and plan.ends_at <= now:
            raise Overdue
        if changed:
            _put(mailing, plan)
            mailing.updated_at = now
            mailing.save(update_fields=[*changed, "updated_at"])
            old = {name: getattr(before, name) for name in changed}
            record(actor, "change", mailing, before=_shown(old), after=_shown(changed))
        if mailing.state == MailingState.SCHEDULED and plan.starts_at <= now:
            start(mailing, now)
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
        mailing = locked(mailing_id)
        allow(
            mailing, MailingState.DRAFT, otherwise=_("Only a draft is launched; this mailing was launched already")
        )
        _check_launch(mailing.ends_at, filter_of(mailing), now, allow_empty=allow_empty)
        move(mailing, MailingState.SCHEDULED, now)
        record(actor, "launch", mailing, **turned(MailingState.DRAFT, MailingState.SCHEDULED))
        if mailing.starts_at <= now:
            start(mailing, now)
    return mailing


def pause(actor: Actor, mailing_id: int) -> Mailing:
    """Nothing new goes out within a second; what is in flight is recorded. Raises Refused."""
    with transaction.atomic():
        mailing = locked(mailing_id)
        allow(mailing, MailingState.RUNNING, otherwise=_("Only a running mailing is paused"))
        put_on_hold(mailing, PauseReason.BY_HAND, clock.now())
        record(actor, "pause", mailing, **turned(MailingState.RUNNING, MailingState.PAUSED))
    return mailing


def resume(actor: Actor, mailing_id: int) -> Mailing:
    """Goes on where it was paused. Raises Refused."""
    now = clock.now()
    with transaction.atomic():
        mailing = locked(mailing_id)
        allow(mailing, MailingState.PAUSED, otherwise=_("Only a paused mailing is resumed"))
        if mailing.ends_at <= now:
            raise Refused(_("The end of the mailing has come: it sends nothing more"))
        mailing.pause_reason, mailing.resumed_at = "", now
        mailing.save(update_fields=["pause_reason", "resumed_at"])
        move(mailing, MailingState.RUNNING, now)
        record(actor, "resume", mailing, **turned(MailingState.PAUSED, MailingState.RUNNING))
        ring(mailing, now)
    return mailing


def cancel(actor: Actor, mailing_id: int) -> Mailing:
    """Stops it for good: what waits is cancelled, what is in flight is recorded. Raises Refused."""
    now = clock.now()
    with transaction.atomic():
        mailing = locked(mailing_id)
        if mailing.state in OVER:
            raise Refused(_("The mailing is over already"))
        before = mailing.state
        end(mailing, MailingState.CANCELLED, now)
        record(actor, "cancel", mailing, **turned(before, mailing.state))
    close_a_step(mailing, now)
    return mailing


def delete(actor: Actor, mailing_id: int) -> None:
    """Stops it as cancel does, and hides it with its messages from lists and statistics."""
    now = clock.now()
    with transaction.atomic():
        mailing = locked(mailing_id)
        before = mailing.state
        if mailing.state not in OVER:
            end(mailing, MailingState.CANCELLED, now)
        mailing.deleted_at = now
        mailing.save(update_fields=["deleted_at"])
        record(actor, "delete", mailing, **turned(before, mailing.state), is_deleted=True)


def duplicate(actor: Actor, mailing_id: int, *, only_not_sent: bool = False) -> Mailing:
    """A draft with the same plan. When the end is past, it is moved: from now on, as long as the first one was.

    With `only_not_sent` it is for those clients alone whose message in the source was not sent; Refused while
    the source may still send, or when there are none. Otherwise it is for the same people, of a rest too.
    """
    now = clock.now()
    with transaction.atomic():
        # with its row locked: nobody may begin to forget its messages meanwhile
        source = locked(mailing_id)
        if only_not_sent:
            _check_rest(source)
        elif source.rest_of_id is not None:
            _check_remembered(Mailing.objects.select_for_update(no_key=True).get(pk=source.rest_of_id))
        plan = plan_of(source)
        if plan.ends_at <= now:
            plan = replace(plan, starts_at=now, ends_at=now + (plan.ends_at - plan.starts_at))
        rest_of = source.pk if only_not_sent else source.rest_of_id
        copy = Mailing(state=MailingState.DRAFT, rest_of_id=rest_of, created_at=now, updated_at=now)
        _put(copy, plan)
        copy.save(force_insert=True)
        said = {"only": "not_sent"} if only_not_sent else {}
        record(actor, "duplicate", copy, source=source.pk, **said)
    return copy


def _check_remembered(source: Mailing) -> None:
    if source.messages_forgotten_at is not None:
        raise Refused(_("The messages of that mailing were forgotten: who did not get it is not known any more"))


def _check_rest(source: Mailing) -> None:
    _check_remembered(source)
    if source.state not in OVER or source.closing:
        raise Refused(_("The mailing is not over: who will not get it is known only then"))
    counts = tally.counts([source.pk])[source.pk]
    if not any(counts[state] for state in NOT_SENT):
        raise Refused(_("There is nobody who did not get this mailing"))
