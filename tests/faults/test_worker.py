"""Whole mailings with real workers, a real gateway over HTTP and a real database, and what may go wrong.

The simulator's journal is the judge.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from os import kill
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.journal import SERVICE
from clients import operations as directory
from mailings import operations, queries, tally
from mailings.models import Attempt, Mailing, Message
from mailings.plans import Plan
from mailings.policy import State
from tests.gateway_process import GatewayProcess
from tests.worker_process import WorkerProcess, is_alive, until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

FIRST_PHONE = 79_000_000_000
StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def start_worker(database_url: str, gateway: GatewayProcess, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers that are ended with the test."""
    call_command("createcachetable")
    with ExitStack() as stack:
        started: list[WorkerProcess] = []

        def start(**environment: str) -> WorkerProcess:
            log = tmp_path / f"worker-{len(started)}.log"
            worker = stack.enter_context(WorkerProcess(database_url, gateway.url, log, **environment))
            started.append(worker)
            return worker

        yield start


def make_clients(number: int, *, zones: tuple[str, ...] = ("Europe/Moscow",)) -> None:
    rows = [
        {"phone": FIRST_PHONE + n, "timezone": zones[n % len(zones)], "attributes": {"name": f"N{n}"}}
        for n in range(number)
    ]
    directory.put_many(SERVICE, rows)


def launch(*, start_s: float = -1, end_s: float = 600, **fields: Any) -> Mailing:
    now = datetime.now(UTC)
    plan = Plan(
        text="Hello {{ name }}",
        starts_at=now + timedelta(seconds=start_s),
        ends_at=now + timedelta(seconds=end_s),
        **fields,
    )
    return operations.create(SERVICE, plan, everyone=True)


def is_over(mailing: Mailing) -> bool:
    mailing.refresh_from_db()
    return (
        mailing.state == "finished" and not mailing.closing and not queries.progress([mailing.pk])[mailing.pk].open
    )


def counts(mailing: Mailing) -> dict[str, int]:
    by_state = queries.progress([mailing.pk])[mailing.pk].by_state
    return {state.value: number for state, number in by_state.items() if number}


def accepted_ids(gateway: GatewayProcess) -> Counter[int]:
    return Counter(entry["id"] for entry in gateway.journal() if entry["accepted"])


def test_a_mailing_reaches_every_client_once_with_his_own_text(
    start_worker: StartWorker, gateway: GatewayProcess
) -> None:
    make_clients(500)
    start_worker()

    mailing = launch()
    until(lambda: is_over(mailing))

    assert counts(mailing) == {"sent": 500}
    journal = gateway.journal()
    assert {entry["body"]["phone"]: entry["body"]["text"] for entry in journal} == {
        FIRST_PHONE + n: f"Hello N{n}" for n in range(500)
    }
    ids = dict(Message.objects.values_list("id", "client__phone"))
    assert all(ids[entry["id"]] == str(entry["body"]["phone"]) for entry in journal)
    assert set(accepted_ids(gateway).values()) == {1}
    assert tally.differences() == []


def test_a_planned_mailing_starts_by_itself_also_after_a_restart(
    start_worker: StartWorker, gateway: GatewayProcess
) -> None:
    make_clients(10)
    first = start_worker()
    mailing = launch(start_s=4)
    first.stop()

    start_worker()
    until(lambda: is_over(mailing))

    assert len(gateway.journal()) == 10
    assert min(entry["at"] for entry in gateway.journal()) >= mailing.starts_at.timestamp()


def test_a_mailing_that_was_deleted_or_moved_sends_nothing_at_its_old_time(
    start_worker: StartWorker, gateway: GatewayProcess
) -> None:
    make_clients(10)
    start_worker()
    deleted, moved, kept = launch(start_s=2), launch(start_s=2), launch(start_s=3)

    operations.delete(SERVICE, deleted.pk)
    operations.change(SERVICE, moved.pk, starts_at=moved.starts_at + timedelta(minutes=5))
    until(lambda: is_over(kept))

    moved.refresh_from_db()
    assert moved.state == "scheduled"
    assert set(Message.objects.values_list("mailing", flat=True)) == {kept.pk}
    assert len(gateway.journal()) == 10


