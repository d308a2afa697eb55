"""The loop: claim → deliver → settle.

One run is one task of limited time. Any number may run at once; each keeps at most `GATEWAY_CONCURRENCY`
requests in flight, claims no more than it has free places for, and no more than `pace` allows.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from config.logs import brief, logger
from mailings import bell, chronicle, clock, operations, pace, policy, queue
from mailings.chronicle import Origins
from mailings.gateway import Cause, Delivery, Kind, Line, Request
from mailings.models import Mailing
from mailings.pace import Answer, Grant, Pace
from mailings.places import Place
from mailings.policy import Job, OnUnknown
from mailings.queue import Settlement
from mailings.turns import Turns, risk_first

BUDGET_S = 20.0
IDLE_S = 1.0
ANSWERS_S = 0.1
LINGER_S = 0.01
LEASE_MARGIN_S = 20.0
# outcomes that cannot be written, because the database is away, are kept so long
KEPT_S = 3600.0
RESERVED_PART = 20
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
    place = Place.first_free(places, load_s=lease_s())
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
            run_.drain(stopping=stopping, until=time.monotonic() + settings.GATEWAY_TIMEOUT + 2)
    return run_.settled


class _Run:
    """What one run has in its hands: jobs in flight by request, and outcomes not written yet, in order.

    By request, not by message: a run that was stopped for longer than its lease may claim a message again
    while the answer to its first request is still to be collected.
    """

    def __init__(self, line: Line, place: Place) -> None:
        self.line = line
        self.place = place
        self.settled = 0
        self._pace = Pace()
        self._turns = Turns()
        self._origins = Origins()
        self._jobs: dict[Request, Job] = {}
        self._probes: set[Request] = set()
        self._unwritten: list[Delivery] = []
        self._lost_claims: list[int] = []
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
            now = clock.now()
            if not stopping() and pace.may_send(now) and queue.due_exists(now):
                bell.dispatch(now, places=places)
        except DATABASE_AWAY as error:  # the place is free again when its lease has passed
            _note_database_away(error)

    def drain(self, *, stopping: Callable[[], bool], until: float) -> None:
        """Waits for what is in flight and writes it.

        What the database did not take by `until` is kept until it does, unless the worker is to stop: then it is
        left to its lease.
        """
        kept_until = until + KEPT_S
        while (self._jobs or self._lost_claims) and (
            time.monotonic() < until or (self._keeps(kept_until) and not stopping())
        ):
            before = self.in_flight
            self._collect(wait_s=0.25)
            try:
                self._undo_lost_claims()
                self.place.ease(self.in_flight - before)
            except DATABASE_AWAY as error:
                _note_database_away(error)

    def _keeps(self, until: float) -> bool:
        """Whether there is something that only the database's absence keeps from being written."""
        return bool(self._unwritten or self._lost_claims) and time.monotonic() < until

    def _claim(self) -> int:
        """Fills the free places that `pace` allows, shared among the running mailings."""
        self._undo_lost_claims()
        now = clock.now()
        free = self.line.free - self.place.load
        mailings = self._turns.order(queue.running(now)) if free > 0 else []
        grant = self._pace.allow(free, now) if mailings else pace.NOTHING
        if not grant.number:
            return 0
        if grant.probe_until is not None:
            return self._probe(mailings, grant, now)
        common = min(grant.number, free - self._reserve)
        claimed = 0
        hungry: list[Mailing] = []
        for mailing, share in zip(mailings, self._turns.shares(mailings, self.line.capacity), strict=True):
            wanted = min(share, common - claimed)
            got = self._claim_from(mailing, wanted, grant, now)
            claimed += got
            if got == wanted:
                hungry.append(mailing)
        for mailing in hungry if len(mailings) > 1 else []:
            claimed += self._claim_from(mailing, common - claimed, grant, now)
        for mailing in self._turns.waiting(mailings):
            claimed += self._claim_from(mailing, min(1, grant.number - claimed), grant, now)
        return claimed

    @property
    def _reserve(self) -> int:
        """Places for one message each of mailings with none in flight: what hangs must not delay their start."""
        return self.line.capacity // RESERVED_PART

    def _probe(self, mailings: Sequence[Mailing], grant: Grant, now: datetime) -> int:
        for mailing in risk_first(mailings, random.random):
            if self._claim_from(mailing, 1, grant, now):
                return 1
        pace.give_back(grant, now)
        return 0

    def _claim_from(self, mailing: Mailing, wanted: int, grant: Grant, now: datetime) -> int:
        """Claims up to `wanted` messages and sends them off; how many."""
        if wanted <= 0:
            return 0
        token = queue.new_token()
        try:
            whose = self._origins.of(mailing)
            jobs = queue.claim(mailing, wanted, now=now, lease_s=lease_s(), token=token, whose=whose)
            requests = self._requests(jobs, grant)
        except DATABASE_AWAY:  # nothing of it was begun
            self._lost_claims.append(token)
            raise
        except Exception:  # our bug, met in one mailing: it waits for the next run, the others go on
            log.exception("a mailing could not be claimed from", mailing_id=mailing.pk)
            self._turns.rest(mailing)
            return 0
        self._turns.served(mailing, len(requests), had_all=len(jobs) == wanted)
        self._jobs |= zip(requests, jobs, strict=False)
        if grant.probe_until is not None:
            self._probes.update(requests)
        self.line.submit(requests)
        return len(requests)

    def _undo_lost_claims(self) -> None:
        """Of claims in which the connection broke, perhaps after they were written, nothing was begun."""
        while self._lost_claims:
            queue.undo(self._lost_claims[-1], now=clock.now())
            self._lost_claims.pop()

    def _requests(self, jobs: list[Job], grant: Grant) -> list[Request]:
        """A request for each job; jobs that no instant could be promised to go back, at no cost."""
        # asking the clock may take a while: what is cut off is reckoned from before it, what begins from after
        moment, now, after = time.monotonic(), clock.now(), time.monotonic()
        if not grant.limit or not jobs:
            return [_request(job, moment=moment, now=now) for job in jobs]
        promised = pace.promise(len(jobs), grant.limit, now)
        queue.release(jobs[promised.number :], now=now)
        first = after + (promised.first_at - now).total_seconds()
        pitch = promised.pitch.total_seconds()
        return [
            _request(job, moment=moment, now=now, begin_at=first + index * pitch)
            for index, job in enumerate(jobs[: promised.number])
        ]

    def _collect(self, *, wait_s: float) -> None:
        came = self.line.collect(wait_s=wait_s, linger_s=LINGER_S)
        self._tell(came)
        self._unwritten += came
        if not self._unwritten:
            return
        try:
            answers, refused = self._write(self._unwritten)
        except DATABASE_AWAY as error:
            _note_database_away(error)
            return
        for delivery in self._unwritten:
            self._turns.came_back(self._jobs.pop(delivery.request).mailing_id)
            self._probes.discard(delivery.request)
        self._unwritten = []
        try:
            self._draw_consequences(answers, refused)
        except DATABASE_AWAY as error:
            _note_database_away(error)

    def _tell(self, came: Sequence[Delivery]) -> None:
        begun = [each for each in came if each.outcome.cause is not Cause.NOT_BEGUN]
        chronicle.answered((self._jobs[each.request], each.outcome, each.duration_s) for each in begun)

    def _write(self, deliveries: Sequence[Delivery]) -> tuple[list[Answer], set[int]]:
        """Writes all of them or none; the answers, and the mailings that were refused something."""
        now = clock.now()
        begun = [delivery for delivery in deliveries if delivery.outcome.cause is not Cause.NOT_BEGUN]
        if len(begun) < len(deliveries):
            not_begun = [d.request for d in deliveries if d.outcome.cause is Cause.NOT_BEGUN]
            queue.release([self._jobs[request] for request in not_begun], now=now)
        answers = [self._answer(delivery) for delivery in begun]
        recent = deque([*self._recent, *(d.outcome.kind in DECIDED for d in begun)], maxlen=policy.RECENT)
        held, well = self._held(begun), policy.is_well(recent)
        settlements = [self._settlement(delivery, held, now, gateway_well=well) for delivery in begun]
        with transaction.atomic():
            ours = queue.settle_ours(settlements, now=now)
            if len(ours) < len(settlements):
                known = set(map(id, ours))
                late = (id(settlement) not in known for settlement in settlements)
                answers = [replace(answer, is_late=one) for answer, one in zip(answers, late, strict=True)]
            self._pace.note(answers, now)
        self.settled += len(ours)
        self._recent = recent
        return answers, {self._jobs[d.request].mailing_id for d in begun if d.outcome.kind is Kind.REFUSED}

    def _draw_consequences(self, answers: Sequence[Answer], refused: set[int]) -> None:
        """What the answers mean for the gateway, and for mailings that were refused something."""
        now = clock.now()
        self._pace.judge(answers, now)
        for mailing_id in refused:
            operations.pause_refused(mailing_id, now)

    def _answer(self, delivery: Delivery) -> Answer:
        is_probe = delivery.request in self._probes
        return Answer(
            delivery.outcome,
            clock.instant(delivery.began_at),
            delivery.duration_s,
            is_probe=is_probe,
            mailing_id=self._jobs[delivery.request].mailing_id,
        )

    def _held(self, deliveries: Sequence[Delivery]) -> set[int]:
        """The mailings whose unclear messages are held, as of now: a person may have said so in the meantime."""
        unclear = [self._jobs[d.request].mailing_id for d in deliveries if d.outcome.kind is Kind.UNKNOWN]
        holding = Mailing.objects.filter(pk__in=unclear, on_unknown=OnUnknown.HOLD)
        return set(holding.values_list("pk", flat=True)) if unclear else set()

    def _settlement(self, delivery: Delivery, held: set[int], now: datetime, *, gateway_well: bool) -> Settlement:
        job, outcome = self._jobs[delivery.request], delivery.outcome
        job = replace(job, on_unknown=OnUnknown.HOLD if job.mailing_id in held else OnUnknown.RESEND)
        if outcome.cause is Cause.BUG:
            ids = {"mailing_id": job.mailing_id, "message_id": job.id}
            log.error("an exception nobody listed", **ids, detail=outcome.detail)
        return Settlement(
            job=job,
            outcome=outcome,
            verdict=policy.verdict(outcome, job, now, random.random(), gateway_well=gateway_well),
            began_at=clock.instant(delivery.began_at),
            duration_s=delivery.duration_s,
        )


def _request(job: Job, *, moment: float, now: datetime, begin_at: float | None = None) -> Request:
    """The deadline is the mailing's end, or the lease's: a worker that was stopped must not send for another.

    When the client's window closes, nothing is begun any more; what was begun is answered.
    `moment` is that of `time.monotonic()` which belongs to `now`.
    """
    left_s = (min(job.ends_at, job.lease_until) - now).total_seconds()
    begin_s = left_s if job.closes_at is None else (job.closes_at - now).total_seconds()
    return Request(
        id=job.id,
        phone=job.phone,
        text=job.text,
        deadline=moment + left_s,
        timeout_s=settings.GATEWAY_TIMEOUT,
        begin_by=moment + begin_s,
        begin_at=begin_at,
        told=f'{job.told}, "attempt": {job.attempt}' if job.told else "",
    )


def _note_database_away(error: Exception) -> None:
    """Nothing new is sent meanwhile; outcomes are kept."""
    log.warning("database away", error=brief(error))
    connection.close()
    time.sleep(0.2)
