"""The gateway is down for a while, or until after the end; it is not the messages' fault."""

import pytest

from accounts.journal import SERVICE
from mailings import clock, pace
from mailings.models import Attempt, Message
from tests.faults.stage import SHORT_TIMEOUT, Stage, is_over, states
from tests.worker_process import until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True), pytest.mark.long_on_sqlite]


def test_an_outage_fails_nobody_whether_it_ends_in_time_or_not(stage: Stage) -> None:
    stage.clients(200)
    stage.gateway.control(latency="200ms")
    stage.worker(GATEWAY_CONCURRENCY="20", **SHORT_TIMEOUT)
    patient, hasty = stage.launch(), stage.launch(end_s=8)
    until(lambda: stage.gateway.stats()["accepted"] > 20)

    stage.gateway.control(down=True)
    until(lambda: is_over(hasty))
    stage.gateway.control(down=False)
    until(lambda: is_over(patient))

    assert states(patient) == {"sent": 200}
    late = states(hasty)
    assert late["expired"] > 0
    assert late.keys() <= {"sent", "expired", "unknown"}
    expired = Message.objects.filter(mailing=hasty, state="expired").values_list("reason", flat=True)
    assert set(expired) <= {"end_before_turn", "end_while_retrying"}
    causes = set(Attempt.objects.exclude(outcome="sent").values_list("cause", flat=True))
    assert "no_connection" in causes
    assert causes <= {"no_connection", "connection_lost", "no_answer"}
    stage.judge()


def test_a_flaky_gateway_delays_but_loses_nothing(stage: Stage) -> None:
    stage.clients(400)
    stage.gateway.control(faults={"500": 0.1, "hang": 0.05})
    stage.worker(**SHORT_TIMEOUT)

    mailing = stage.launch()
    stage.until_over(mailing)

    report = stage.judge()
    assert report.states == {"sent": 400}
    assert report.repeats.keys() == {"server_error", "no_answer"}


def test_a_storm_of_429_slows_down_and_fails_nobody(stage: Stage) -> None:
    stage.clients(200)
    stage.gateway.control(faults={"429:2": 1.0})
    stage.worker(**SHORT_TIMEOUT)
    mailing = stage.launch()
    until(lambda: Attempt.objects.filter(cause="throttled").count() > 20)

    stage.gateway.control(faults={})
    stage.until_over(mailing)

    report = stage.judge()
    assert report.states == {"sent": 200}
    assert report.repeats.keys() == {"throttled"}


def test_a_token_that_is_refused_stops_every_mailing_and_fails_nobody(stage: Stage) -> None:
    stage.clients(100)
    stage.gateway.control(latency="100ms")
    stage.worker(GATEWAY_CONCURRENCY="10")
    mailings = [stage.launch(), stage.launch()]
    until(lambda: all("sent" in states(mailing) for mailing in mailings))

    stage.gateway.control(token="another")
    until(lambda: pace.current(clock.now()).flow == "unauthorised")
    until(lambda: not Message.objects.filter(state="sending").exists())
    requests = stage.gateway.stats()["requests"]
    waiting = [states(mailing) for mailing in mailings]
    third = stage.launch()
    until(lambda: states(third) == {"queued": 100})
    stage.gateway.control(token=None)
    quiet = stage.gateway.stats()["requests"]
    pace.resume(SERVICE)
    stage.until_over(*mailings, third)

    assert quiet == requests
    assert all(found.keys() == {"sent", "queued"} for found in waiting)
    report = stage.judge()
    assert report.states == {"sent": 300}
    assert report.repeats.keys() == {"unauthorised"}
    assert report.repeats.total() <= 10
