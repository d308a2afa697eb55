"""How many requests a key may send: over several processes, each with a till of its own."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import keys, rate
from accounts.journal import SERVICE
from accounts.models import ApiKey
from accounts.rate import Till
from accounts.roles import Role
from tests.threads import at_once, no_errors

NOW = 1_800_000_000.0
RATE = 50


@pytest.fixture
def key(db: None) -> ApiKey:
    return keys.create(SERVICE, "a key", Role.OPERATOR)[0]


def allowed(key: ApiKey, tills: list[Till], *, asked_a_second: int, seconds: float, start: float = NOW) -> int:
    """How many of the requests, spread evenly over time and processes, are not refused."""
    times = [start + number / asked_a_second for number in range(int(asked_a_second * seconds))]
    return sum(tills[number % len(tills)].wait_s(key.pk, RATE, moment) == 0 for number, moment in enumerate(times))


def test_two_seconds_worth_at_once_and_then_one_waits(key: ApiKey) -> None:
    till = Till()

    waits = [till.wait_s(key.pk, RATE, NOW) for _ in range(110)]

    assert waits[:100] == [0] * 100
    assert all(0 < wait <= 0.1 for wait in waits[100:])


@pytest.mark.parametrize("processes", [1, 2, 8])
def test_a_flood_gets_the_rate_and_not_more(key: ApiKey, processes: int) -> None:
    tills = [Till() for _ in range(processes)]

    got = allowed(key, tills, asked_a_second=200, seconds=4)

    most = RATE * 4 + RATE * 2
    assert most * 0.95 <= got <= most + processes * RATE * rate.AHEAD_S


@pytest.mark.parametrize(("processes", "asked"), [(1, 50), (2, 48), (8, 40), (20, 20)])
def test_who_keeps_to_the_rate_is_never_refused(key: ApiKey, processes: int, asked: int) -> None:
    tills = [Till() for _ in range(processes)]

    assert allowed(key, tills, asked_a_second=asked, seconds=4) == asked * 4


def test_after_the_wait_it_goes_on(key: ApiKey) -> None:
    till = Till()
    for _ in range(100):
        till.wait_s(key.pk, RATE, NOW)
    wait = till.wait_s(key.pk, RATE, NOW)

    assert till.wait_s(key.pk, RATE, NOW + wait - 0.001) > 0
    assert till.wait_s(key.pk, RATE, NOW + wait) == 0


def test_a_slow_rate_lets_one_through_and_says_when_the_next(key: ApiKey) -> None:
    till = Till()

    waits = [till.wait_s(key.pk, 0.1, NOW + after) for after in (0, 1, 9.9, 10)]

    assert waits == [0, pytest.approx(9), pytest.approx(0.1), 0]


def test_keys_do_not_share(key: ApiKey) -> None:
    till, other = Till(), keys.create(SERVICE, "another", Role.OPERATOR)[0]
    while till.wait_s(key.pk, RATE, NOW) == 0:
        pass

    assert till.wait_s(other.pk, RATE, NOW) == 0


def test_many_requests_are_few_writes_and_a_flood_is_not_many_more(key: ApiKey) -> None:
    till = Till()
    with CaptureQueriesContext(
        connection,
    ) as busy:
        allowed(key, [till], asked_a_second=50, seconds=4)
    with CaptureQueriesContext(connection) as flooded:
        allowed(key, [till], asked_a_second=1000, seconds=2, start=NOW + 100)

    assert len(busy) <= 200 / 4
    assert len(flooded) <= 2000 / 10


def test_a_clock_that_was_wrong_locks_nobody_out(key: ApiKey) -> None:
    Till().wait_s(key.pk, RATE, NOW + 86_400)

    assert Till().wait_s(key.pk, RATE, NOW) == 0
    till = Till()
    till.wait_s(key.pk, RATE, NOW + 86_400)
    assert allowed(key, [till], asked_a_second=200, seconds=2) <= RATE * 4


@pytest.mark.django_db(transaction=True)
def test_processes_at_the_same_moment_spend_each_request_once() -> None:
    key = keys.create(SERVICE, "a key", Role.OPERATOR)[0]

    def spend() -> int:
        till = Till()
        return sum(till.wait_s(key.pk, RATE, NOW) == 0 for _ in range(110))

    got = no_errors(at_once(*[spend] * 4))

    assert sum(got) == 100


@pytest.mark.django_db(transaction=True)
def test_threads_share_what_their_process_holds() -> None:
    key, till = keys.create(SERVICE, "a key", Role.OPERATOR)[0], Till()

    got = no_errors(at_once(*[lambda: sum(till.wait_s(key.pk, RATE, NOW) == 0 for _ in range(60))] * 4))

    assert sum(got) == 100
