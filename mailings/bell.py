"""Rings for work in the background: the only place that queues django-q2 tasks.

A bell may be lost, and it may ring twice: what is to be done stands in the tables, and the worker's clock
rings again.
"""

from datetime import datetime, timedelta

from django.db.models import Q
from django_q.tasks import async_task

from mailings.models import Lease

RING_AGAIN = timedelta(seconds=5)


def dispatch(now: datetime, *, places: int = 1) -> int:
    """Rings for each of `places` dispatch runs that nobody holds and nobody has rung for. Returns how many."""
    return sum(_ring(f"dispatch-{place}", "mailings.tasks.dispatch", now) for place in range(1, places + 1))


def audience(mailing_id: int, now: datetime) -> int:
    """Rings for the recipients of a mailing to be added."""
    return _ring(f"audience-{mailing_id}", "mailings.tasks.materialise", now, mailing_id)


def _ring(name: str, task: str, now: datetime, *arguments: object) -> int:
    _exists(name, now)
    free = Q(name=name, until__lte=now, rung_at__lte=now - RING_AGAIN)
    if not Lease.objects.filter(free).update(rung_at=now):
        return 0
    async_task(task, *arguments, task_name=name)
    return 1


def _exists(name: str, now: datetime) -> None:
    if not Lease.objects.filter(name=name).exists():
        long_ago = now - timedelta(days=1)
        Lease.objects.bulk_create([Lease(name=name, until=long_ago, rung_at=long_ago)], ignore_conflicts=True)


def take(name: str, holder: str, now: datetime, seconds: float) -> bool:
    """As `hold`, for a lease that nobody rings for."""
    _exists(name, now)
    return hold(name, holder, now, seconds)


def hold(name: str, holder: str, now: datetime, seconds: float) -> bool:
    """Takes the lease, or renews one's own. False: somebody else holds it."""
    mine = Q(name=name) & (Q(until__lte=now) | Q(holder=holder))
    return bool(Lease.objects.filter(mine).update(holder=holder, until=now + timedelta(seconds=seconds)))


def let_go(name: str, holder: str, now: datetime) -> None:
    """Gives one's lease back, so that the next bell rings at once."""
    long_ago = now - timedelta(days=1)
    Lease.objects.filter(name=name, holder=holder).update(until=now, rung_at=long_ago, holder="")
