"""Whatever happens in whatever order: nobody is lost, nobody is counted twice, nobody is written to when he
must not be."""

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from datetime import time as day_time
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from accounts.journal import SERVICE
from accounts.refusals import Invalid, Refused
from clients import operations as directory
from clients.models import Client
from mailings import audience, clock, operations, policy, queries, queue, tally, windows
from mailings.gateway import Cause
from mailings.models import Attempt, Mailing, MailingState, Message
from mailings.operations import NoMatches
from mailings.policy import KIND_OF, Decision, Job, State
from mailings.queue import Settlement
from tests.makers import LEASE_S, make_client, make_mailing, make_outcome, make_running_mailing

ZONES = ["UTC", "Asia/Tokyo", "America/New_York", "Asia/Kathmandu"]
WINDOWS: list[dict[str, Any]] = [
    {"send_from": None, "send_until": None},
    {"send_from": day_time(9), "send_until": day_time(18)},
    {"send_from": day_time(20), "send_until": day_time(3, 30)},
]
START = datetime(2027, 3, 10, 12, tzinfo=UTC)
UNKNOWN_DECISIONS = [Decision.RESEND, Decision.SENT, Decision.FAILED]
FINAL = {State.SENT, State.EXPIRED, State.CANCELLED}
NO = (Refused, Invalid, NoMatches, Mailing.DoesNotExist, Client.DoesNotExist)
Facts = dict[int, tuple[str, str]]

places, which, chance = st.integers(1, 4), st.integers(0, 10**6), st.floats(0, 1, exclude_max=True)
causes = st.sampled_from([*KIND_OF, *[Cause.ACCEPTED] * 4])
spans = st.sampled_from([1, 20, LEASE_S + 1, 600, 3600, 3 * 3600])


