"""What an outcome means for a message: every cell of the table, and the delays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailings.gateway import Cause, Kind
from mailings.policy import (
    KIND_OF,
    RETRY_CAP_S,
    STRIKES,
    Job,
    OnUnknown,
    Reason,
    State,
    Verdict,
    end_of_waiting,
    is_well,
    retry_delay,
    shares,
    verdict,
)
from tests.makers import make_outcome

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
JOB = Job(
    id=1,
    mailing_id=1,
    phone="79001234567",
    text="Hello",
    attempt=3,
    strikes=2,
    token=1,
    lease_until=NOW + timedelta(seconds=30),
    ends_at=NOW + timedelta(hours=1),
    on_unknown=OnUnknown.RESEND,
)
HOLDING = replace(JOB, on_unknown=OnUnknown.HOLD)
TRANSIENT = [cause for cause, kind in KIND_OF.items() if kind in (Kind.NOT_SENT, Kind.UNKNOWN)]
NOT_SENT = [cause for cause, kind in KIND_OF.items() if kind is Kind.NOT_SENT]
UNKNOWN = [cause for cause, kind in KIND_OF.items() if kind is Kind.UNKNOWN]
# in these the message itself cannot be at fault
BLAMELESS = {Cause.NO_CONNECTION, Cause.NOT_BEGUN, Cause.THROTTLED, Cause.UNAUTHORISED, Cause.WORKER_LOST}
WAITS_BECAUSE = {Cause.THROTTLED: Reason.RETRY_THROTTLED, Cause.UNAUTHORISED: Reason.RETRY_UNAUTHORISED}


@pytest.mark.parametrize("job", [JOB, HOLDING], ids=["resend", "hold"])
@pytest.mark.parametrize("now", [NOW, JOB.ends_at, JOB.ends_at + timedelta(hours=1)], ids=str)
def test_an_accepted_message_is_sent_even_when_the_answer_came_after_the_end(job: Job, now: datetime) -> None:
    assert verdict(make_outcome(), job, now, 0.5) == Verdict(State.SENT, Reason.ACCEPTED)


@pytest.mark.parametrize("job", [JOB, HOLDING], ids=["resend", "hold"])
@pytest.mark.parametrize("now", [NOW, JOB.ends_at], ids=["before the end", "at the end"])
def test_a_refused_message_has_failed(job: Job, now: datetime) -> None:
    assert verdict(make_outcome(Cause.REFUSED), job, now, 0.5) == Verdict(State.FAILED, Reason.REFUSED)


@pytest.mark.parametrize("cause", NOT_SENT)
@pytest.mark.parametrize("job", [JOB, HOLDING], ids=["resend", "hold"])
def test_what_was_not_sent_is_tried_again(cause: Cause, job: Job) -> None:
    found = verdict(make_outcome(cause), job, NOW, 0.5)

    assert found.state is State.QUEUED
    assert found.reason is WAITS_BECAUSE.get(cause, Reason.RETRY_NOT_SENT)
    assert found.due_at == NOW + timedelta(seconds=2)


@pytest.mark.parametrize("cause", UNKNOWN)
def test_an_unknown_outcome_is_resent_when_the_mailing_says_so(cause: Cause) -> None:
    found = verdict(make_outcome(cause), JOB, NOW, 0.5)

    assert (found.state, found.reason) == (State.QUEUED, Reason.RETRY_UNKNOWN)
    assert found.due_at == NOW + timedelta(seconds=2)


@pytest.mark.parametrize("cause", UNKNOWN)
@pytest.mark.parametrize("now", [NOW, JOB.ends_at], ids=["before the end", "at the end"])
@pytest.mark.parametrize("strikes", [0, STRIKES - 1, STRIKES])
def test_an_unknown_outcome_is_held_when_the_mailing_says_so(cause: Cause, now: datetime, strikes: int) -> None:
    found = verdict(make_outcome(cause), replace(HOLDING, strikes=strikes), now, 0.5)

    reason = Reason.WORKER_LOST if cause is Cause.WORKER_LOST else Reason.NO_ANSWER
    assert found == Verdict(State.UNKNOWN, reason)


@pytest.mark.parametrize(
    ("tried", "doubtful", "cancelled", "state", "reason"),
    [
        (False, False, False, State.EXPIRED, Reason.END_BEFORE_TURN),
        (True, False, False, State.EXPIRED, Reason.END_WHILE_RETRYING),
        (True, True, False, State.UNKNOWN, Reason.END_BEFORE_ANSWER),
        (False, False, True, State.CANCELLED, Reason.MAILING_CANCELLED),
        (True, False, True, State.CANCELLED, Reason.MAILING_CANCELLED),
        (True, True, True, State.UNKNOWN, Reason.END_BEFORE_ANSWER),
    ],
)
def test_what_may_have_been_sent_is_never_called_unsent_when_the_mailing_is_over(
    tried: bool, doubtful: bool, cancelled: bool, state: State, reason: Reason
) -> None:
    found = end_of_waiting(tried=tried, doubtful=doubtful, cancelled=cancelled)

    assert found == (state, reason)


@pytest.mark.parametrize(
    ("recent", "well"),
    [
        ([], False),
        ([True] * 24, False),
        ([True] * 25, True),
        ([True, False] * 25, False),
        ([True] * 26 + [False] * 24, True),
    ],
)
def test_the_gateway_is_well_when_most_of_enough_recent_answers_were_decisions(
    recent: list[bool], well: bool
) -> None:
    assert is_well(recent) is well


@pytest.mark.parametrize("cause", TRANSIENT)
def test_a_strike_counts_only_when_the_message_may_be_at_fault(cause: Cause) -> None:
    found = verdict(make_outcome(cause), JOB, NOW, 0.5)

    assert found.strikes == (JOB.strikes if cause in BLAMELESS else JOB.strikes + 1)


@pytest.mark.parametrize("cause", TRANSIENT)
def test_while_the_gateway_is_in_trouble_nothing_is_a_strike(cause: Cause) -> None:
    found = verdict(make_outcome(cause), replace(JOB, strikes=STRIKES - 1), NOW, 0.5, gateway_well=False)

    assert (found.state, found.strikes) == (State.QUEUED, STRIKES - 1)


@pytest.mark.parametrize("cause", sorted(set(TRANSIENT) - BLAMELESS))
def test_the_twentieth_strike_is_the_end_of_trying(cause: Cause) -> None:
    before_last = verdict(make_outcome(cause), replace(JOB, strikes=STRIKES - 2), NOW, 0.5)
    last = verdict(make_outcome(cause), replace(JOB, strikes=STRIKES - 1), NOW, 0.5)

    assert before_last.state is State.QUEUED
    assert last == Verdict(State.FAILED, Reason.TOO_MANY_ATTEMPTS, strikes=STRIKES)


@pytest.mark.parametrize("cause", sorted(BLAMELESS))
def test_an_outage_fails_nobody_however_long_it_lasts(cause: Cause) -> None:
    job = replace(JOB, attempt=1, strikes=0)

    for attempt in range(1, 200):
        found = verdict(make_outcome(cause), replace(job, attempt=attempt), NOW, 0.99)
        assert found.state is State.QUEUED
        job = replace(job, strikes=found.strikes)


def test_a_wait_that_the_gateway_asked_for_is_kept() -> None:
    found = verdict(make_outcome(Cause.THROTTLED, retry_after_s=90.0), JOB, NOW, 0.5)

    assert found.due_at == NOW + timedelta(seconds=90)


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_retry_waits_between_nothing_and_its_ceiling(attempt: int, chance: float) -> None:
    delay = retry_delay(attempt, chance)

    assert 0 <= delay <= min(RETRY_CAP_S, 2.0 ** min(attempt - 1, 60))
    assert delay < RETRY_CAP_S


@pytest.mark.parametrize(
    ("attempt", "ceiling"),
    [(1, 1), (2, 2), (3, 4), (4, 8), (8, 128), (9, 256), (10, 300), (11, 300), (1000, 300)],
)
def test_the_ceiling_doubles_from_a_second_to_five_minutes(attempt: int, ceiling: float) -> None:
    assert retry_delay(attempt, 1.0) == ceiling
    assert retry_delay(attempt, 0.5) == ceiling / 2
    assert retry_delay(attempt, 0.0) == 0


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True), st.floats(0, 3600))
def test_a_retry_never_comes_before_the_gateway_allows_it(attempt: int, chance: float, told: float) -> None:
    assert retry_delay(attempt, chance, at_least=told) >= told


@pytest.mark.parametrize(
    ("capacity", "in_flight", "expected"),
    [
        (100, [], []),
        (100, [0], [100]),
        (100, [40], [60]),
        (100, [0, 0], [50, 50]),
        (100, [50, 0], [0, 50]),
        (100, [90, 0], [0, 50]),
        (10, [0, 0, 0], [3, 3, 3]),
        (2, [0, 0, 0], [1, 1, 1]),
        (2, [1, 1, 0], [0, 0, 1]),
        (1, [0], [1]),
    ],
)
def test_places_are_shared_equally(capacity: int, in_flight: list[int], expected: list[int]) -> None:
    assert shares(capacity, in_flight) == expected


@given(st.integers(1, 500), st.lists(st.integers(0, 500), max_size=30))
def test_no_mailing_gets_more_than_its_part_and_each_gets_at_least_a_place(
    capacity: int, in_flight: list[int]
) -> None:
    given_ = shares(capacity, in_flight)

    assert len(given_) == len(in_flight)
    for busy, more in zip(in_flight, given_, strict=True):
        assert more >= 0
        assert busy + more >= 1
        assert more == 0 or busy + more <= max(1, capacity // len(in_flight))
