"""The entries that django-q2 calls. Each is short, may be called twice, and may be killed at any line."""

import ctypes
import multiprocessing
import secrets
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django_q.models import Task

from accounts import idempotency, visits
from mailings import audience, bell, clock, gateway, leases, letters, operations, pace
from mailings import dispatch as dispatching
from mailings.models import Worker

AUDIENCE_BUDGET_S = 20.0
AUDIENCE_LEASE_S = 15.0
WORKERS_KEPT = timedelta(minutes=1)
CHORES_BUDGET_S = 20.0
TASKS_STEP = 900
FORGET_BUDGET_S, FORGET_LEASE_S = 20.0, 30.0
# between two steps of forgetting: others who write go first
FORGET_REST_S = 0.01


class Flag:
    """Set once, seen by every process that was forked since it was made.

    A byte without a lock: with an Event, a process killed while it looks takes the lock along, and whoever sets
    or looks next waits for ever.
    """

    def __init__(self) -> None:
        self._byte = multiprocessing.get_context("fork").RawValue(ctypes.c_bool, False)

    def set(self) -> None:
        self._byte.value = True

    def is_set(self) -> bool:
        return bool(self._byte.value)


# made before the worker's children are forked, so that all of them see it set when the worker is to stop
STOPPING = Flag()


def dispatch() -> int:
    """Sends what is due."""
    return dispatching.run(stopping=STOPPING.is_set, places=places())


def places() -> int:
    """How many dispatch runs there may be at once: one per worker that is alive."""
    return max(1, Worker.objects.alive(clock.now()).count())


def materialise(mailing_id: int) -> None:
    """Adds recipients, chunk by chunk, until all are there or the time budget is over."""
    name, holder, until = f"audience-{mailing_id}", secrets.token_hex(8), time.monotonic() + AUDIENCE_BUDGET_S
    more = first = True
    while more and time.monotonic() < until and not STOPPING.is_set():
        if not leases.hold(name, holder, clock.now(), AUDIENCE_LEASE_S):
            return
        chunk = audience.FIRST_CHUNK if first else audience.CHUNK
        more = audience.materialise(mailing_id, now=clock.now(), chunk=chunk)
        bell.dispatch(clock.now(), places=places())
        if first or not more:
            audience.refresh_plan()
        first = False
    leases.let_go(name, holder, clock.now())
    if more and not STOPPING.is_set():
        bell.audience(mailing_id, clock.now())


def check_gateway() -> None:
    """Looks whether the gateway is there."""
    began = time.monotonic()
    outcome = gateway.knock(
        url=settings.GATEWAY_URL, token=settings.GATEWAY_TOKEN, timeout_s=settings.GATEWAY_TIMEOUT
    )
    now = clock.now()
    pace.checked(outcome, duration_s=time.monotonic() - began, now=now)
    leases.let_go("check", "", now)
    bell.dispatch(now, places=places())


def send_letters() -> None:
    """Sends the daily report."""
    letters.run(STOPPING.is_set)
    leases.let_go("letters", "", clock.now())


def chores() -> None:
    """Sums up the gateway's answers; forgets lost workers, old tasks, ended sign-ins and answers of the API."""
    now, until = clock.now(), time.monotonic() + CHORES_BUDGET_S
    pace.squash(now)
    Worker.objects.filter(seen_at__lt=now - WORKERS_KEPT).delete()
    visits.forget(timezone.now())
    while idempotency.forget(timezone.now()) and time.monotonic() < until and not STOPPING.is_set():
        pass
    while forget_tasks(timezone.now()) and time.monotonic() < until and not STOPPING.is_set():
        pass


def forget_tasks(now: datetime) -> int:
    """Deletes the oldest of the tasks that ended too long ago, well or not, at most a step of them; how many."""
    old = Task.objects.filter(stopped__lt=now - timedelta(days=settings.KEEP_TASKS_DAYS)).order_by("stopped", "id")
    deleted: int = Task.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:TASKS_STEP])).delete()[0]
    return deleted


def forget() -> int:
    """Forgets what is old of mailings, step by step, until nothing is left or the time budget is over; the steps.

    Rests after each step for as long as it took, so that half of the time is left to others who write.
    """
    holder, until, steps = secrets.token_hex(8), time.monotonic() + FORGET_BUDGET_S, 0
    while time.monotonic() < until and not STOPPING.is_set():
        began = time.monotonic()
        if not leases.take("forget", holder, clock.now(), FORGET_LEASE_S):
            return steps
        if not operations.forget_a_step(clock.now()):
            break
        steps += 1
        time.sleep(max(FORGET_REST_S, time.monotonic() - began))
    leases.let_go("forget", holder, clock.now())
    return steps