def test_a_flaky_gateway_delays_but_loses_nothing(start_worker: StartWorker, gateway: GatewayProcess) -> None:
    make_clients(400)
    gateway.control(faults={"500": 0.1, "hang": 0.05})
    start_worker(GATEWAY_TIMEOUT="1")

    mailing = launch()
    until(lambda: is_over(mailing))

    assert counts(mailing) == {"sent": 400}
    assert len(accepted_ids(gateway)) == 400
    assert_every_repeat_is_explained(gateway)
    assert tally.differences() == []


def test_nothing_is_sent_after_the_end(start_worker: StartWorker, gateway: GatewayProcess) -> None:
    make_clients(2000)
    gateway.control(latency="300ms", faults={"500": 0.1, "hang": 0.05})
    start_worker(GATEWAY_TIMEOUT="2", GATEWAY_CONCURRENCY="50")

    mailing = launch(end_s=5)
    until(lambda: is_over(mailing))

    assert max(entry["at"] for entry in gateway.journal()) < mailing.ends_at.timestamp()
    seen = counts(mailing)
    assert seen["expired"] > 0
    assert seen.keys() <= {"sent", "expired", "unknown"}
    assert sum(seen.values()) == 2000
    assert tally.differences() == []


def test_a_killed_worker_leaves_nobody_out(start_worker: StartWorker, gateway: GatewayProcess) -> None:
    make_clients(600)
    gateway.control(latency="200ms")
    first = start_worker(GATEWAY_TIMEOUT="1", GATEWAY_CONCURRENCY="50")
    mailing = launch()
    until(lambda: gateway.stats()["accepted"] > 100)

    first.kill()
    start_worker(GATEWAY_TIMEOUT="1", GATEWAY_CONCURRENCY="50")
    until(lambda: is_over(mailing))

    assert counts(mailing) == {"sent": 600}
    assert len(accepted_ids(gateway)) == 600
    assert_every_repeat_is_explained(gateway)
    assert Attempt.objects.filter(cause="worker_lost").count() <= 50
    assert tally.differences() == []


def test_with_hold_a_killed_worker_repeats_nothing(start_worker: StartWorker, gateway: GatewayProcess) -> None:
    make_clients(300)
    gateway.control(latency="300ms")
    first = start_worker(GATEWAY_TIMEOUT="1", GATEWAY_CONCURRENCY="40")
    mailing = launch(on_unknown="hold")
    until(lambda: gateway.stats()["accepted"] > 50)

    first.kill()
    start_worker(GATEWAY_TIMEOUT="1", GATEWAY_CONCURRENCY="40")
    until(lambda: not queries.progress([mailing.pk])[mailing.pk].open)

    seen = counts(mailing)
    assert seen.keys() == {"sent", "unknown"}
    assert 0 < seen["unknown"] <= 40
    assert sum(seen.values()) == 300
    assert set(Counter(entry["id"] for entry in gateway.journal()).values()) == {1}
    assert tally.differences() == []


def test_a_worker_that_is_asked_to_stop_leaves_nothing_in_doubt(
    start_worker: StartWorker, gateway: GatewayProcess
) -> None:
    make_clients(600)
    gateway.control(latency="200ms")
    mailing = launch()
    for _ in range(3):
        before = gateway.stats()["accepted"]
        worker = start_worker(GATEWAY_CONCURRENCY="50")
        until(lambda: gateway.stats()["accepted"] > before + 50)  # noqa: B023  it is called at once
        assert worker.stop() == 0
        assert not Message.objects.filter(state=State.SENDING).exists()

    start_worker()
    until(lambda: is_over(mailing))

    assert counts(mailing) == {"sent": 600}
    assert set(Counter(entry["id"] for entry in gateway.journal()).values()) == {1}


