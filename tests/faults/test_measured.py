"""What is measured of a run is what happened in it."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from mailings import clock, pace
from tests.faults.measured import metrics_equal_the_journal, metrics_equal_the_ledger
from tests.faults.stage import SHORT_TIMEOUT, Stage, is_over
from tests.scrape import scrape, value, values
from tests.worker_process import until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True), pytest.mark.long_on_sqlite]


def test_metrics_of_a_run_with_faults_equal_the_ledger_and_the_gateway_s_journal(stage: Stage) -> None:
    stage.clients(100)
    stage.gateway.control(latency="20ms-80ms", faults={"500": 0.1, "404": 0.05, "hang": 0.03})
    for _ in range(2):
        stage.worker(GATEWAY_CONCURRENCY="10", **SHORT_TIMEOUT)
    mailing = stage.launch(start_s=0.5)
    counted: list[Counter[tuple[str, ...]]] = []

    def is_over_while_measured() -> bool:
        counted.append(Counter(values(scrape()["vestnik_gateway_requests_total"], "cause", "status")))
        return is_over(mailing)

    until(is_over_while_measured)

    metrics_equal_the_ledger()
    metrics_equal_the_journal(stage.gateway)
    assert all(not earlier - later for earlier, later in pairwise(counted))
    found = scrape()
    assert value(found["vestnik_workers"]) == 2
    assert 0 < value(found["vestnik_mailing_start_delay_seconds"]) < 60
    pace.squash(clock.now() + timedelta(hours=1))
    metrics_equal_the_ledger()
