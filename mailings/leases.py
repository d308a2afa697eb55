"""Named rights to do a job alone for a while, shared by all workers. They are rows, not names of workers."""

from datetime import datetime, timedelta

from django.db.models import F, Q, Value
from django.db.models.functions import Greatest

from mailings.models import Lease

LONG_AGO = timedelta(days=1)


def ensure(name: str, now: datetime) -> None:
    """Makes the row of a lease, free, when there is none."""
    if not Lease.objects.filter(name=name).exists():
        free = Lease(name=name, until=now - LONG_AGO, rung_at=now - LONG_AGO)
        Lease.objects.bulk_create([free], ignore_conflicts=True)


def take(name: str, holder: str, now: datetime, seconds: float) -> bool:
    """As `hold`, for a lease that may not exist yet."""
    ensure(name, now)
    return hold(name, holder, now, seconds)


def hold(name: str, holder: str, now: datetime, seconds: float) -> bool:
    """Takes the lease, or renews one's own. False: somebody else holds it."""
    mine = Q(name=name) & (Q(until__lte=now) | Q(holder=holder))
    return bool(Lease.objects.filter(mine).update(holder=holder, until=now + timedelta(seconds=seconds)))


def let_go(name: str, holder: str, now: datetime) -> None:
    """Gives one's lease back, so that the next bell rings at once."""
    Lease.objects.filter(name=name, holder=holder).update(until=now, rung_at=now - LONG_AGO, holder="")


def leave_load(name: str, requests: int, now: datetime, seconds: float) -> None:
    """Tells the next holder that `requests` more (or fewer, below zero) of this place are still in flight.

    It is forgotten after `seconds`: whoever left it may be gone.
    """
    lease = Lease.objects.filter(name=name)
    lease.filter(load_until__lte=now).update(load=0)
    load = Greatest(F("load") + requests, Value(0))
    lease.update(load=load, load_until=now + timedelta(seconds=seconds))


def load(name: str, now: datetime) -> int:
    """The requests that former holders still have in flight."""
    found = Lease.objects.filter(name=name, load_until__gt=now).values_list("load", flat=True).first()
    return found or 0
