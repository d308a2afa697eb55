"""The loop between claim and request: instants, probes, and a database that goes away just then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django.fixtures import Settings

from mailings import clock, dispatch, pace, tally
from mailings.models import Gateway, Mailing
from mailings.policy import State
from tests.gateway_process import GatewayProcess
from tests.makers import make_clients, make_running_mailing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def line(settings: Settings, gateway: GatewayProcess) -> None:
    settings.GATEWAY_URL = gateway.url
    settings.GATEWAY_TIMEOUT = 10.0
    settings.GATEWAY_CONCURRENCY = 50


def run(*, stopping: Callable[[], bool] = lambda: False) -> int:
    return dispatch.run(stopping=stopping, places=1)


def by_state(mailing: Mailing) -> dict[State, int]:
    assert tally.differences() == []
    return {state: number for state, number in tally.counts([mailing.pk])[mailing.pk].items() if number}


@contextmanager
def once_before(words: str, deed: Callable[[], None]) -> Iterator[None]:
    """Does `deed` right before the first statement that contains `words`."""
    undone = [deed]

    def look(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if undone and words in sql:
            undone.pop()()
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(look):
        yield


def test_a_database_that_goes_away_before_instants_are_promised_leaves_nothing_in_doubt(
    gateway: GatewayProcess, settings: Settings
) -> None:
    settings.GATEWAY_RATE = 200.0
    mailing = make_running_mailing(clients=5, on_unknown="hold")

    def go_away() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with once_before('UPDATE "mailings_gateway" SET "next_at"', go_away):
        run()

    assert by_state(mailing) == {State.SENT: 5}
    assert set(mailing.messages.values_list("attempts", flat=True)) == {1}
    assert len(gateway.journal()) == 5


def test_instants_that_others_were_promised_first_take_no_places(settings: Settings) -> None:
    settings.GATEWAY_RATE = 100.0
    settings.GATEWAY_CONCURRENCY = 20
    make_running_mailing(clients=30)

    def others_are_first() -> None:
        Gateway.objects.update(next_at=clock.now() + timedelta(seconds=0.8))

    with once_before("FROM mailings_message AS message LEFT JOIN", others_are_first):
        assert run() == 30


def test_a_mailing_that_the_gateway_cannot_take_is_not_the_only_one_to_be_tried(gateway: GatewayProcess) -> None:
    make_clients(3, tag="well")
    make_clients(30, tag="ill")
    ill, well = make_running_mailing(tags=("ill",)), make_running_mailing(tags=("well",))
    gateway.control(poison={str(message.pk): "500" for message in ill.messages.all()})

    pace.current(clock.now())
    for tried in range(40):
        now = clock.now()
        Gateway.objects.update(flow="broken", since=now, until=now)
        run(stopping=lambda tried=tried: len(gateway.journal()) > tried)  # type: ignore[misc]
        if by_state(well).get(State.SENT):
            break

    assert State.SENT in by_state(well)
