"""A gateway that answers with errors only is left alone by the whole installation, and tried now and then."""

import time

import pytest

from mailings import clock, pace
from tests.faults.stage import SHORT_TIMEOUT, Stage
from tests.worker_process import until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True), pytest.mark.long_on_sqlite]

PROBE_S = 15.0
# the instants are promised by the database's clock and read by the gateway's
BLUR_S = 0.5


def test_two_workers_try_a_broken_gateway_once_in_a_while_and_come_back_slowly(stage: Stage) -> None:
    stage.clients(400)
    stage.gateway.control(latency="100ms", faults={"500": 1.0})
    for _ in range(2):
        stage.worker(GATEWAY_CONCURRENCY="10", **SHORT_TIMEOUT)
    mailing = stage.launch()

    until(lambda: pace.current(clock.now()).flow == "broken")
    broken_at = time.time()
    until(lambda: [entry for entry in stage.gateway.journal() if entry["at"] > broken_at + 2])
    stage.gateway.control(faults={})
    stage.until_over(mailing, patience_s=90)

    asked_at = [entry["at"] for entry in stage.gateway.journal() if entry["at"] > broken_at + 2]
    first, second, *ramp = asked_at
    assert first - broken_at > PROBE_S - BLUR_S
    assert second - first > PROBE_S - BLUR_S
    assert len([moment for moment in ramp if moment < second + 1]) < 10
    report = stage.judge()
    assert report.states == {"sent": 400}
    assert report.repeats.keys() == {"server_error"}
