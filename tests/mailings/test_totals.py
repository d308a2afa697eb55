"""Totals of requests: the same at every instant, whatever is summed up or forgotten, and those of the ledger."""

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from pytest_django.fixtures import Settings

from mailings import clock, dispatch, pace, queue, totals
from mailings.gateway import Cause, Kind, Outcome
from mailings.models import Attempt, Message, Pulse, RequestTotal
from mailings.pace import Answer, Pace
from mailings.policy import KIND_OF
from tests.gateway_process import GatewayProcess
from tests.makers import make_jobs, make_running_mailing

pytestmark = pytest.mark.django_db(transaction=True)
SENT = Outcome(Kind.SENT, Cause.ACCEPTED, 200)
AWAY = Outcome(Kind.NOT_SENT, Cause.NO_CONNECTION)


def answer(outcome: Outcome, duration_s: float = 0.1) -> Answer:
    return Answer(outcome, clock.now(), duration_s)


def ends() -> dict[tuple[str, int, int], tuple[int, int]]:
    return {(one.cause.value, one.http_status, one.latency_ms): (one.number, one.took_ms) for one in totals.read()}


def test_a_total_is_the_same_before_and_after_it_is_summed_up_and_its_pulses_forgotten() -> None:
    now = clock.now()
    for moment, came in [(now - timedelta(minutes=3), [answer(SENT, 0.095)]), (now, [answer(AWAY, 0.002)])]:
        Pace().note([answer(SENT, 0.0975), *came], moment)

    seen = [ends()]
    pace.squash(now)
    seen.append(ends())
    pace.squash(now + timedelta(minutes=5))
    seen.append(ends())
    pace.squash(now + 2 * pace.KEPT)
    seen.append(ends())

    assert not Pulse.objects.exists()
    expected = {("accepted", 200, 100): (3, 98 + 95 + 98), ("no_connection", 0, 10): (1, 2)}
    assert seen == [expected] * 4


def test_a_late_answer_is_evidence_and_no_request_more() -> None:
    """Its request was counted when its lease had passed."""
    now = clock.now()
    Pace().note([answer(SENT), replace(answer(SENT), is_late=True)], now - timedelta(minutes=5))

    before = ends()
    pace.squash(now)

    assert before == ends() == {("accepted", 200, 100): (1, 100)}
    assert sum(Pulse.objects.values_list("number", flat=True)) == 2


def test_the_loop_tells_late_answers_from_others(gateway: GatewayProcess, settings: Settings) -> None:
    settings.GATEWAY_URL, settings.GATEWAY_TIMEOUT, settings.GATEWAY_CONCURRENCY = gateway.url, 10.0, 5
    gateway.control(latency="300ms")
    mailing = make_running_mailing(clients=5)
    taken: list[int] = []

    def taken_over_once_in_flight() -> bool:
        if gateway.stats()["in_flight"] == 5 and not taken:
            taken.extend(mailing.messages.order_by("id").values_list("id", flat=True)[:2])
            Message.objects.filter(id__in=taken).update(lease_token=1)
        return mailing.messages.filter(state="sent").count() == 3

    dispatch.run(stopping=taken_over_once_in_flight, places=1)

    assert Counter(Attempt.objects.values_list("cause", flat=True)) == {"accepted": 3}
    assert sum(one.number for one in totals.read()) == 3
    assert sum(Pulse.objects.filter(is_late=True).values_list("number", flat=True)) == 2


def test_requests_of_lost_workers_are_counted_with_their_attempts() -> None:
    jobs = make_jobs(make_running_mailing(clients=3), 3)
    Message.objects.update(lease_until=clock.now() - timedelta(seconds=1))

    recovered = queue.recover(now=clock.now(), lease_s=dispatch.lease_s(), chance=random.random)
    queue.recover(now=clock.now(), lease_s=dispatch.lease_s(), chance=random.random)

    assert recovered == len(jobs)
    assert ends() == {("worker_lost", 0, 0): (3, 0)}
    assert Counter(Attempt.objects.values_list("cause", flat=True)) == {"worker_lost": 3}


def test_an_upgrade_adds_up_what_was_summed_up_before() -> None:
    now = clock.now()
    Pace().note([answer(SENT), answer(AWAY, 0.002)], now - timedelta(minutes=5))
    pace.squash(now)
    Pace().note([answer(SENT)], now)
    before = {end: number for end, (number, _) in ends().items()}
    RequestTotal.objects.all().delete()

    import_module("mailings.migrations.0013_totals_of_former_pulses").add_up(apps, connection.schema_editor())

    assert {end: number for end, (number, _) in ends().items()} == before


def test_every_cause_has_its_kind() -> None:
    assert KIND_OF.keys() == set(Cause)
