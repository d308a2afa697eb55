"""Workers whose clocks are wrong, and workers with one host name."""

from datetime import timedelta

import pytest

from mailings import clock
from mailings.models import Worker
from tests.faults.stage import Stage, is_over, states
from tests.worker_process import until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgresql,  # with SQLite the worker's clock is the database's
]

ODD = ("-m", "tests.faults.odd_worker")


@pytest.mark.parametrize(
    "hours",
    [
        pytest.param(("1",), id="ahead", marks=pytest.mark.long),
        pytest.param(("-1",), id="behind", marks=pytest.mark.long),
        pytest.param(("1", "-1", "0"), id="all at odds"),
    ],
)
def test_a_wrong_clock_makes_nothing_early_or_late_or_double(stage: Stage, hours: tuple[str, ...]) -> None:
    stage.clients(1_000, zones=("Etc/UTC",))
    stage.gateway.control(latency="200ms")
    for ahead in hours:
        stage.worker(entry=ODD, WALL_S=str(3600 * int(ahead)), GATEWAY_CONCURRENCY="20")
    closes = (clock.now() + timedelta(seconds=9)).replace(microsecond=0)

    ending = stage.launch(start_s=3, end_s=8)
    opens = (closes - timedelta(hours=2)).time()
    closing = stage.launch(start_s=4, send_from=opens, send_until=closes.time())
    until(lambda: is_over(ending))
    until(lambda: clock.now() > closes + timedelta(seconds=2))

    assert Worker.objects.values_list("host").distinct().count() == 1
    assert Worker.objects.count() == len(hours)
    report = stage.judge()
    assert states(ending).keys() <= {"sent", "expired", "unknown"}
    assert states(ending)["sent"] > 0
    assert states(closing).keys() == {"sent", "queued"}
    assert not report.repeats
    first = stage.gateway.journal()[0]["at"]
    assert 0 <= first - ending.starts_at.timestamp() < 5
