"""The loop: claim → deliver → settle.

One run is one task of limited time. Any number may run at once; each keeps at most `GATEWAY_CONCURRENCY`
requests in flight and claims no more than it has free places for.
"""

import random
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from config.logs import brief, logger
from mailings import bell, clock, leases, policy, queue
from mailings.gateway import Cause, Delivery, Kind, Line, Request
from mailings.models import Mailing
from mailings.policy import Job, OnUnknown
from mailings.queue import Settlement

BUDGET_S = 20.0
IDLE_S = 1.0
ANSWERS_S = 0.1
LINGER_S = 0.01
PLACE_S = 10.0
PLACE_RENEWED_S = 0.5
LEASE_MARGIN_S = 20.0
DECIDED = (Kind.SENT, Kind.REFUSED)
DATABASE_AWAY = (OperationalError, InterfaceError)

log = logger(__name__)


def lease_s() -> float:
    """How long a claimed message is its worker's: the longest exchange and a margin to write what came of it."""
    return float(settings.GATEWAY_TIMEOUT) + LEASE_MARGIN_S


def run(*, stopping: Callable[[], bool], places: int, budget_s: float = BUDGET_S) -> int:
    """Sends what is due until the time budget is over, nothing is due any more, or `stopping()`.

    Takes one of `places` dispatch leases, or does nothing when all are held. Returns the messages settled.
    """
    place = _Place.first_free(places)
    if place is None:
        return 0
    with Line(
        url=settings.GATEWAY_URL, token=settings.GATEWAY_TOKEN, capacity=settings.GATEWAY_CONCURRENCY
    ) as line:
        run_ = _Run(line, place)
        try:
            run_.work(stopping=stopping, until=time.monotonic() + budget_s)
            run_.pass_on(stopping=stopping, places=places)
        finally:  # whatever went wrong: what is in flight comes to a known end
            run_.drain(until=time.monotonic() + settings.GATEWAY_TIMEOUT + 2)
    return run_.settled


class _Place:
    """One of the dispatch leases, and how many of its places former holders still use."""

    def __init__(self, number: int) -> None:
        self.name = f"dispatch-{number}"
        self.holder = secrets.token_hex(8)
        self.load = 0
        self._renewed = float("-inf")

    @classmethod
    def first_free(cls, places: int) -> "_Place | None":
        return next((place for place in map(cls, range(1, places + 1)) if place.keep()), None)

    def keep(self) -> bool:
        """Takes or renews the lease when it is time to. False: somebody else holds it."""
        moment = time.monotonic()
        if moment - self._renewed < PLACE_RENEWED_S:
            return True
        now = clock.now()
        if not leases.hold(self.name, self.holder, now, PLACE_S):
            return False
        self.load = leases.load(self.name, now)
        self._renewed = moment
        return True

    def leave(self, in_flight: int) -> None:
        now = clock.now()
        self.ease(in_flight)
        leases.let_go(self.name, self.holder, now)

    def ease(self, requests: int) -> None:
        """Adds to (or takes from) what the next holder must leave free."""
        if requests:
            leases.leave_load(self.name, requests, clock.now(), lease_s())


