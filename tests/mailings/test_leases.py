"""Leases, and what one holder leaves to the next."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.journal import SERVICE
from clients import operations as directory
from mailings import audience, clock, dispatch, leases, operations
from mailings.models import Lease, Message
from mailings.plans import Plan
from tests.gateway_process import GatewayProcess
from tests.worker_process import until

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SOON, LATER = NOW + timedelta(seconds=5), NOW + timedelta(seconds=30)


@pytest.mark.django_db
def test_a_lease_is_one_holders_until_its_time_is_over() -> None:
    assert leases.take("job", "a", NOW, 10)

    assert not leases.take("job", "b", SOON, 10)
    assert leases.hold("job", "a", SOON, 10)
    assert leases.take("job", "b", LATER, 10)


@pytest.mark.django_db
def test_a_lease_that_was_let_go_is_free_at_once() -> None:
    leases.take("job", "a", NOW, 10)

    leases.let_go("job", "b", NOW)
    assert not leases.take("job", "c", SOON, 10)
    leases.let_go("job", "a", SOON)
    assert leases.take("job", "c", SOON, 10)


@pytest.mark.django_db
def test_what_a_holder_left_is_counted_and_forgotten_when_he_is_gone() -> None:
    leases.take("job", "a", NOW, 10)

    leases.leave_load("job", 7, NOW, 20)
    leases.leave_load("job", -2, SOON, 20)

    assert leases.load("job", SOON) == 5
    assert leases.load("job", LATER) == 0
    leases.leave_load("job", 3, LATER, 20)
    assert leases.load("job", LATER) == 3


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_two_runs_that_follow_each_other_never_have_more_in_flight_than_one(
    gateway: GatewayProcess, settings: Settings
) -> None:
    settings.GATEWAY_URL, settings.GATEWAY_CONCURRENCY, settings.GATEWAY_TIMEOUT = gateway.url, 10, 5
    gateway.control(latency="1500ms")
    _launch_to(25)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(_closing, lambda: dispatch.run(stopping=lambda: False, places=1, budget_s=0.5))
        until(lambda: Lease.objects.filter(name="dispatch-1", holder="", load__gt=0).exists())
        second = dispatch.run(stopping=lambda: False, places=1, budget_s=30)

    assert first.result() + second == 25
    assert gateway.stats()["peak_in_flight"] == 10
    assert Lease.objects.get(name="dispatch-1").load == 0
    assert set(Message.objects.values_list("state", flat=True)) == {"sent"}


def _launch_to(clients: int) -> None:
    rows = [{"phone": 79_000_000_000 + n, "timezone": "Europe/Moscow"} for n in range(clients)]
    directory.put_many(SERVICE, rows)
    now = clock.now()
    plan = Plan(text="Hello", starts_at=now, ends_at=now + timedelta(minutes=5))
    mailing = operations.create(SERVICE, plan, everyone=True)
    while audience.materialise(mailing.pk, now=clock.now()):
        pass  # on PostgreSQL the ids go on from test to test, so the first chunk may hold nobody


def _closing(work: Callable[[], int]) -> int:
    try:
        return work()
    finally:
        connection.close()
