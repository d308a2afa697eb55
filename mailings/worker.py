"""The background worker: a hardened django-q2 cluster and the clock, in one process tree.

    manage.py worker (the clock) ── sentinel ── hands, pusher, monitor

Stock django-q2 waits for ever when an idle hand is killed (the queue's lock dies with it) and leaves orphans
when its main process is killed. Here every process dies with its parent; when a hand dies in any unforeseen
way the whole tree is given up with exit code 70, and whoever started the worker starts it again.
"""

import ctypes
import gc
import multiprocessing
import os
import random
import signal
import socket
import time
import uuid
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections, transaction
from django_q.brokers import get_broker
from django_q.cluster import Cluster, Sentinel
from django_q.conf import Conf
from django_q.models import Schedule
from django_q.scheduler import scheduler

from config.logs import brief, logger
from mailings import bell, clock, dispatch, leases, letters, operations, pace, queue, tally, tasks
from mailings.models import Lease, Mailing, Worker

TICK_S = 0.5
SEEN_EVERY_S = 2.0
FOLD_EVERY_S, FOLD_S = 2.0, 0.2
FORGET_EVERY_S = 30.0
LETTERS_EVERY_S = 5.0
GIVEN_UP = 70
# what a run needs after its last answers, and its hands to leave
GRACE_MARGIN_S = 35.0
LAST_TASKS_S = 15.0
# after the database was away, runs get so long to write what they kept before leases that passed are recovered
RETURN_S = 8.0
RECYCLED, TIMED_OUT = -2, 0
NEVER = float("-inf")

