"""Whole mailings with real workers, a real gateway over HTTP and a real database, when nothing goes wrong."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time

import pytest
from django.db import connection

from accounts.journal import SERVICE
from mailings import operations, queries
from mailings.models import Message
from mailings.policy import State
from tests.faults.stage import FIRST_PHONE, Stage, states
from tests.worker_process import until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def test_a_mailing_reaches_every_client_once_with_his_own_text(stage: Stage) -> None:
    stage.clients(500)
    stage.worker()

    mailing = stage.launch()
    stage.until_over(mailing)

    assert states(mailing) == {"sent": 500}
    journal = stage.gateway.journal()
    assert {entry["body"]["phone"]: entry["body"]["text"] for entry in journal} == {
        FIRST_PHONE + n: f"Hello N{n}" for n in range(500)
    }
    ids = dict(Message.objects.values_list("id", "client__phone"))
    assert all(ids[entry["id"]] == str(entry["body"]["phone"]) for entry in journal)
    assert set(Counter(entry["id"] for entry in journal).values()) == {1}
    assert not stage.judge().repeats


def test_a_planned_mailing_starts_by_itself_also_after_a_restart(stage: Stage) -> None:
    stage.clients(10)
    first = stage.worker()
    mailing = stage.launch(start_s=4)
    first.stop()

    stage.worker()
    stage.until_over(mailing)

    assert stage.judge().requests == 10


def test_a_mailing_that_was_deleted_or_moved_sends_nothing_at_its_old_time(stage: Stage) -> None:
    stage.clients(10)
    stage.worker()
    deleted, moved, kept = stage.launch(start_s=2), stage.launch(start_s=2), stage.launch(start_s=3)

    operations.delete(SERVICE, deleted.pk)
    operations.change(SERVICE, moved.pk, starts_at=moved.starts_at + timedelta(minutes=5))
    stage.until_over(kept)

    moved.refresh_from_db()
    assert moved.state == "scheduled"
    assert set(Message.objects.values_list("mailing", flat=True)) == {kept.pk}
    assert len(stage.gateway.journal()) == 10


def test_a_window_open_in_half_of_the_zones_sends_to_exactly_that_half(stage: Stage) -> None:
    now = datetime.now(UTC)
    zones = [f"Etc/GMT{offset:+d}" for offset in range(-12, 12)]
    stage.clients(240, zones=tuple(zones))
    local = {zone: (now.hour * 60 + now.minute - int(zone[7:]) * 60) % 1440 for zone in zones}
    opened = {zone for zone, minutes in local.items() if (minutes - local["Etc/GMT+11"]) % 1440 < 720}
    first = local["Etc/GMT+11"]
    until_minute = (first // 60 * 60 + 720) % 1440
    stage.worker()

    mailing = stage.launch(send_from=_clock(first // 60 * 60), send_until=_clock(until_minute))
    until(lambda: states(mailing).get("sent", 0) >= 120)

    progress = queries.statistics(mailing.pk).by_timezone
    reached = {share.value for share in progress if share.by_state[State.SENT]}
    assert len(opened) == 12
    assert reached == opened
    assert stage.judge().states == {"sent": 120, "queued": 120}


def _clock(minutes: int) -> clock_time:
    return clock_time(minutes // 60, minutes % 60)


def test_two_workers_share_a_mailing_without_repeating(stage: Stage) -> None:
    number = 300 if connection.vendor == "sqlite" else 3000
    stage.clients(number)
    stage.gateway.control(latency="50ms")
    stage.worker()
    stage.worker()

    mailing = stage.launch()
    stage.until_over(mailing)

    assert stage.judge().requests == number