class _Run:
    """What one run has in its hands: jobs in flight by request, and outcomes not written yet, in order.

    By request, not by message: a run that was stopped for longer than its lease may claim a message again
    while the answer to its first request is still to be collected.
    """

    def __init__(self, line: Line, place: _Place) -> None:
        self.line = line
        self.place = place
        self.settled = 0
        self._jobs: dict[Request, Job] = {}
        self._in_flight: Counter[int] = Counter()
        self._unwritten: list[Delivery] = []
        self._broken: set[int] = set()
        self._recent: deque[bool] = deque(maxlen=policy.RECENT)

    @property
    def in_flight(self) -> int:
        return len(self._jobs)

    def work(self, *, stopping: Callable[[], bool], until: float) -> None:
        """Claims, delivers and settles until it is time to stop, or nothing has been due for a while."""
        last_busy = time.monotonic()
        while time.monotonic() < until and not stopping():
            claimed = 0
            try:
                if not self.place.keep():
                    return
                if not self._unwritten:
                    claimed = self._claim()
            except DATABASE_AWAY as error:
                _note_database_away(error)
            self._collect(wait_s=ANSWERS_S if self._jobs else IDLE_S / 4)
            if claimed or self._jobs or self._unwritten or self.place.load:
                last_busy = time.monotonic()
            elif time.monotonic() - last_busy > IDLE_S:
                return

    def pass_on(self, *, stopping: Callable[[], bool], places: int) -> None:
        """The next run takes over the place while this one waits for its last answers."""
        try:
            self.place.leave(self.in_flight)
            if not stopping() and queue.due_exists(clock.now()):
                bell.dispatch(clock.now(), places=places)
        except DATABASE_AWAY as error:  # the place is free again when its lease has passed
            _note_database_away(error)

    def drain(self, *, until: float) -> None:
        """Waits for what is in flight and writes it; what is not written by `until` is left to its lease."""
        while self._jobs and time.monotonic() < until:
            before = self.in_flight
            self._collect(wait_s=0.25)
            try:
                self.place.ease(self.in_flight - before)
            except DATABASE_AWAY as error:
                _note_database_away(error)

    def _claim(self) -> int:
        """Fills the free places, shared among the running mailings: those with the fewest in flight first."""
        began, now = time.monotonic(), clock.now()
        free = self.line.free - self.place.load
        if free <= 0:
            return 0
        sound = [mailing for mailing in queue.running(now) if mailing.pk not in self._broken]
        mailings = sorted(sound, key=lambda mailing: self._in_flight[mailing.pk])
        shares = policy.shares(self.line.capacity, [self._in_flight[mailing.pk] for mailing in mailings])
        hungry: list[Mailing] = []
        claimed = 0
        for mailing, share in zip(mailings, shares, strict=True):
            got = self._claim_from(mailing, min(share, free - claimed), began=began, now=now)
            claimed += got
            if got == share:
                hungry.append(mailing)
        for mailing in hungry if len(mailings) > 1 else []:
            claimed += self._claim_from(mailing, free - claimed, began=began, now=now)
        return claimed

    def _claim_from(self, mailing: Mailing, places: int, *, began: float, now: datetime) -> int:
        try:
            jobs = queue.claim(mailing, places, now=now, lease_s=lease_s())
        except DATABASE_AWAY:
            raise
        except Exception:  # our bug, met in one mailing: it waits for the next run, the others go on
            log.exception("a mailing could not be claimed from", mailing_id=mailing.pk)
            self._broken.add(mailing.pk)
            return 0
        requests = {_request(job, began=began, now=now): job for job in jobs}
        self._jobs |= requests
        self._in_flight[mailing.pk] += len(jobs)
        self.line.submit(list(requests))
        return len(jobs)

    def _collect(self, *, wait_s: float) -> None:
        self._unwritten += self.line.collect(wait_s=wait_s, linger_s=LINGER_S)
        if not self._unwritten:
            return
        try:
            self._write(self._unwritten)
        except DATABASE_AWAY as error:
            _note_database_away(error)
            return
        for delivery in self._unwritten:
            self._in_flight[self._jobs.pop(delivery.request).mailing_id] -= 1
        self._unwritten = []

    def _write(self, deliveries: Sequence[Delivery]) -> None:
        now = clock.now()
        begun = [delivery for delivery in deliveries if delivery.outcome.cause is not Cause.NOT_BEGUN]
        self._recent.extend(delivery.outcome.kind in DECIDED for delivery in begun)
        held = self._held(begun)
        self.settled += queue.settle([self._settlement(delivery, held, now) for delivery in begun], now=now)
        if len(begun) < len(deliveries):
            not_begun = [d.request for d in deliveries if d.outcome.cause is Cause.NOT_BEGUN]
            queue.release([self._jobs[request] for request in not_begun], now=now)

    def _held(self, deliveries: Sequence[Delivery]) -> set[int]:
        """The mailings whose unclear messages are held, as of now: a person may have said so in the meantime."""
        unclear = [self._jobs[d.request].mailing_id for d in deliveries if d.outcome.kind is Kind.UNKNOWN]
        holding = Mailing.objects.filter(pk__in=unclear, on_unknown=OnUnknown.HOLD)
        return set(holding.values_list("pk", flat=True)) if unclear else set()

    def _settlement(self, delivery: Delivery, held: set[int], now: datetime) -> Settlement:
        job, outcome = self._jobs[delivery.request], delivery.outcome
        job = replace(job, on_unknown=OnUnknown.HOLD if job.mailing_id in held else OnUnknown.RESEND)
        well = policy.is_well(self._recent)
        if outcome.cause is Cause.BUG:
            log.error("an exception nobody listed", message_id=job.id, detail=outcome.detail)
        return Settlement(
            job=job,
            outcome=outcome,
            verdict=policy.verdict(outcome, job, now, random.random(), gateway_well=well),
            began_at=clock.instant(delivery.began_at),
            duration_s=delivery.duration_s,
        )


def _request(job: Job, *, began: float, now: datetime) -> Request:
    """The deadline is the mailing's end, or the lease's: a worker that was stopped must not send for another.

    When the client's window closes, nothing is begun any more; what was begun is answered.
    `began` is the moment of `time.monotonic()` that belongs to `now`, so that what the claim took is counted.
    """
    left_s = (min(job.ends_at, job.lease_until) - now).total_seconds()
    begin_s = left_s if job.closes_at is None else (job.closes_at - now).total_seconds()
    return Request(
        id=job.id,
        phone=job.phone,
        text=job.text,
        deadline=began + left_s,
        timeout_s=settings.GATEWAY_TIMEOUT,
        begin_by=began + begin_s,
    )


def _note_database_away(error: Exception) -> None:
    """Nothing new is sent meanwhile; outcomes are kept."""
    log.warning("database away", error=brief(error))
    connection.close()
    time.sleep(0.2)