@pytest.mark.parametrize("victim", [0, 4, 5], ids=["a hand", "the monitor", "the pusher"])
def test_a_worker_whose_child_was_killed_gives_up_with_70(start_worker: StartWorker, victim: int) -> None:
    worker = start_worker()
    until(lambda: len(worker.children()) == 6)
    family = worker.children()

    kill(family[victim], signal.SIGKILL)

    assert worker.process.wait(30) == 70
    until(lambda: not any(map(is_alive, family)))


def test_a_window_open_in_half_of_the_zones_sends_to_exactly_that_half(
    start_worker: StartWorker, gateway: GatewayProcess
) -> None:
    now = datetime.now(UTC)
    zones = [f"Etc/GMT{offset:+d}" for offset in range(-12, 12)]
    make_clients(240, zones=tuple(zones))
    local = {zone: (now.hour * 60 + now.minute - int(zone[7:]) * 60) % 1440 for zone in zones}
    opened = {zone for zone, minutes in local.items() if (minutes - local["Etc/GMT+11"]) % 1440 < 720}
    first = local["Etc/GMT+11"]
    until_minute = (first // 60 * 60 + 720) % 1440
    start_worker()

    mailing = launch(
        send_from=_clock(first // 60 * 60),
        send_until=_clock(until_minute),
    )
    until(lambda: counts(mailing).get("sent", 0) >= 120)

    progress = queries.statistics(mailing.pk).by_timezone
    reached = {share.value for share in progress if share.by_state[State.SENT]}
    assert len(opened) == 12
    assert reached == opened
    assert counts(mailing) == {"sent": 120, "queued": 120}


def _clock(minutes: int) -> clock_time:
    return clock_time(minutes // 60, minutes % 60)


def test_pause_holds_everything_back_and_resume_goes_on(
    start_worker: StartWorker, gateway: GatewayProcess
) -> None:
    make_clients(500)
    gateway.control(latency="100ms")
    start_worker(GATEWAY_CONCURRENCY="20")
    mailing = launch()
    until(lambda: gateway.stats()["accepted"] > 50)

    operations.pause(SERVICE, mailing.pk)
    until(lambda: not Message.objects.filter(state=State.SENDING).exists())
    paused_at, requests = time.time(), gateway.stats()["requests"]
    other = launch()  # what comes later goes out meanwhile
    until(lambda: is_over(other))
    ours = set(Message.objects.filter(mailing=mailing).values_list("id", flat=True))
    late = [entry for entry in gateway.journal() if entry["id"] in ours and entry["at"] > paused_at]
    operations.resume(SERVICE, mailing.pk)
    until(lambda: is_over(mailing))

    assert requests < 500
    assert late == []
    assert counts(mailing) == {"sent": 500}
    assert set(Counter(entry["id"] for entry in gateway.journal()).values()) == {1}


def test_two_workers_share_a_mailing_without_repeating(start_worker: StartWorker, gateway: GatewayProcess) -> None:
    if connection.vendor == "sqlite":
        make_clients(300)
    else:
        make_clients(3000)
    gateway.control(latency="50ms")
    start_worker()
    start_worker()

    mailing = launch()
    until(lambda: is_over(mailing))

    assert set(Counter(entry["id"] for entry in gateway.journal()).values()) == {1}
    assert tally.differences() == []


def assert_every_repeat_is_explained(gateway: GatewayProcess) -> None:
    """The gateway got an id again only after attempts recorded as not sent or unknown."""
    requests = Counter(entry["id"] for entry in gateway.journal())
    excused = Counter(
        Attempt.objects.filter(outcome__in=["not_sent", "unknown"]).values_list("message_id", flat=True)
    )
    assert {id_: number for id_, number in requests.items() if number > 1 + excused[id_]} == {}