log = logger(__name__)


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent dies (Linux; elsewhere a no-op)."""
    pr_set_pdeathsig = 1
    try:
        libc = ctypes.CDLL(None)
        libc.prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        return
    if os.getppid() == 1 and os.getpid() != 1 and multiprocessing.parent_process() is not None:
        os._exit(GIVEN_UP)  # the parent died between the fork and the line above


class HardenedSentinel(Sentinel):  # type: ignore[misc]  # django-q2 has no types
    """Looks after the hands; gives everything up when one of them dies in an unforeseen way."""

    def guard(self) -> None:
        self.start_event.set()
        while not self.stop_event.wait(Conf.GUARD_CYCLE):
            for hand in list(self.pool):
                self._look_after(hand)
            if not self.monitor.is_alive():
                self._give_up("the monitor died")
            if not self.pusher.is_alive():
                if self.pusher.exitcode != 0:
                    self._give_up("the pusher died")
                self.reincarnate(self.pusher)
        self.stop()

    def _look_after(self, hand: Any) -> None:
        # first whether it lives, then its last word: the other way round one that leaves in order looks killed
        is_alive = hand.is_alive()
        # a hand that was killed may have taken its timer's lock along: never wait for it
        remaining = hand.timer.get_obj().value
        if not is_alive and int(remaining) not in (RECYCLED, TIMED_OUT):
            self._give_up(f"a hand died with exit code {hand.exitcode}")
        if not is_alive or remaining == TIMED_OUT:
            self.reincarnate(hand)
        elif remaining > 0 and hand.timer.get_lock().acquire(block=False):
            try:
                if hand.timer.get_obj().value > 0:
                    hand.timer.get_obj().value -= Conf.GUARD_CYCLE
            finally:
                hand.timer.get_lock().release()

    def _give_up(self, reason: str) -> None:
        """Lets the tasks that still run come to their end, then leaves; the children die with this process."""
        log.error("worker given up", reason=reason)
        tasks.STOPPING.set()
        until = time.monotonic() + LAST_TASKS_S
        while time.monotonic() < until and any(self._is_busy(hand) for hand in self.pool):
            time.sleep(0.1)
        os._exit(GIVEN_UP)

    @staticmethod
    def _is_busy(hand: Any) -> bool:
        return bool(hand.is_alive() and hand.timer.get_obj().value > 0)


class HardenedCluster(Cluster):  # type: ignore[misc]
    """The cluster's main process. A signal only sets a flag; the owner's loop looks at it."""

    def __init__(self) -> None:
        self.stop_wanted = False
        super().__init__()

    def sig_handler(self, signum: int, frame: FrameType | None) -> None:
        self.stop_wanted = True

    def start(self) -> int:
        context = multiprocessing.get_context("fork")
        self.stop_event, self.start_event = context.Event(), context.Event()
        self.sentinel = context.Process(
            target=HardenedSentinel,
            args=(self.stop_event, self.start_event, self.cluster_id, self.broker, self.timeout),
        )
        self.sentinel.start()
        return int(self.pid)

    @property
    def is_lost(self) -> bool:
        return not self.sentinel.is_alive()

    def finish(self) -> None:
        """Ends the tree: running tasks are told to stop and get the grace time."""
        tasks.STOPPING.set()
        self.stop_event.set()
        self.sentinel.join(settings.GATEWAY_TIMEOUT + GRACE_MARGIN_S)
        if self.sentinel.is_alive():
            log.warning("worker did not end in time")
            self.sentinel.kill()
            self.sentinel.join()


class Clock:
    """What happens by itself: twice a second the due mailings start and end, and the bell rings for work.

    Every step is a conditional update, so any number of workers may tick.
    """

    def __init__(self, *, away_at: float = NEVER) -> None:
        self.id = uuid.uuid4().hex
        self._seen_at = self._folded_at = self._forgot_at = self._posted_at = NEVER
        self._away_at = away_at  # when the database was last known to be away
        self._broker = get_broker()

    def tick(self) -> None:
        """One beat. Steps are apart: what fails in one does not keep the others from being done."""
        for step in (
            self._be_seen,
            self._start,
            self._finish,
            self._close,
            self._errands,
            self._leases,
            self._bells,
            self._schedules,
            self._fold,
            self._forget,
            self._letters,
        ):
            self._safely(step)

    def _safely(self, step: Callable[[], object]) -> None:
        beat()  # before each: of a database that has vanished every step must first hear nothing for a while
        try:
            step()
        except (DatabaseError, InterfaceError) as error:
            log.warning("database away", step=step.__name__, error=brief(error))
            self._away_at = time.monotonic()
            connections.close_all()
        except Exception:  # the outermost loop: without it nothing would ever start again
            log.exception("a step of the clock failed", step=step.__name__)

    def _be_seen(self) -> None:
        if time.monotonic() - self._seen_at < SEEN_EVERY_S:
            return
        now = clock.now()
        seen = {"seen_at": now, "host": socket.gethostname(), "clock_ahead_s": clock.ahead_s()}
        Worker.objects.update_or_create(pk=self.id, defaults=seen, create_defaults={**seen, "started_at": now})
        self._seen_at = time.monotonic()

    def _start(self) -> None:
        operations.start_due(clock.now())

    def _finish(self) -> None:
        operations.finish_done(clock.now())

    def _close(self) -> None:
        operations.close_ended(clock.now())

    def _errands(self) -> None:
        operations.carry_on_errands(clock.now())

    def _leases(self) -> None:
        if time.monotonic() - self._away_at < RETURN_S:
            return
        queue.recover(now=clock.now(), lease_s=dispatch.lease_s(), chance=random.random)

    def _bells(self) -> None:
        now = clock.now()
        for mailing in Mailing.objects.filter(state__in=operations.STARTED).order_by("id"):
            if not mailing.audience_is_whole:
                bell.audience(mailing.pk, now)
        if pace.may_send(now) and queue.due_exists(now):
            bell.dispatch(now, places=tasks.places())

    def _schedules(self) -> None:
        # one caller at a time: on SQLite two would run the same schedule twice
        if leases.take("schedules", self.id, clock.now(), 2 * TICK_S):
            scheduler(broker=self._broker)

    def _fold(self) -> None:
        """One worker at a time folds the counts, for a moment: what is left over is folded at the next beat."""
        began = time.monotonic()
        if began - self._folded_at < FOLD_EVERY_S:
            return
        if leases.take("fold", self.id, clock.now(), 2 * FOLD_EVERY_S):
            while tally.fold() == tally.FOLDED:
                if time.monotonic() - began > FOLD_S:
                    return
        self._folded_at = began

    def _forget(self) -> None:
        """Rings when something has been kept for long enough; what takes longer than a run goes on at the next."""
        if time.monotonic() - self._forgot_at < FORGET_EVERY_S:
            return
        now = clock.now()
        if operations.has_to_forget(now):
            bell.forget(now)
        self._forgot_at = time.monotonic()

    def _letters(self) -> None:
        began = time.monotonic()
        if began - self._posted_at < LETTERS_EVERY_S:
            return
        now = clock.now()
        if letters.is_due(now):
            bell.letters(now)
        self._posted_at = began

    def leave(self) -> None:
        """Is not counted any more; without a database that shows by itself after a while."""
        self._safely(Worker.objects.filter(pk=self.id).delete)


def beat() -> None:
    """Shows whoever looks after this process that it goes on; also while the database is away, because a worker
    that is killed then loses the outcomes it keeps."""
    settings.HEARTBEAT.touch()


def ensure_schedules() -> None:
    """The schedules that must exist, each once: their names are not unique, and workers start together."""
    leases.ensure("schedules", clock.now())
    with transaction.atomic():
        Lease.objects.select_for_update().get(name="schedules")
        found = list(Schedule.objects.filter(name="chores").order_by("id"))
        if not found:
            timing = {"schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1}
            Schedule.objects.create(name="chores", func="mailings.tasks.chores", **timing)
        for another in found[1:]:
            another.delete()


def wait_for_the_database() -> bool:
    """Returns when it answers: whether it was away. One that answers with another error is somebody's to mend."""
    was_away = False
    while True:
        beat()
        try:
            connection.ensure_connection()
        except (OperationalError, InterfaceError) as error:
            log.warning("database away", error=brief(error))
            was_away = True
            time.sleep(1)
        else:
            return was_away


def spare_the_collector() -> None:
    """Looks for garbage cycles rarely: requests make many short-lived objects, and the looking took a quarter of
    the time that a request costs. What is loaded by now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def run() -> int:
    """Runs until SIGTERM or SIGINT (returns 0), or until the cluster is lost (70: start it again)."""
    os.register_at_fork(after_in_child=die_with_parent)
    settings.HEARTBEAT.parent.mkdir(parents=True, exist_ok=True)
    spare_the_collector()  # before the fork, so that the hands have it too
    was_away = wait_for_the_database()
    ensure_schedules()
    caches.close_all()
    connections.close_all()  # the children must not share a connection with this process
    cluster = HardenedCluster()
    cluster.start()
    clock_ = Clock(away_at=time.monotonic() if was_away else NEVER)
    log.info("worker started", worker=clock_.id)
    while not cluster.stop_wanted and not cluster.is_lost:
        began = time.monotonic()
        clock_.tick()
        time.sleep(max(0.0, TICK_S - (time.monotonic() - began)))
    lost = cluster.is_lost
    if not lost:
        cluster.finish()
    clock_.leave()
    log.info("worker stopped", worker=clock_.id, lost=lost)
    return GIVEN_UP if lost else 0
