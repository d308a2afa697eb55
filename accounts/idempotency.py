"""Answers that are kept for a day, so that a request sent once more does nothing once more.

The row of an answer is made first in the transaction of the deed and filled in last: whoever is killed leaves
both or neither. Others with the same key wait for the unique constraint until that transaction has ended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

from django.db import IntegrityError, transaction

from accounts.journal import Actor
from accounts.models import KeptAnswer
from accounts.refusals import Refused

KEPT = timedelta(hours=24)
STEP = 1000
View = TypeVar("View", bound=Callable[..., object])


class OtherRequest(Refused):
    """This Idempotency-Key was used for another request"""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request")


class ShownOnce(Refused):
    """Done already, and what it answered is shown only once"""

    def __init__(self) -> None:
        super().__init__("Done already by a request with this Idempotency-Key; its answer is shown only once")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request with a key is known by: whose it is, the key, and a hash of all that it asks."""

    owner: str
    key: str
    fingerprint: str

    @classmethod
    def of(cls, actor: Actor, key: str, *, method: str, address: str, body: bytes) -> "Claim":
        owner = f"key:{actor.api_key.pk}" if actor.api_key else f"user:{actor.user.pk if actor.user else 0}"
        asked = b"\n".join([method.encode(), address.encode("utf-8", "surrogateescape"), body])
        return cls(owner, key, sha256(asked).hexdigest())


def shows_a_secret(view: View) -> View:
    """Marks a call whose answer must not be kept: sent again it is refused by ShownOnce."""
    view.shows_a_secret = True  # type: ignore[attr-defined]
    return view


def find(claim: Claim, now: datetime) -> Answer | None:
    """The answer that was given already. Raises OtherRequest, ShownOnce."""
    row = KeptAnswer.objects.filter(owner=claim.owner, key=claim.key, created_at__gt=now - KEPT).first()
    if row is None or row.status is None:  # null is seen only by the deed's own transaction
        return None
    if row.fingerprint != claim.fingerprint:
        raise OtherRequest
    if row.body is None:
        raise ShownOnce
    return Answer(row.status, bytes(row.body))


def begin(claim: Claim, now: datetime) -> KeptAnswer | None:
    """The row to be filled in by this transaction; None when somebody else has done the deed meanwhile.

    Waits while he is doing it.
    """
    KeptAnswer.objects.filter(owner=claim.owner, key=claim.key, created_at__lte=now - KEPT).delete()
    try:
        with transaction.atomic():
            return KeptAnswer.objects.create(
                owner=claim.owner, key=claim.key, fingerprint=claim.fingerprint, created_at=now
            )
    except IntegrityError:
        return None


def finish(row: KeptAnswer, status: int, body: bytes | None) -> None:
    """Fills in the answer; without a body it is not given again."""
    row.status, row.body = status, body
    row.save(update_fields=["status", "body"])


def forget(now: datetime) -> int:
    """Deletes the oldest of those that are too old, at most a step of them; how many."""
    old = KeptAnswer.objects.filter(created_at__lte=now - KEPT).order_by("created_at", "id")
    return KeptAnswer.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:STEP])).delete()[0]
