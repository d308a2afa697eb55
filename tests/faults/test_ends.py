"""The end in mid-flow, windows that close one after another, and the nights in which the clocks change."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from mailings import clock
from mailings.models import Message
from tests.faults.stage import FIRST_PHONE, Stage, states
from tests.worker_process import until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

ELEVEN = (
    *(
        "Europe/Kaliningrad",
        "Europe/Moscow",
        "Europe/Samara",
        "Asia/Yekaterinburg",
        "Asia/Omsk",
        "Asia/Novosibirsk",
    ),
    *("Asia/Irkutsk", "Asia/Yakutsk", "Asia/Vladivostok", "Asia/Magadan", "Asia/Kamchatka"),
)
ODD = ("-m", "tests.faults.odd_worker")
# from the pretended moment to the change of the clocks: a worker has to start meanwhile
LEAD_S = 14


def test_nothing_is_sent_after_an_end_in_mid_flow(stage: Stage) -> None:
    stage.clients(5_000)
    stage.gateway.control(latency="300ms", faults={"500": 0.05, "hang": 0.05})
    stage.worker(GATEWAY_TIMEOUT="4", GATEWAY_CONCURRENCY="50")

    mailing = stage.launch(end_s=8)
    stage.until_over(mailing)

    report = stage.judge()
    last = max(entry["at"] for entry in stage.gateway.journal())
    assert mailing.ends_at.timestamp() - 5 < last < mailing.ends_at.timestamp()
    assert report.states["sent"] > 0
    assert report.states["expired"] > 1_000
    assert report.states["unknown"] > 0  # those that hung when the end came
    assert report.states.keys() <= {"sent", "expired", "unknown"}
    reasons = Message.objects.filter(state="unknown").values_list("reason", flat=True)
    assert set(reasons) == {"end_before_answer"}


@pytest.mark.long_on_sqlite
def test_eleven_zones_close_one_after_another_and_none_is_late(stage: Stage) -> None:
    """The doors know windows by the minute; the engine does not mind a second, so that it is seen eleven times."""
    for number, zone in enumerate(ELEVEN):
        stage.clients(300, zones=(zone,), tag=zone, first=FIRST_PHONE + 1_000 * number)
    stage.gateway.control(latency="200ms")
    stage.worker(GATEWAY_CONCURRENCY="11")

    soon = clock.now().replace(microsecond=0) + timedelta(seconds=6)
    edges = {zone: soon + timedelta(seconds=number) for number, zone in enumerate(ELEVEN)}
    mailings = []
    for zone, edge in edges.items():
        closes = edge.astimezone(ZoneInfo(zone))
        opens = (closes - timedelta(hours=1)).time()
        mailings.append(stage.launch(tags=(zone,), send_from=opens, send_until=closes.time()))
    until(lambda: clock.now() > max(edges.values()) + timedelta(seconds=1))
    until(lambda: not Message.objects.filter(state="sending").exists())

    assert stage.judge().states.keys() == {"sent", "queued"}
    assert [mailing.pk for mailing in mailings if states(mailing).keys() != {"sent", "queued"}] == []
    sent_at = [entry["at"] for entry in stage.gateway.journal()]
    for edge in edges.values():
        assert any(0 < edge.timestamp() - moment < 2 for moment in sent_at)


@pytest.mark.long_on_sqlite
def test_in_the_night_without_half_past_two_it_opens_at_three(stage: Stage) -> None:
    """Berlin, 28 March 2027: at 02:00 (01:00 UTC) it becomes 03:00. The window from 02:30 opens at that moment."""
    stage.clients(300, zones=("Europe/Berlin",))
    stage.gateway.control(latency="100ms")
    jump = datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    pretended = stage.pretend(jump - timedelta(seconds=LEAD_S))
    stage.worker(entry=ODD, PRETEND_S=pretended)

    mailing = stage.launch(send_from=time(2, 30), send_until=time(3, 10))
    stage.until_over(mailing)

    assert stage.judge().states == {"sent": 300}
    first = stage.gateway.journal()[0]["at"] + stage.plot.ahead_s
    assert 0 <= first - jump.timestamp() < 5


@pytest.mark.long_on_sqlite
def test_in_the_night_with_two_half_past_two_it_closes_twice(stage: Stage) -> None:
    """Berlin, 31 October 2027: at 03:00 (01:00 UTC) it becomes 02:00. The window until 03:00 closes and is open
    again from 02:50 on, an hour of the sun later."""
    stage.clients(3_000, zones=("Europe/Berlin",))
    stage.gateway.control(latency="200ms")
    jump = datetime(2027, 10, 31, 1, 0, tzinfo=UTC)
    pretended = stage.pretend(jump - timedelta(seconds=LEAD_S))
    stage.worker(entry=ODD, PRETEND_S=pretended, GATEWAY_CONCURRENCY="20")

    mailing = stage.launch(send_from=time(2, 50), send_until=time(3), end_s=7_200)
    until(lambda: clock.now() > jump + timedelta(seconds=3))
    until(lambda: not Message.objects.filter(state="sending").exists())

    assert states(mailing).keys() == {"sent", "queued"}
    stage.judge()
    last = stage.gateway.journal()[-1]["at"] + stage.plot.ahead_s
    assert -2 < last - jump.timestamp() < 0
