"""Forgetting what is old: attempts, messages, deleted mailings. The sums stay, so that the statistics do.

One mailing at a time, one step at a time; a step is one short transaction, in which the row of the mailing is
locked. Any number may walk at once. Nothing of a mailing that is not over is touched, nor what waits for a
person's decision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.journal import SERVICE, record
from config.logs import logger
from mailings import queue, tally
from mailings.models import (
    Attempt,
    Breakdown,
    Errand,
    Forgetting,
    Forgotten,
    Mailing,
    MailingState,
    MailingZone,
    Matter,
    Minute,
    Quarter,
    Standing,
    Tally,
)
from mailings.operations.steps import OVER
from mailings.policy import State

# how many are looked at in one go; the next look finds the others
FEW = 20
# the sums of a mailing that is removed altogether, in this order; how many of them one step takes
SUMS = (Tally, Minute, Quarter, Breakdown, Forgotten, Standing, MailingZone)
SUMS_STEP = 900
# a mailing whose audience is not fixed yet needs the messages that it makes up for
WAITING = (MailingState.DRAFT, MailingState.SCHEDULED, MailingState.RUNNING, MailingState.PAUSED)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Portion:
    """What would be forgotten of a mailing now, and how many messages in doubt stay."""

    mailing: Mailing
    matter: Matter
    messages: int
    attempts: int
    undecided: int


def has_to_forget(now: datetime) -> bool:
    """Whether there is anything to forget, or to go on with."""
    return Forgetting.objects.exists() or any(found.exists() for _, found in _due(now))


def forget_a_step(now: datetime) -> bool:
    """Goes on with what was begun, or begins the next. False when there is nothing, or others are at all of it."""
    begun = Forgetting.objects.order_by("id").values_list("mailing", flat=True)[:FEW]
    if any(_carry_on(mailing_id, now) for mailing_id in list(begun)):
        return True
    return any(_begin(matter, found, now) for matter, found in _due(now))


def forget_again(mailing: Mailing, now: datetime) -> None:
    """After a decision about messages that alone were kept of it. The mailing's row is locked by the caller."""
    if mailing.messages_forgotten_at or mailing.attempts_forgotten_at:
        matter = Matter.MESSAGES if mailing.messages_forgotten_at else Matter.ATTEMPTS
        anew = {"matter": matter, "state": "", "cursor": 0}
        created = anew | {"begun_at": now}
        Forgetting.objects.update_or_create(mailing=mailing, defaults=anew, create_defaults=created)


def portions(now: datetime) -> Iterator[Portion]:
    """All that would be forgotten now. Counts what is there: for a person who waits for it."""
    seen: set[int] = set()
    for matter, found in _due(now):
        for mailing in found.exclude(pk__in=seen).order_by("id").iterator():
            seen.add(mailing.pk)
            counts = tally.counts([mailing.pk])[mailing.pk]
            undecided = 0 if mailing.deleted_at else counts[State.UNKNOWN]
            attempts = Attempt.objects.filter(message__mailing=mailing)
            if not mailing.deleted_at:
                attempts = attempts.exclude(message__state=State.UNKNOWN)
            messages = 0 if matter == Matter.ATTEMPTS else mailing.messages.count() - undecided
            yield Portion(mailing, matter, messages, attempts.count(), undecided)


# -- what is due ---------------------------------------------------------------------------------------


def _due(now: datetime) -> Iterator[tuple[Matter, QuerySet[Mailing]]]:
    """What has been kept for long enough, the most to be forgotten first."""
    if settings.KEEP_DELETED_DAYS:
        gone = _over().filter(deleted_at__lte=now - timedelta(days=settings.KEEP_DELETED_DAYS))
        named = Exists(Mailing.objects.filter(rest_of=OuterRef("pk")))
        yield Matter.MAILING, gone.filter(~named)
        # of one that another is named after, the row stays
        yield Matter.MESSAGES, gone.filter(messages_forgotten_at=None, started_at__isnull=False)
    for days, matter, forgotten_at in (
        (settings.KEEP_MESSAGES_DAYS, Matter.MESSAGES, "messages_forgotten_at"),
        (settings.KEEP_ATTEMPTS_DAYS, Matter.ATTEMPTS, "attempts_forgotten_at"),
    ):
        if days:
            old = Q(finished_at__lte=now - timedelta(days=days), started_at__isnull=False)
            yield matter, _over().filter(old, **{forgotten_at: None})