class Writes:
    """Whether anything was written to the database; a wrapper of its statements."""

    happened = True

    def __call__(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        self.happened |= not sql.lstrip().startswith(("SELECT", "SAVEPOINT", "RELEASE"))
        return execute(sql, *rest)


class Vestnik(RuleBasedStateMachine):
    """The whole core with one clock, workers that die, and people who change their minds."""

    def __init__(self) -> None:
        super().__init__()
        self.atom, self.writes = transaction.atomic(), Writes()
        self.atom.__enter__()
        connection.execute_wrappers.append(self.writes)
        self.jobs: list[Job] = []
        self.recipients: Counter[int] = Counter()
        self.facts: Facts = {}
        self.sent_again: set[int] = set()
        self.ahead = timedelta(0)
        self.move_clock(START - datetime.now(UTC))
        for zone in ZONES * 2:
            make_client(timezone=zone, tag="vip")
        make_running_mailing(ends_at=clock.now() + timedelta(hours=12), on_unknown="hold")
        make_running_mailing(ends_at=clock.now() + timedelta(hours=30))
        make_mailing(starts_at=clock.now(), ends_at=clock.now() + timedelta(hours=30), **WINDOWS[1])

    def teardown(self) -> None:
        try:
            self.everything_ends()
            connection.check_constraints()
        finally:
            connection.execute_wrappers.remove(self.writes)
            transaction.set_rollback(True)
            self.atom.__exit__(None, None, None)
            clock.forget()

    # -- time ------------------------------------------------------------------------------------------

    def move_clock(self, ahead: timedelta) -> None:
        self.ahead += ahead
        clock.pretend(self.ahead)

    @rule(seconds=spans)
    def time_passes(self, seconds: float) -> None:
        self.move_clock(timedelta(seconds=seconds))

    # -- the directory ---------------------------------------------------------------------------------

    @rule(zone=st.sampled_from(ZONES), tag=st.sampled_from(["", "vip"]))
    def a_client_comes(self, zone: str, tag: str) -> None:
        make_client(timezone=zone, tag=tag)

    @rule(n=which, verb=st.sampled_from([directory.opt_out, directory.allow_again, directory.delete]))
    def a_client_is_stopped(self, n: int, verb: Callable[..., Any]) -> None:
        self.attempt(verb, self.one_of(Client, n))

    @rule(n=which, zone=st.sampled_from(ZONES))
    def a_client_moves(self, n: int, zone: str) -> None:
        self.attempt(directory.change, self.one_of(Client, n), timezone=zone)

    # -- people ----------------------------------------------------------------------------------------

    @rule(
        starts_in=st.sampled_from([-60, 30, 3600]),
        lasts=st.sampled_from([40, 3600, 86_400]),
        window=st.sampled_from(WINDOWS),
        on_unknown=st.sampled_from(["resend", "hold"]),
        tags=st.sampled_from([(), ("vip",)]),
        draft=st.booleans(),
    )
    def a_mailing_is_planned(self, starts_in: int, lasts: int, window: Any, draft: bool, **fields: Any) -> None:
        now = clock.now()
        ends_at = now + timedelta(seconds=max(starts_in, 0) + lasts)
        make_mailing(
            draft=draft, starts_at=now + timedelta(seconds=starts_in), ends_at=ends_at, **fields, **window
        )

    @rule(
        n=which,
        verb=st.sampled_from(
            [operations.launch, operations.pause, operations.resume, operations.cancel, operations.delete]
        ),
    )
    def a_person_decides(self, n: int, verb: Callable[..., Any]) -> None:
        self.attempt(verb, self.one_of(Mailing, n))

    @rule(n=which, window=st.sampled_from(WINDOWS), lasts=st.sampled_from([60, 7200]))
    def a_person_changes_a_mailing(self, n: int, window: Any, lasts: int) -> None:
        changes = {"ends_at": clock.now() + timedelta(seconds=lasts), **window}
        self.attempt(operations.change, self.one_of(Mailing, n), everyone=True, **changes)

    @rule(n=which)
    def the_failed_are_put_back(self, n: int) -> None:
        self.attempt(operations.retry_failed, self.one_of(Mailing, n))
        self.facts = {pk: fact for pk, fact in self.facts.items() if fact[0] != State.FAILED}

    @rule(n=which, decision=st.sampled_from(UNKNOWN_DECISIONS), named=st.integers(0, 3))
    def a_person_decides_about_the_unknown(self, n: int, decision: Decision, named: int) -> None:
        """About all of a mailing's, or about some of them."""
        mailing_id = self.one_of(Mailing, n)
        unknown = Message.objects.filter(mailing=mailing_id, state=State.UNKNOWN).order_by("id")
        ids = list(unknown.values_list("id", flat=True))
        if decision is Decision.RESEND:
            self.sent_again.update(ids)
        self.attempt(operations.decide, mailing_id, decision=decision, message_ids=ids[:named] or None)

    # -- the clock and the workers ---------------------------------------------------------------------

    @rule()
    def the_clock_ticks(self) -> None:
        now = clock.now()
        operations.start_due(now)
        operations.finish_done(now)
        operations.close_ended(now)
        operations.carry_on_errands(now)

    @rule()
    def leases_pass(self) -> None:
        queue.recover(now=clock.now(), lease_s=LEASE_S, chance=lambda: 0.5)

    @rule(n=which, clients=st.integers(0, 3))
    def recipients_are_added(self, n: int, clients: int) -> None:
        """A chunk that reaches over so many clients, or over all."""
        mailing = Mailing.objects.filter(pk=self.one_of(Mailing, n)).first()
        if mailing is not None:
            following = (
                Client.objects.filter(id__gt=mailing.audience_cursor).order_by("id").values_list("id", flat=True)
            )
            chunk = max(following[:clients], default=10**9) - mailing.audience_cursor
            audience.materialise(mailing.pk, now=clock.now(), chunk=chunk)

    @rule(places=places)
    def a_worker_claims(self, places: int) -> None:
        now = clock.now()
        for mailing in queue.running(now):
            waiting = dict(
                mailing.messages.filter(state=State.QUEUED, due_at__lte=now).values_list("id", "attempts")
            )
            for job in queue.claim(mailing, places, now=now, lease_s=LEASE_S):
                self.check_claim(job, waiting.get(job.id))
                self.jobs.append(job)

    def check_claim(self, job: Job, attempts_before: int | None) -> None:
        now, message = clock.now(), Message.objects.select_related("mailing", "client").get(pk=job.id)
        mailing, client = message.mailing, message.client
        assert attempts_before is not None, "claimed what was not due"
        assert (job.attempt, message.attempts) == (attempts_before + 1, attempts_before + 1)
        assert (mailing.state, mailing.deleted_at) == (MailingState.RUNNING, None)
        assert now < mailing.ends_at
        assert client is not None
        assert client.opted_out_at is None
        assert (client.phone, client.timezone) == (job.phone, message.timezone)
        assert windows.is_open(mailing.window, client.timezone, now)
        if mailing.on_unknown == "hold":
            doubtful = "unknown" in message.attempt_log.values_list("outcome", flat=True)
            assert not doubtful or job.strikes or job.id in self.sent_again

    @rule(places=places, n=which, cause=causes, chance=chance)
    def a_worker_claims_and_settles(self, places: int, n: int, cause: Any, chance: float) -> None:
        self.a_worker_claims(places)
        self.a_worker_settles(n, places, cause, chance)

    @rule(n=which, number=places, cause=causes, chance=chance)
    def a_worker_settles(self, n: int, number: int, cause: Any, chance: float) -> None:
        """Some of those it has, perhaps long after they were somebody else's."""
        now = clock.now()
        jobs = self.some_jobs(n, number)
        before = {message.pk: message for message in Message.objects.filter(pk__in=[job.id for job in jobs])}
        ours = [job for job in jobs if before[job.id].lease_token == job.token]
        outcome = make_outcome(cause)
        settlements = [
            Settlement(job, outcome, policy.verdict(outcome, job, now, chance), began_at=now, duration_s=0.1)
            for job in jobs
        ]

        assert queue.settle(settlements, now=now) == len(ours)

        for settlement in settlements:
            after = Message.objects.get(pk=settlement.job.id)
            expected = settlement.verdict.state if settlement.job in ours else before[settlement.job.id].state
            assert after.state == expected

    @rule(n=which, number=places)
    def a_worker_releases(self, n: int, number: int) -> None:
        queue.release(self.some_jobs(n, number), now=clock.now())

    @rule(rows=st.sampled_from([1, 2, 5, 900]))
    def the_counts_are_folded(self, rows: int) -> None:
        tally.fold(rows)

    @rule(n=which)
    def somebody_reads_the_statistics(self, n: int) -> None:
        mailing = Mailing.objects.get(pk=self.one_of(Mailing, n))
        rows = list(mailing.messages.values_list("state", "reason", *tally.DIMENSIONS))
        found = queries.statistics(mailing.pk)
        assert found.progress.by_state == dict.fromkeys(State, 0) | Counter(row[0] for row in rows)
        assert found.by_reason == Counter(row[1] for row in rows)
        for column, shares in enumerate((found.by_operator_code, found.by_tag, found.by_timezone), start=2):
            told = {(share.value, state): number for share in shares for state, number in share.by_state.items()}
            assert {key: number for key, number in told.items() if number} == Counter(
                (row[column], row[0]) for row in rows
            )

    # -- what must hold --------------------------------------------------------------------------------

    @invariant()
    def all_holds(self) -> None:
        """What was true stays true while nothing is written: then there is nothing to look at."""
        if self.writes.happened:
            self.the_tally_is_the_ledger()
            self.no_recipient_is_lost()
            self.what_is_final_stays()
            self.every_request_has_one_record()
            self.writes.happened = False

    def the_tally_is_the_ledger(self) -> None:
        assert tally.differences() == []

    def no_recipient_is_lost(self) -> None:
        for mailing_id, counts in tally.counts(Mailing.objects.values_list("id", flat=True)).items():
            assert min(counts.values()) >= 0
            assert sum(counts.values()) >= self.recipients[mailing_id]
            self.recipients[mailing_id] = sum(counts.values())

    def what_is_final_stays(self) -> None:
        now = {pk: (state, reason) for pk, state, reason in Message.objects.values_list("id", "state", "reason")}
        assert {pk: now[pk] for pk in self.facts} == self.facts
        self.facts = {pk: fact for pk, fact in now.items() if fact[0] in FINAL | {State.FAILED}}

    def every_request_has_one_record(self) -> None:
        recorded = Counter(Attempt.objects.values_list("message", flat=True))
        for pk, state, attempts in Message.objects.values_list("id", "state", "attempts"):
            assert recorded[pk] == attempts - (state == State.SENDING)

    def everything_ends(self) -> None:
        """However it stands: once all ends have come and the last lease has passed, nothing is open."""
        self.move_clock(timedelta(days=3))
        for _ in range(3):
            self.the_clock_ticks()
            self.leases_pass()
        started = Mailing.objects.exclude(state__in=[MailingState.DRAFT, MailingState.CANCELLED])
        assert {mailing.state for mailing in started} <= {MailingState.FINISHED}
        assert not Message.objects.filter(state__in=queue.OPEN).exists()
        assert not Mailing.objects.filter(closing=True).exists()
        self.the_tally_is_the_ledger()
        self.what_is_final_stays()

    # -- steps -----------------------------------------------------------------------------------------

    def one_of(self, model: type[Client] | type[Mailing], n: int) -> int:
        ids = list(model._default_manager.order_by("id").values_list("id", flat=True))
        return ids[n % len(ids)] if ids else 0

    def some_jobs(self, n: int, number: int) -> list[Job]:
        """Up to `number` of the jobs, each message once, taken out of the worker's hands."""
        chosen = {job.id: job for job in random.Random(n).sample(self.jobs, min(number, len(self.jobs)))}
        self.jobs = [job for job in self.jobs if job not in chosen.values()]
        return list(chosen.values())

    def attempt(self, verb: Callable[..., Any], pk: int, **values: Any) -> None:
        with contextlib.suppress(*NO):
            verb(SERVICE, pk, **values)


@pytest.mark.timeout(400)  # a thousand steps, after each of which everything is counted
@pytest.mark.django_db
def test_in_any_order_of_events_nobody_is_lost_or_written_to_wrongly(request: pytest.FixtureRequest) -> None:
    # the orders are the same on each database: the second, several times as slow, shows that it agrees
    quick = settings(
        max_examples=10 if request.config.getoption("--second-database") else 25,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Vestnik, settings=quick)
