"""Rings for work in the background: the only place that queues django-q2 tasks.

A bell may be lost, and it may ring twice: what is to be done stands in the tables, and the worker's clock
rings again.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Q
from django_q.brokers.orm import ORM
from django_q.tasks import async_task

from config.logs import brief, logger
from mailings import leases
from mailings.models import Lease

RING_AGAIN = timedelta(seconds=5)
# a run keeps outcomes while the database is away: nobody may end it meanwhile
DISPATCH_TIMEOUT_S = 7_200
# a mail server may take its time with the last letter, see `mailings.post`
LETTERS_TIMEOUT_S = 180
AWAY_S = 1.0

log = logger(__name__)


def dispatch(now: datetime, *, places: int = 1) -> int:
    """Rings for each of `places` dispatch runs that nobody holds and nobody has rung for. Returns how many."""
    names = (f"dispatch-{place}" for place in range(1, places + 1))
    return sum(_ring(name, "mailings.tasks.dispatch", now, timeout_s=DISPATCH_TIMEOUT_S) for name in names)


def audience(mailing_id: int, now: datetime) -> int:
    """Rings for the recipients of a mailing to be added."""
    return _ring(f"audience-{mailing_id}", "mailings.tasks.materialise", now, mailing_id)


def check(now: datetime) -> int:
    """Rings for a look whether the gateway is there."""
    return _ring("check", "mailings.tasks.check_gateway", now)


def forget(now: datetime) -> int:
    """Rings for what is old to be forgotten."""
    return _ring("forget", "mailings.tasks.forget", now)


def letters(now: datetime) -> int:
    """Rings for letters of the daily report to be written and sent."""
    return _ring("letters", "mailings.tasks.send_letters", now, timeout_s=LETTERS_TIMEOUT_S)


def _ring(name: str, task: str, now: datetime, *arguments: object, timeout_s: int | None = None) -> int:
    leases.ensure(name, now)
    free = Q(name=name, until__lte=now, rung_at__lte=now - RING_AGAIN)
    if not Lease.objects.filter(free).update(rung_at=now):
        return 0
    limit = {} if timeout_s is None else {"timeout": timeout_s}
    async_task(task, *arguments, task_name=name, **limit)
    return 1


class PatientBroker(ORM):  # type: ignore[misc]  # django-q2 has no types
    """django-q2's queue in the database, without the deaths: its pusher and monitor end with the first error.

    A task whose end could not be noted is rung for again, and finds nothing to do.
    """

    def dequeue(self) -> Any:  # what django-q2 gives: pairs of id and payload, or nothing
        return self._patiently(super().dequeue)

    def acknowledge(self, task_id: int) -> Any:
        return self._patiently(super().acknowledge, task_id)

    @staticmethod
    def _patiently(step: Callable[..., Any], *arguments: object) -> Any:
        try:
            return step(*arguments)
        except (DatabaseError, InterfaceError) as error:
            log.warning("database away", step=step.__name__, error=brief(error))
            connections.close_all()
            time.sleep(AWAY_S)
            return None
