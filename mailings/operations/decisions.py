"""What a person decides about messages that went wrong: of one, of some, or of a million.

The first step is in the transaction of the verb. What is left is an errand, which the verb carries on for a
moment and the clock to its end: a process that dies in between loses nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.journal import SERVICE, Actor, record
from accounts.refusals import Invalid, Refused
from mailings import clock, queue, tally
from mailings.gateway import Kind
from mailings.models import Attempt, Errand, Mailing, Message
from mailings.operations.retention import forget_again
from mailings.operations.steps import OVER, STARTED, each, locked, ring
from mailings.policy import MOVES, Decision

# how many messages may be named at once; all of them is another way to say it
NAMED = 500
ERRAND_S = 0.5
PATIENCE_S = 2.0
SHOWN_IDS = 10


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a decision: how many messages it moved, how many of those named somebody else had decided
    before, and how many still follow in the background."""

    mailing: Mailing
    messages: int
    passed_over: int = 0
    following: int = 0


def decide(
    actor: Actor, mailing_id: int, decision: Decision, message_ids: Collection[int] | None = None
) -> Decided:
    """Decides about unknown messages: all of the mailing's, or those named.

    `resend` needs a mailing that can still send. Several may decide at once: each message follows the first.
    Raises Invalid when messages of other mailings are named, Refused; after that nothing has changed.
    """
    now = clock.now()
    if message_ids is None:
        return _decide_about_all(actor, mailing_id, "decide", decision, now)
    named = sorted(set(message_ids))
    with transaction.atomic():
        mailing = locked(mailing_id)
        _check_decidable(mailing, decision, now)
        _check_named(mailing, named)
        moved = queue.decide(mailing_id, decision, named, now=now)
        record(actor, "decide", mailing, decision=decision.value, messages=moved, named=len(named))
        forget_again(mailing, now)
        if moved and MOVES[decision].puts_back:
            ring(mailing, now)
    return Decided(mailing, moved, passed_over=len(named) - moved)


def retry_failed(actor: Actor, mailing_id: int) -> Decided:
    """Puts the failed messages back while the mailing can still send. Raises Refused."""
    return _decide_about_all(actor, mailing_id, "retry_failed", Decision.RETRY, clock.now())


def _check_decidable(mailing: Mailing, decision: Decision, now: datetime) -> None:
    if mailing.state not in (*STARTED, *OVER):
        raise Refused(_("The mailing has not started: it has no messages yet"))
    if not MOVES[decision].puts_back or _can_send(mailing, now):
        return
    if decision is Decision.RETRY:
        raise Refused(_("The mailing sends nothing more: duplicate it for those who did not get it"))
    raise Refused(
        _(
            "The mailing sends nothing more. Count these messages as sent or as failed; "
            "a duplicate for those who did not get it writes to the failed ones"
        )
    )


def _can_send(mailing: Mailing, now: datetime) -> bool:
    return mailing.state in STARTED and mailing.deleted_at is None and now < mailing.ends_at


def _check_named(mailing: Mailing, named: list[int]) -> None:
    if not 0 < len(named) <= NAMED:
        raise Invalid({"message_ids": _("Name 1 to %(most)d messages") % {"most": NAMED}})
    states = dict(Message.objects.filter(mailing=mailing, id__in=named).values_list("id", "state"))
    foreign = [id_ for id_ in named if id_ not in states]
    if foreign and mailing.messages_forgotten_at:
        raise Refused(
            _("These messages were forgotten, or are not of this mailing: %(ids)s") % {"ids": _listed(foreign)}
        )
    if foreign:
        raise Invalid({"message_ids": _("Not messages of this mailing: %(ids)s") % {"ids": _listed(foreign)}})
    unknown = Attempt.objects.filter(message__in=named, outcome=Kind.UNKNOWN.value)
    doubtful = set(unknown.order_by().values_list("message", flat=True))
    wrong = [id_ for id_ in named if states[id_] != MOVES[Decision.SENT].before and id_ not in doubtful]
    if wrong:
        raise Refused(_("There is nothing to decide about these messages: %(ids)s") % {"ids": _listed(wrong)})


def _listed(ids: list[int]) -> str:
    rest = ["…"] if len(ids) > SHOWN_IDS else []
    return ", ".join([*map(str, ids[:SHOWN_IDS]), *rest])


def _decide_about_all(actor: Actor, mailing_id: int, verb: str, decision: Decision, now: datetime) -> Decided:
    with transaction.atomic():
        mailing = locked(mailing_id)
        _check_decidable(mailing, decision, now)
        last = queue.last_to_decide(mailing_id, decision)
        errand = Errand(mailing=mailing, decision=decision.value, decided_at=now, until=last or 0)
        following = 0
        if last and queue.step(errand, now=now):
            following = tally.counts([mailing_id])[mailing_id][MOVES[decision].before]
            errand.save(force_insert=True)
        said = {} if verb == "retry_failed" else {"decision": decision.value}
        later = {"following": following} if following else {}
        record(actor, verb, mailing, **said, messages=errand.moved, **later)
        forget_again(mailing, now)
        if errand.moved and MOVES[decision].puts_back:
            ring(mailing, now)
    if not following:
        return Decided(mailing, errand.moved)
    return _carried_on(mailing, errand.pk, errand.moved + following)


def _carried_on(mailing: Mailing, errand_id: int, whole: int) -> Decided:
    """As far as a person waits for it."""
    until = monotonic() + PATIENCE_S
    while monotonic() < until and _carry_on(errand_id, clock.now()):
        pass
    left = Errand.objects.filter(pk=errand_id).first()
    return Decided(mailing, left.moved, following=whole - left.moved) if left else Decided(mailing, whole)


def carry_on_errands(now: datetime) -> int:
    """Carries every errand on, a step each in turn, not longer than `ERRAND_S` in all. Returns the steps."""
    steps, until = 0, monotonic() + ERRAND_S
    waiting = list(Errand.objects.order_by("id").values_list("id", flat=True))
    while waiting and monotonic() < until:
        waiting = each(waiting, lambda errand_id: _carry_on(errand_id, now))
        steps += 1
    return steps


def _carry_on(errand_id: int, now: datetime) -> bool:
    """One step of an errand. False when it is done, or somebody else is at it.

    What would be put back into a mailing that sends nothing more stays as it is.
    """
    with transaction.atomic():
        errand = Errand.objects.select_for_update(skip_locked=True).filter(pk=errand_id).first()
        if errand is None:
            return False
        mailing = Mailing.objects.select_for_update(no_key=True).get(pk=errand.mailing_id)
        is_possible = _can_send(mailing, now) or not MOVES[Decision(errand.decision)].puts_back
        if is_possible and queue.step(errand, now=now):
            errand.save(update_fields=["cursor", "moved"])
            return True
        record(SERVICE, "finish_errand", mailing, decision=errand.decision, messages=errand.moved)
        forget_again(mailing, now)
        errand.delete()
    return False
