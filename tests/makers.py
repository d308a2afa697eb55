"""Clients, mailings and jobs for tests: honest defaults, made by the same verbs that doors call."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from accounts.journal import SERVICE
from clients import operations as directory
from clients.models import Client
from mailings import audience, clock, letters, operations, pace, queue, report
from mailings.breaker import Flow
from mailings.gateway import Cause, Outcome
from mailings.models import Gateway, Letter, LetterState, Mailing, Occasion, Report
from mailings.plans import Plan
from mailings.policy import KIND_OF, Job, Reason, State, Verdict
from mailings.queue import Settlement

LEASE_S = 30.0
_numbers = count(1)


def make_phone(operator_code: str = "900") -> str:
    """A phone that no other client of this process has."""
    return f"7{operator_code}{next(_numbers):07d}"


def make_client(**fields: Any) -> Client:
    values = {"phone": make_phone(), "timezone": "Europe/Moscow", **fields}
    return directory.create(SERVICE, **values)


def make_clients(number: int, **fields: Any) -> list[Client]:
    """Many alike, in one statement."""
    phones = [make_phone() for _ in range(number)]
    rows = [
        Client(**{"phone": phone, "operator_code": phone[1:4], "timezone": "Europe/Moscow", **fields})
        for phone in phones
    ]
    return Client.objects.bulk_create(rows, batch_size=1000)


def make_plan(**fields: Any) -> Plan:
    """A text for everybody, from in an hour on for a day."""
    now = clock.now()
    values = {"text": "Hello", "starts_at": now + timedelta(hours=1), "ends_at": now + timedelta(days=1), **fields}
    return Plan(**values)


def make_mailing(*, draft: bool = False, **fields: Any) -> Mailing:
    """Scheduled for in an hour, or a draft."""
    return operations.create(SERVICE, make_plan(**fields), draft=draft, everyone=True, allow_empty=True)


def make_running_mailing(clients: int | None = None, **fields: Any) -> Mailing:
    """Started a minute ago with all its recipients there: `clients` new ones, or those who are."""
    if clients is not None:
        make_clients(clients)
    mailing = make_mailing(**{"starts_at": clock.now() - timedelta(minutes=1), **fields})
    while audience.materialise(mailing.pk, now=clock.now()):
        pass
    mailing.refresh_from_db()
    return mailing


def make_finished_mailing(
    *, days: float = 0, sent: int = 7, failed: int = 2, unknown: int = 1, rest: int = 2, **fields: Any
) -> Mailing:
    """Finished so many days ago, with so many messages in each state; each request has its attempt."""
    mailing = make_running_mailing(clients=sent + failed + unknown + rest, **fields)
    for number, state, reason, cause in (
        (sent, State.SENT, Reason.ACCEPTED, Cause.ACCEPTED),
        (failed, State.FAILED, Reason.REFUSED, Cause.REFUSED),
        (unknown, State.UNKNOWN, Reason.NO_ANSWER, Cause.NO_ANSWER),
    ):
        jobs = make_jobs(mailing, number) if number else []
        queue.settle(make_settlements(jobs, Verdict(state, reason), make_outcome(cause)), now=clock.now())
    finish(mailing, days=days)
    return mailing


def finish(mailing: Mailing, *, days: float = 0) -> None:
    """Its end comes, and what waits is closed; as if that had been so many days ago."""
    operations.finish_done(mailing.ends_at)
    while operations.close_ended(mailing.ends_at):
        pass
    Mailing.objects.filter(pk=mailing.pk).update(finished_at=clock.now() - timedelta(days=days))
    mailing.refresh_from_db()


def forget(steps: int = 1_000) -> int:
    """What is old is forgotten, in up to so many steps. Returns how many there were to take."""
    return next((done for done in range(steps) if not operations.forget_a_step(clock.now())), steps)


def make_jobs(mailing: Mailing, number: int = 1_000) -> list[Job]:
    """Claims up to `number` messages now."""
    return queue.claim(mailing, number, now=clock.now(), lease_s=LEASE_S)


def make_outcome(cause: Cause = Cause.ACCEPTED, **fields: Any) -> Outcome:
    """An outcome of the kind that its cause belongs to."""
    return Outcome(**{"kind": KIND_OF[cause], "cause": cause, **fields})


def make_settlements(jobs: Sequence[Job], verdict: Verdict, outcome: Outcome | None = None) -> list[Settlement]:
    return [
        Settlement(
            job=job, outcome=outcome or make_outcome(), verdict=verdict, began_at=clock.now(), duration_s=0.05
        )
        for job in jobs
    ]


def make_letter(address: str = "anna@example.com", **fields: Any) -> Letter:
    """Of yesterday's report, sent by hand a moment ago."""
    now = clock.now()
    day = letters.last_day(now)
    numbers = report.to_json(report.numbers(day, "Europe/Moscow", now))
    written, _ = Report.objects.get_or_create(
        day=day, defaults={"numbers": numbers, "made_at": now, "timezone": "Europe/Moscow"}
    )
    values = {
        "language": "en",
        "occasion": Occasion.BY_HAND,
        "state": LetterState.SENT,
        "created_at": now,
        "due_at": now,
        "until": now + timedelta(hours=12),
        "ended_at": now,
        **fields,
    }
    return Letter.objects.create(report=written, address=address, **values)


def put_gateway(flow: Flow, *, until_s: float | None = None, level: float = 0.0) -> datetime:
    """Sets the row as if it had been so for a minute; the present instant."""
    now = clock.now()
    until = None if until_s is None else now + timedelta(seconds=until_s)
    pace.current(now)
    since = now - timedelta(minutes=1)
    Gateway.objects.update(flow=flow, since=since, until=until, level=level, next_at=since)
    return now
