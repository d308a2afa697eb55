"""The row that all workers share: the limit's instants, probes, what is noted, what people order."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeVar

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from mailings import breaker, clock, pace
from mailings.breaker import Flow
from mailings.gateway import LATE_S, Cause, Kind, Outcome
from mailings.models import Gateway, Pulse
from mailings.pace import Answer, Grant, Pace
from tests.makers import put_gateway as put

pytestmark = pytest.mark.django_db(transaction=True)
Granted = TypeVar("Granted")
SENT = Outcome(Kind.SENT, Cause.ACCEPTED, 200)
ERROR = Outcome(Kind.UNKNOWN, Cause.SERVER_ERROR, 500, "oops")
TOKEN = Outcome(Kind.NOT_SENT, Cause.UNAUTHORISED, 401, "bad token")
SLOW_DOWN = Outcome(Kind.NOT_SENT, Cause.THROTTLED, 429, retry_after_s=30)


@pytest.fixture(autouse=True)
def _limits(settings: Settings) -> None:
    settings.GATEWAY_TIMEOUT = 10.0
    settings.GATEWAY_RATE = 0.0


def answers(outcomes: Sequence[Outcome], now: datetime, *, probe: bool = False) -> list[Answer]:
    return [Answer(outcome, now - timedelta(seconds=0.1), 0.1, is_probe=probe) for outcome in outcomes]


def come_back(outcomes: Sequence[Outcome], *, probe: bool = False) -> Gateway:
    """What a run does with what came back."""
    run, now = Pace(), clock.now()
    came = answers(outcomes, now, probe=probe)
    run.note(came, now)
    run.judge(came, now)
    return pace.current(now)


def test_a_new_installation_may_send_without_a_limit() -> None:
    now = clock.now()

    assert pace.may_send(now)
    assert Pace().allow(100, now) == Grant(100)


def test_under_a_limit_little_is_claimed_ahead(settings: Settings) -> None:
    settings.GATEWAY_RATE = 100.0

    assert Pace().allow(500, clock.now()) == Grant(25, limit=100.0)


def test_promised_instants_are_one_after_the_other(settings: Settings) -> None:
    now = put(Flow.FLOWING)

    first, second = pace.promise(20, 100, now), pace.promise(20, 100, now)

    assert (first.number, first.first_at) == (20, now)
    assert first.pitch == second.pitch == timedelta(seconds=0.01022)
    assert second.first_at == now + 20 * first.pitch


def test_no_instant_is_promised_far_ahead(settings: Settings) -> None:
    settings.GATEWAY_RATE = 100.0
    now = put(Flow.FLOWING)

    assert pace.promise(500, 100, now).number == 74
    assert pace.promise(500, 100, now).number == 0
    assert Pace().allow(1, now) == pace.NOTHING


@pytest.mark.parametrize("limit", [1, 2, 10, 49, 1000])
def test_in_no_second_a_limit_is_passed_however_late_requests_are(limit: int) -> None:
    now = put(Flow.FLOWING)

    promised = pace.promise(1, limit, now)

    assert limit * promised.pitch.total_seconds() - LATE_S > 1


def test_the_limit_outlives_whoever_asked(settings: Settings) -> None:
    settings.GATEWAY_RATE = 1.0
    now = put(Flow.FLOWING)
    pace.promise(1, 1.0, now)

    assert Pace().allow(1, now) == pace.NOTHING
    assert Pace().allow(1, now + timedelta(seconds=1)) == Grant(1, limit=1.0)


def at_once(number: int, work: Callable[[], Granted]) -> list[Granted]:
    def apart() -> Granted:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(lambda _: apart(), range(number)))


def test_no_two_runs_are_promised_the_same_instant() -> None:
    now = put(Flow.FLOWING)

    promised = [
        promise for promise in at_once(8, lambda: pace.promise(5, 100, now)) if isinstance(promise, pace.Promise)
    ]

    instants = sorted(one.first_at + n * one.pitch for one in promised for n in range(one.number))
    assert len(instants) == 40
    assert {later - earlier for earlier, later in pairwise(instants)} == {timedelta(seconds=0.01022)}


@pytest.mark.parametrize(("flow", "pause_s"), [(Flow.BROKEN, 15), (Flow.UNAUTHORISED, 60)])
def test_one_probe_goes_for_all_that_ask_at_once(flow: Flow, pause_s: int) -> None:
    now = put(flow, until_s=0)

    granted = at_once(8, lambda: Pace().allow(100, now))

    following = now + timedelta(seconds=pause_s)
    assert sorted(granted, key=lambda grant: grant.number) == [pace.NOTHING] * 7 + [
        Grant(1, probe_until=following)
    ]
    assert not pace.may_send(following - timedelta(seconds=0.001))
    assert pace.may_send(following)


def test_a_probe_that_found_nothing_to_send_is_given_back() -> None:
    now = put(Flow.BROKEN, until_s=0)

    pace.give_back(Pace().allow(1, now), now)

    assert Pace().allow(1, now).probe_until is not None


@pytest.mark.parametrize("flow", [Flow.WAITING, Flow.BROKEN, Flow.UNAUTHORISED])
def test_before_its_time_nothing_goes(flow: Flow) -> None:
    now = put(flow, until_s=1)

    assert not pace.may_send(now)
    assert Pace().allow(100, now) == pace.NOTHING


def test_after_a_wait_it_ramps_up() -> None:
    now = put(Flow.WAITING, until_s=0)

    grant = Pace().allow(100, now)

    assert (grant.number, grant.limit) == (12, 50.0)
    assert Gateway.objects.get().flow == Flow.RAMPING


def test_trouble_of_several_runs_adds_up() -> None:
    put(Flow.FLOWING)

    first = come_back([ERROR] * 10)
    second = come_back([ERROR] * 10)

    assert (first.flow, second.flow) == (Flow.FLOWING, Flow.BROKEN)
    assert second.detail == "500 oops"
    assert JournalEntry.objects.get().details["after"] == "broken"


def test_trouble_of_ten_seconds_ago_does_not_count() -> None:
    put(Flow.FLOWING)
    come_back([ERROR] * 19)
    Pulse.objects.update(moment=clock.now() - timedelta(seconds=10.1))

    assert come_back([ERROR] * 19).flow == Flow.FLOWING
    assert come_back([ERROR]).flow == Flow.BROKEN


def test_good_answers_keep_it_open() -> None:
    put(Flow.FLOWING)
    come_back([SENT] * 30)

    assert come_back([ERROR] * 30).flow == Flow.FLOWING
    assert come_back([ERROR]).flow == Flow.BROKEN


def test_answers_to_what_began_before_the_break_decide_nothing() -> None:
    put(Flow.RAMPING, until_s=1, level=5)
    now = clock.now()
    Gateway.objects.update(since=now)

    assert come_back([ERROR] * 50).flow == Flow.RAMPING
    assert set(Pulse.objects.values_list("is_trouble", flat=True)) == {None}


def test_a_refused_token_is_known_to_all_at_once() -> None:
    put(Flow.FLOWING)

    row = come_back([SENT, TOKEN])

    assert (row.flow, row.detail) == (Flow.UNAUTHORISED, "401 bad token")
    assert not pace.may_send(clock.now())


def test_told_to_wait_all_wait() -> None:
    put(Flow.FLOWING)

    row = come_back([SLOW_DOWN])

    assert row.flow == Flow.WAITING
    assert row.until is not None
    assert timedelta(seconds=29) < row.until - clock.now() <= timedelta(seconds=30)


def test_of_several_waits_that_are_told_at_once_the_longest_counts() -> None:
    now = put(Flow.FLOWING)
    told = iter([30, 600, *[30] * 6])
    ready = threading.Barrier(8)

    def come_back_together() -> None:
        come, run = answers([replace(SLOW_DOWN, retry_after_s=next(told))], now), Pace()
        run.note(come, now)
        ready.wait()
        run.judge(come, now)

    at_once(8, come_back_together)

    row = pace.current(now)
    assert (row.flow, row.until) == (Flow.WAITING, now + timedelta(seconds=600))


def test_a_probe_that_gets_through_begins_the_ramp() -> None:
    put(Flow.BROKEN, until_s=14)

    assert come_back([SENT], probe=True).flow == Flow.RAMPING


def test_a_change_that_somebody_made_first_stands() -> None:
    put(Flow.BROKEN, until_s=14)
    late = pace.current(clock.now())
    pace.stop(SERVICE, reason="maintenance")

    pace._move(late, breaker.ramp(clock.now()), clock.now())

    assert Gateway.objects.get().flow == Flow.STOPPED


def test_answers_are_counted_by_cause_status_and_latency() -> None:
    put(Flow.FLOWING)

    come_back([SENT, SENT, ERROR])

    seen = set(Pulse.objects.values_list("cause", "http_status", "latency_ms", "is_trouble", "number"))
    assert seen == {("accepted", 200, 100, False, 2), ("server_error", 500, 100, True, 1)}


def test_counts_of_minutes_that_are_over_are_summed_up() -> None:
    now = put(Flow.FLOWING)
    run, minute = Pace(), now.replace(second=0, microsecond=0)
    for seconds in (-121, -100, -90, -62, -60, -1):
        run.note(answers([SENT, ERROR], now), minute + timedelta(seconds=seconds))

    saved = pace.squash(now)

    rows = (
        Pulse.objects.filter(cause="accepted").order_by("moment", "id").values_list("moment", "number", "is_sum")
    )
    assert saved == 4
    assert [((moment - minute).total_seconds(), number, is_sum) for moment, number, is_sum in rows] == [
        (-180, 1, True),
        (-120, 3, True),
        (-60, 1, False),
        (-1, 1, False),
    ]
    assert pace.squash(now) == 0


def test_old_counts_are_forgotten() -> None:
    now = put(Flow.FLOWING)
    Pace().note(answers([SENT], now), now - pace.KEPT - timedelta(seconds=1))

    pace.squash(now)

    assert not Pulse.objects.exists()


def of_mailing(mailing_id: int, outcomes: Sequence[Outcome], now: datetime) -> list[Answer]:
    return [replace(answer, mailing_id=mailing_id) for answer in answers(outcomes, now)]


def test_a_mailing_that_fares_ill_while_another_fares_well_says_nothing_about_the_gateway() -> None:
    now = put(Flow.FLOWING)
    run = Pace()

    for _ in range(10):
        came = of_mailing(1, [ERROR] * 20, now) + of_mailing(2, [SENT] * 2, now)
        run.note(came, now)
        run.judge(came, now)

    assert Gateway.objects.get().flow == Flow.FLOWING


def test_two_mailings_that_fare_ill_break_it() -> None:
    now = put(Flow.FLOWING)
    run = Pace()

    came = of_mailing(1, [ERROR] * 20, now) + of_mailing(2, [ERROR, ERROR, SENT], now)
    run.note(came, now)
    run.judge(came, now)

    assert Gateway.objects.get().flow == Flow.BROKEN


def test_a_token_that_was_refused_before_a_person_resumed_is_old_news() -> None:
    put(Flow.STOPPED)
    late = answers([TOKEN], clock.now())
    pace.resume(SERVICE)

    run, now = Pace(), clock.now()
    run.note(late, now)
    run.judge(late, now)

    assert Gateway.objects.get().flow == Flow.RAMPING
