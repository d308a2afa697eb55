"""When the gateway is given up, and how it is come back to. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailings import breaker
from mailings.breaker import Condition, Evidence, Flow, News
from mailings.gateway import Cause, Kind, Outcome

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TIMEOUT_S = 10.0
SENT = Outcome(Kind.SENT, Cause.ACCEPTED, 200)
REFUSED = Outcome(Kind.REFUSED, Cause.REFUSED, 400, "no")
ERROR = Outcome(Kind.UNKNOWN, Cause.SERVER_ERROR, 500, "oops")
AWAY = Outcome(Kind.NOT_SENT, Cause.NO_CONNECTION, detail="refused")
SILENT = Outcome(Kind.UNKNOWN, Cause.NO_ANSWER, detail="timed out")
SLOW_DOWN = Outcome(Kind.NOT_SENT, Cause.THROTTLED, 429, retry_after_s=30)
TOKEN = Outcome(Kind.NOT_SENT, Cause.UNAUTHORISED, 401, "bad token")
ALL = list(Flow)


def make_condition(flow: Flow, **values: object) -> Condition:
    until = None if flow in (Flow.FLOWING, Flow.STOPPED) else NOW + 5 * SECOND
    made = Condition(flow, NOW - 5 * SECOND, until, level=5.0 if flow is Flow.RAMPING else 0.0)
    return replace(made, **values)  # type: ignore[arg-type]  # a test says which


@pytest.mark.parametrize(
    ("outcome", "took_s", "speaks"),
    [
        (SENT, 0.1, False),
        (SENT, 9.9, False),
        (REFUSED, 0.1, False),
        (ERROR, 0.1, True),
        (AWAY, 0.1, True),
        (SILENT, TIMEOUT_S, True),
        (SILENT, 3.0, None),
        (SLOW_DOWN, 0.1, True),
        (TOKEN, 0.1, True),
        (Outcome(Kind.UNKNOWN, Cause.CONNECTION_LOST), 0.1, True),
        (Outcome(Kind.UNKNOWN, Cause.OFF_CONTRACT, 200), 0.1, True),
        (Outcome(Kind.UNKNOWN, Cause.REDIRECT, 307), 0.1, True),
        (Outcome(Kind.NOT_SENT, Cause.NOT_BEGUN), 0.1, None),
        (Outcome(Kind.UNKNOWN, Cause.WORKER_LOST), 0.1, None),
        (Outcome(Kind.UNKNOWN, Cause.BUG), 0.1, None),
    ],
)
def test_what_speaks_against_the_gateway(outcome: Outcome, took_s: float, speaks: bool | None) -> None:
    assert breaker.is_trouble(outcome, took_s, TIMEOUT_S) is speaks


@pytest.mark.parametrize(
    ("well", "troubled", "breaks"),
    [(0, 19, False), (0, 20, True), (10, 10, False), (10, 11, True), (9, 10, False), (1000, 999, False)],
)
def test_it_breaks_when_of_at_least_twenty_over_half_were_in_trouble(
    well: int, troubled: int, *, breaks: bool
) -> None:
    heard = breaker.news([ERROR])

    after = breaker.after_news(make_condition(Flow.FLOWING), heard, Evidence(well, troubled), NOW)

    assert (after.flow is Flow.BROKEN) is breaks
    if breaks:
        assert after == Condition(Flow.BROKEN, NOW, NOW + 15 * SECOND, detail="500 oops")


def test_in_the_ramp_three_are_enough() -> None:
    ramping = make_condition(Flow.RAMPING)

    assert breaker.after_news(ramping, breaker.news([AWAY]), Evidence(0, 2), NOW) == ramping
    assert breaker.after_news(ramping, breaker.news([AWAY]), Evidence(1, 2), NOW).flow is Flow.BROKEN
    assert breaker.after_news(ramping, breaker.news([AWAY]), Evidence(2, 2), NOW) == ramping


@pytest.mark.parametrize("flow", [flow for flow in ALL if flow is not Flow.STOPPED])
def test_a_refused_token_stops_everything_for_a_minute(flow: Flow) -> None:
    before = make_condition(flow)

    after = breaker.after_news(before, breaker.news([SENT, TOKEN]), Evidence(1000, 1), NOW)

    assert (after.flow, after.until, after.detail) == (Flow.UNAUTHORISED, NOW + 60 * SECOND, "401 bad token")
    assert after.since == (before.since if flow is Flow.UNAUTHORISED else NOW)


@pytest.mark.parametrize("flow", [Flow.FLOWING, Flow.RAMPING])
def test_told_to_wait_it_waits_as_long(flow: Flow) -> None:
    heard = breaker.news([SLOW_DOWN, replace(SLOW_DOWN, retry_after_s=7)])

    after = breaker.after_news(make_condition(flow), heard, Evidence(), NOW)

    assert after == Condition(Flow.WAITING, NOW, NOW + 30 * SECOND)


@pytest.mark.parametrize("flow", [Flow.WAITING, Flow.BROKEN, Flow.UNAUTHORISED])
def test_told_to_wait_while_waiting_the_later_instant_counts(flow: Flow) -> None:
    before = make_condition(flow)

    longer = breaker.after_news(before, News(told_s=30), Evidence(), NOW)
    shorter = breaker.after_news(before, News(told_s=1), Evidence(), NOW)

    assert longer == replace(before, until=NOW + 30 * SECOND)
    assert shorter == before


def test_429_without_a_time_is_only_trouble() -> None:
    heard = breaker.news([replace(SLOW_DOWN, retry_after_s=0)])

    flowing = make_condition(Flow.FLOWING)

    assert breaker.after_news(flowing, heard, Evidence(19, 1), NOW) == flowing


@pytest.mark.parametrize("flow", breaker.PROBED)
@pytest.mark.parametrize("decided", [SENT, REFUSED])
def test_a_probe_that_is_decided_on_begins_the_ramp(flow: Flow, decided: Outcome) -> None:
    heard = breaker.news([decided], probe=decided)

    after = breaker.after_news(make_condition(flow), heard, Evidence(), NOW)

    assert after == Condition(Flow.RAMPING, NOW, NOW + SECOND, level=5.0)


@pytest.mark.parametrize("flow", breaker.PROBED)
@pytest.mark.parametrize("answer", [ERROR, AWAY, SILENT])
def test_a_probe_in_trouble_changes_nothing(flow: Flow, answer: Outcome) -> None:
    before = make_condition(flow)

    assert breaker.after_news(before, breaker.news([answer], probe=answer), Evidence(0, 50), NOW) == before


@pytest.mark.parametrize("flow", breaker.PROBED)
def test_a_late_answer_that_is_no_probe_does_not_close_it(flow: Flow) -> None:
    before = make_condition(flow)

    assert breaker.after_news(before, breaker.news([SENT]), Evidence(50, 0), NOW) == before


@pytest.mark.parametrize("heard", [breaker.news([TOKEN]), News(told_s=9), breaker.news([SENT], probe=SENT)])
def test_what_a_person_stopped_only_a_person_starts(heard: News) -> None:
    stopped = make_condition(Flow.STOPPED)

    assert breaker.after_news(stopped, heard, Evidence(0, 100), NOW) == stopped
    assert breaker.after_time(stopped, Evidence(100, 0), NOW + timedelta(days=9)) == stopped


def test_a_wait_ends_in_a_ramp() -> None:
    waiting = make_condition(Flow.WAITING, until=NOW)

    assert breaker.after_time(waiting, Evidence(), NOW - SECOND / 1000) == waiting
    assert breaker.after_time(waiting, Evidence(), NOW) == Condition(Flow.RAMPING, NOW, NOW + SECOND, level=50.0)


def test_the_ramp_doubles_once_a_second_until_it_is_no_limit_any_more() -> None:
    condition, moment, levels = breaker.ramp(NOW), NOW, []
    while condition.flow is Flow.RAMPING:
        levels.append(condition.level)
        assert breaker.after_time(condition, Evidence(1, 0), moment + SECOND / 2) == condition
        moment += SECOND
        condition = breaker.after_time(condition, Evidence(1, 0), moment)

    assert levels == [5, 10, 20, 40, 80, 160, 320, 640]
    assert condition == Condition(Flow.FLOWING, moment)


def test_the_ramp_does_not_rise_without_answers() -> None:
    ramping = breaker.ramp(NOW)

    assert breaker.after_time(ramping, Evidence(0, 2), NOW + 60 * SECOND) == ramping


@pytest.mark.parametrize(
    ("flow", "rate", "allowed"),
    [
        (Flow.FLOWING, 0, 0),
        (Flow.FLOWING, 20, 20),
        (Flow.RAMPING, 0, 5),
        (Flow.RAMPING, 20, 5),
        (Flow.RAMPING, 2, 2),
    ],
)
def test_the_smaller_of_ramp_and_limit_counts(flow: Flow, rate: float, allowed: float) -> None:
    assert breaker.per_second(make_condition(flow), rate) == allowed