def _over() -> QuerySet[Mailing]:
    """Those of which nothing moves any more, but by a person's decision, and which no other one needs."""
    needed = Mailing.objects.filter(rest_of=OuterRef("pk"), state__in=WAITING, deleted_at=None)
    busy = Exists(needed) | Exists(Errand.objects.filter(mailing=OuterRef("pk")))
    begun = Exists(Forgetting.objects.filter(mailing=OuterRef("pk")))
    return Mailing.objects.filter(~busy, ~begun, state__in=OVER, closing=False).order_by()


# -- the steps -----------------------------------------------------------------------------------------


def _begin(matter: Matter, found: QuerySet[Mailing], now: datetime) -> bool:
    return any(
        _begin_one(matter, found, mailing_id, now) for mailing_id in found.values_list("id", flat=True)[:FEW]
    )


@transaction.atomic
def _begin_one(matter: Matter, found: QuerySet[Mailing], mailing_id: int, now: datetime) -> bool:
    locked = found.select_for_update(no_key=True, skip_locked=True, of=("self",))
    mailing = locked.filter(pk=mailing_id).first()
    if mailing is None:
        return False
    mailing.attempts_forgotten_at = mailing.attempts_forgotten_at or now
    if matter != Matter.ATTEMPTS:
        mailing.messages_forgotten_at = mailing.messages_forgotten_at or now
    mailing.save(update_fields=["attempts_forgotten_at", "messages_forgotten_at"])
    Forgetting.objects.create(mailing=mailing, matter=matter, begun_at=now)
    return True


@transaction.atomic
def _carry_on(mailing_id: int, now: datetime) -> bool:
    """One step of a walk. False when it is done already, or somebody else is at it."""
    # first the mailing, as a decision does, which may send the walk back to its beginning
    mailing = Mailing.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=mailing_id).first()
    walk = Forgetting.objects.filter(mailing=mailing).first() if mailing else None
    if mailing is None or walk is None:
        return False
    if _step(walk, mailing):
        walk.save(update_fields=["state", "cursor", "messages", "attempts"])
    else:
        _end(walk, mailing)
    return True


def _step(walk: Forgetting, mailing: Mailing) -> bool:
    if walk.matter == Matter.ATTEMPTS:
        return queue.forget_attempts(walk)
    if queue.forget_messages(walk, undecided_too=mailing.deleted_at is not None):
        return True
    return walk.matter == Matter.MAILING and _forget_sums(mailing)


def _forget_sums(mailing: Mailing) -> bool:
    for model in SUMS:
        rows = model._default_manager.filter(mailing=mailing)
        ids = list(rows.order_by("id").values_list("id", flat=True)[:SUMS_STEP])
        if ids:
            rows.filter(id__in=ids).delete()
            return True
    return False


def _end(walk: Forgetting, mailing: Mailing) -> None:
    """The journal says what is gone. A mailing that another was made after meanwhile keeps its row."""
    walk.delete()
    if walk.messages or walk.attempts or walk.matter == Matter.MAILING:
        gone = {"what": walk.matter, "messages": walk.messages, "attempts": walk.attempts}
        record(SERVICE, "forget", mailing, **gone)
        log.info("forgotten", mailing_id=mailing.pk, **gone)
    if walk.matter == Matter.MAILING and not Mailing.objects.filter(rest_of=mailing).exists():
        mailing.delete()
