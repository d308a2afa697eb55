"""Workers that are asked to stop and started again, one after the other, while a mailing runs."""

import pytest

from mailings.models import Attempt, Message
from mailings.policy import State
from tests.faults.stage import Stage, states
from tests.worker_process import until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def test_rolling_restarts_leave_nothing_in_doubt_and_repeat_nothing(stage: Stage) -> None:
    stage.clients(600)
    stage.gateway.control(latency="1s")
    mailing = stage.launch()
    old = stage.worker(GATEWAY_CONCURRENCY="10")
    for _ in range(3):
        accepted = stage.gateway.stats()["accepted"]
        new = stage.worker(GATEWAY_CONCURRENCY="10")
        until(lambda: stage.gateway.stats()["accepted"] > accepted + 10)  # noqa: B023  it is called at once
        assert old.stop() == 0
        old = new
    stage.gateway.control(latency=0)
    stage.until_over(mailing)

    assert states(mailing) == {"sent": 600}
    assert not Attempt.objects.exclude(outcome="sent").exists()
    assert stage.judge().requests == 600


def test_the_last_worker_that_is_asked_to_stop_leaves_nothing_on_its_way(stage: Stage) -> None:
    stage.clients(300)
    stage.gateway.control(latency="500ms")
    stage.launch()
    worker = stage.worker(GATEWAY_CONCURRENCY="50")
    until(lambda: stage.gateway.stats()["accepted"] > 50)

    assert worker.stop() == 0

    assert not Message.objects.filter(state=State.SENDING).exists()
    assert not Message.objects.filter(state=State.QUEUED, attempts__gt=0).exists()
    assert stage.judge().requests == Message.objects.filter(state=State.SENT).count()
