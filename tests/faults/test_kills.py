"""`kill -9` of whole workers and of their children, at any moment."""

import signal
from os import kill
from pathlib import Path

import pytest

from mailings.models import Message
from tests.faults.crew import crew
from tests.faults.logbook import by_message, gaps, lines
from tests.faults.measured import metrics_equal_the_ledger
from tests.faults.stage import LEASE_S, SHORT_TIMEOUT, Stage, is_settled, states
from tests.worker_process import is_alive, until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

CONCURRENCY = 10
WORKERS = 3
RECOVERED_S = 40.0


@pytest.mark.long_on_sqlite
def test_kills_at_random_lose_nobody_and_repeat_nothing_without_reason(stage: Stage, tmp_path: Path) -> None:
    stage.clients(500)
    stage.gateway.control(latency="300ms-600ms")
    settings = {"GATEWAY_CONCURRENCY": str(CONCURRENCY), **SHORT_TIMEOUT}
    urls = {"database_url": stage.database_url, "gateway_url": stage.gateway.url}
    with crew(WORKERS, folder=tmp_path, seed=3, lease_s=LEASE_S, **urls, **settings) as workers:
        resent, held = stage.launch(), stage.launch(on_unknown="hold")
        until(lambda: stage.gateway.stats()["accepted"] > 20)
        workers.kill_for(10, every_s=(1, 3))
        workers.until(lambda: is_settled(resent) and is_settled(held), patience_s=90)

    assert states(resent) == {"sent": 500}
    assert states(held).keys() == {"sent", "unknown"}
    report = stage.judge()
    assert set(report.repeats) <= {"worker_lost"}
    assert report.repeats.total() + states(held)["unknown"] <= len(workers.kills) * WORKERS * CONCURRENCY
    assert len(workers.kills) > 2
    assert workers.slowest_recovery_s() < RECOVERED_S
    metrics_equal_the_ledger()
    stories = by_message(lines(tmp_path))
    assert [gap for message in Message.objects.all() for gap in gaps(message, stories[message.pk])][:5] == []


@pytest.mark.parametrize("victim", [0, 4, 5], ids=["a hand", "the monitor", "the pusher"])
def test_a_worker_whose_child_was_killed_gives_up_with_70(stage: Stage, victim: int) -> None:
    worker = stage.worker()
    until(lambda: len(worker.children()) == 6)
    family = worker.children()

    kill(family[victim], signal.SIGKILL)

    assert worker.process.wait(30) == 70
    until(lambda: not any(map(is_alive, family)))
