"""A mailing that is refused too often pauses itself, says why, and goes on when a person lets it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from mailings import clock, dispatch, operations, policy, queries
from mailings.models import Attempt, Mailing
from mailings.policy import State
from tests.gateway_process import GatewayProcess
from tests.makers import make_clients, make_running_mailing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _line(settings: Settings, gateway: GatewayProcess) -> Iterator[None]:
    settings.GATEWAY_URL = gateway.url
    settings.GATEWAY_TOKEN = "a-token"
    settings.GATEWAY_CONCURRENCY = 10
    yield
    gateway.control(latency=0, faults={}, poison={})


def run() -> None:
    dispatch.run(stopping=lambda: False, places=1)


def refuse(gateway: GatewayProcess, mailing: Mailing, number: int) -> None:
    """Lets the gateway refuse the first messages of a mailing, and no others."""
    ids = mailing.messages.order_by("id").values_list("id", flat=True)[:number]
    gateway.control(poison={str(id_): "400" for id_ in ids})


@pytest.mark.parametrize(
    ("refused", "answers", "often"),
    [(49, 49, False), (15, 50, False), (16, 50, True), (50, 50, True), (0, 50, False), (0, 0, False)],
)
def test_over_thirty_per_cent_of_fifty_are_too_many(refused: int, answers: int, *, often: bool) -> None:
    assert policy.is_refused_too_often(refused, answers) is often


def test_a_mailing_that_is_refused_too_often_pauses_itself_and_others_go_on(gateway: GatewayProcess) -> None:
    make_clients(300)
    make_clients(20, tag="well")
    bad = make_running_mailing()
    good = make_running_mailing(tags=("well",))
    refuse(gateway, bad, 320)

    run()

    bad.refresh_from_db()
    assert (bad.state, bad.pause_reason) == ("paused", "refused")
    counts = queries.progress([bad.pk, good.pk])
    assert 50 <= counts[bad.pk].by_state[State.FAILED] < 100
    assert counts[good.pk].by_state[State.SENT] == 20
    entry = JournalEntry.objects.get(verb="pause")
    assert entry.actor == "vestnik"
    told = {"reason": "refused", "refused": 50, "answers": 50}
    assert entry.details == {"before": {"state": "running"}, "after": {"state": "paused"}, **told}


def test_thirty_per_cent_do_not_pause_it(gateway: GatewayProcess) -> None:
    mailing = make_running_mailing(clients=50)
    refuse(gateway, mailing, 15)

    run()

    mailing.refresh_from_db()
    assert mailing.state == "running"


def test_resumed_it_is_judged_by_what_comes_then(gateway: GatewayProcess) -> None:
    mailing = make_running_mailing(clients=200)
    refuse(gateway, mailing, 60)
    run()
    mailing.refresh_from_db()
    assert mailing.state == "paused"

    gateway.control(poison={})
    operations.resume(SERVICE, mailing.pk)
    run()

    mailing.refresh_from_db()
    assert (mailing.state, mailing.pause_reason) == ("running", "")
    assert queries.progress([mailing.pk])[mailing.pk].by_state[State.QUEUED] == 0


def test_a_person_who_pauses_is_the_reason() -> None:
    mailing = make_running_mailing(clients=1)

    assert operations.pause(SERVICE, mailing.pk).pause_reason == "by_hand"


def test_answers_before_the_resumption_and_of_others_do_not_count(gateway: GatewayProcess) -> None:
    mailing, other = make_running_mailing(clients=60), make_running_mailing()
    refuse(gateway, mailing, 10)
    run()
    assert queries.last_answers(mailing.pk, 50, since=None)[1] == 50
    assert queries.last_answers(mailing.pk, 500, since=None) == (10, 60)
    assert queries.last_answers(other.pk, 500, since=None) == (0, 60)
    later = clock.now() + timedelta(seconds=1)
    assert queries.last_answers(mailing.pk, 500, since=later) == (0, 0)
    assert Attempt.objects.count() == 120
