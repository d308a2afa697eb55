"""The limit of requests per second, whoever sends: the simulator's journal is the judge."""

from bisect import bisect_left
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from accounts.journal import SERVICE
from mailings import clock, operations, queries
from mailings.models import Mailing
from mailings.plans import Plan
from mailings.policy import State
from tests.gateway_process import GatewayProcess
from tests.makers import make_clients
from tests.worker_process import WorkerProcess, until

# alone: requests begin within 20 ms of their turns, and are seen by a gateway that must not be kept waiting either
pytestmark = [
    pytest.mark.processes,
    pytest.mark.alone,
    pytest.mark.long_on_sqlite,
    pytest.mark.django_db(transaction=True),
]
RATE = 100


def launch() -> Mailing:
    now = clock.now()
    plan = Plan(text="Hello", starts_at=now, ends_at=now + timedelta(hours=1))
    return operations.create(SERVICE, plan, everyone=True)


def most_in_a_second(instants: list[float]) -> int:
    """The most requests in any second, wherever it begins."""
    return max(bisect_left(instants, begin + 1.0) - index for index, begin in enumerate(instants))


def test_several_workers_keep_to_one_limit_also_over_a_restart(
    database_url: str, gateway: GatewayProcess, tmp_path: Path
) -> None:
    call_command("createcachetable")
    make_clients(500)
    with ExitStack() as stack:
        logs = iter(tmp_path / f"worker-{number}.log" for number in range(3))

        def start() -> WorkerProcess:
            worker = WorkerProcess(database_url, gateway.url, next(logs), GATEWAY_RATE=str(RATE))
            return stack.enter_context(worker)

        first, _second = start(), start()
        mailing = launch()
        until(lambda: gateway.stats()["accepted"] > 2 * RATE)
        first.stop()
        start()
        until(lambda: queries.progress([mailing.pk])[mailing.pk].by_state[State.SENT] == 500)

    instants = sorted(entry["at"] for entry in gateway.journal())
    assert len(instants) == 500
    assert most_in_a_second(instants) <= 1.02 * RATE
