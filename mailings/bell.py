"""Rings for work in the background: the only place that queues django-q2 tasks.

A bell may be lost, and it may ring twice: what is to be done stands in the tables, and the worker's clock
rings again.
"""

from datetime import datetime, timedelta

from django.db.models import Q
from django_q.tasks import async_task

from mailings import leases
from mailings.models import Lease

RING_AGAIN = timedelta(seconds=5)


def dispatch(now: datetime, *, places: int = 1) -> int:
    """Rings for each of `places` dispatch runs that nobody holds and nobody has rung for. Returns how many."""
    return sum(_ring(f"dispatch-{place}", "mailings.tasks.dispatch", now) for place in range(1, places + 1))


def audience(mailing_id: int, now: datetime) -> int:
    """Rings for the recipients of a mailing to be added."""
    return _ring(f"audience-{mailing_id}", "mailings.tasks.materialise", now, mailing_id)


def check(now: datetime) -> int:
    """Rings for a look whether the gateway is there."""
    return _ring("check", "mailings.tasks.check_gateway", now)


def _ring(name: str, task: str, now: datetime, *arguments: object) -> int:
    leases.ensure(name, now)
    free = Q(name=name, until__lte=now, rung_at__lte=now - RING_AGAIN)
    if not Lease.objects.filter(free).update(rung_at=now):
        return 0
    async_task(task, *arguments, task_name=name)
    return 1
