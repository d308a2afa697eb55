"""The database is restarted, or away for longer than a lease, while messages are on their way."""

import time
from pathlib import Path

import pytest
from django.db import connection

from mailings.models import Attempt, Message
from tests.faults.crew import crew
from tests.faults.stage import LEASE_S, SHORT_TIMEOUT, Stage, is_settled, states
from tests.postgres import Postgres
from tests.worker_process import until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

CONCURRENCY = 20


def test_a_restart_of_the_database_while_sending_costs_nothing_but_time(
    stage_apart: Stage, own_database: Postgres, tmp_path: Path
) -> None:
    stage = stage_apart
    stage.clients(600)
    stage.gateway.control(latency="200ms-400ms")
    settings = {"GATEWAY_CONCURRENCY": str(CONCURRENCY), **SHORT_TIMEOUT}
    urls = {"database_url": own_database.url, "gateway_url": stage.gateway.url}
    with crew(2, folder=tmp_path, seed=1, lease_s=LEASE_S, **urls, **settings) as workers:
        resent, held = stage.launch(), stage.launch(on_unknown="hold")
        for _ in range(2):
            accepted = stage.gateway.stats()["accepted"]
            until(lambda: stage.gateway.stats()["accepted"] > accepted + 50)  # noqa: B023  called at once
            connection.close()
            own_database.halt()
            own_database.again()
        workers.until(lambda: is_settled(resent) and is_settled(held), patience_s=90)

    report = stage.judge()
    assert states(resent) == {"sent": 600}
    assert states(held) == {"sent": 600}
    assert not report.repeats
    assert not Attempt.objects.exclude(outcome="sent").exists()


def test_outcomes_outlast_a_database_that_is_away_for_longer_than_their_lease(
    stage_apart: Stage, own_database: Postgres
) -> None:
    stage = stage_apart
    stage.clients(300)
    stage.gateway.control(latency="500ms")
    stage.worker(GATEWAY_CONCURRENCY=str(CONCURRENCY), **SHORT_TIMEOUT)
    mailing = stage.launch(on_unknown="hold")
    until(lambda: stage.gateway.stats()["accepted"] > 60)

    connection.close()
    own_database.halt()
    away_at = time.time()
    until(lambda: time.time() > away_at + LEASE_S + 4)
    meanwhile = [entry for entry in stage.gateway.journal() if entry["at"] > away_at + 1]
    own_database.again()
    until(lambda: is_settled(mailing))

    assert meanwhile == []
    report = stage.judge()
    assert report.states == {"sent": 300}
    assert not report.repeats
    assert not Message.objects.filter(attempts__gt=1).exists()
