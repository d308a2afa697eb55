"""Counts that are folded while everything moves: each thread has its own connection and its own transactions."""

from functools import partial
from itertools import product

import pytest

from accounts.journal import SERVICE
from clients import operations as directory
from mailings import clock, operations, queries, queue, tally
from mailings.models import Tally
from mailings.policy import Job, Reason, State, Verdict
from tests.makers import make_clients, make_jobs, make_running_mailing, make_settlements
from tests.threads import at_once, no_errors

pytestmark = pytest.mark.django_db(transaction=True)

SENT = Verdict(State.SENT, Reason.ACCEPTED)


def settle_all(jobs: list[Job]) -> None:
    queue.settle(make_settlements(jobs, SENT), now=clock.now())


def test_counts_are_right_at_every_instant_while_they_are_folded() -> None:
    mailing = make_running_mailing(clients=60)
    sums: set[int] = set()

    def send() -> None:
        while jobs := make_jobs(mailing, 2):
            queue.settle(make_settlements(jobs, SENT), now=clock.now())

    def fold() -> None:
        for _ in range(40):
            tally.fold(3)

    def look() -> None:
        for _ in range(40):
            found = queries.statistics(mailing.pk)
            sums.add(found.progress.recipients)
            sums.update(share.recipients for share in found.by_timezone)
            sums.add(sum(found.by_reason.values()))
            assert [min(share.by_state.values()) for share in found.by_timezone] == [0]

    no_errors(at_once(send, send, fold, fold, look))
    while tally.fold():
        pass

    assert sums == {60}
    assert not Tally.objects.exists()
    assert tally.differences() == []
    assert tally.counts([mailing.pk])[mailing.pk][State.SENT] == 60


def test_counts_are_folded_while_clients_move_and_are_deleted_and_a_mailing_is_cancelled() -> None:
    clients = make_clients(30, timezone="UTC", tag="vip")
    mailings = [make_running_mailing() for _ in range(3)]
    movers = [client.pk for client in clients[:15]]

    def move() -> None:
        for pk, zone in [*product(movers, ["Asia/Tokyo"]), *product(movers, ["Europe/Moscow"])]:
            directory.change(SERVICE, pk, timezone=zone)

    def delete() -> None:
        for client in clients[15:]:
            directory.delete(SERVICE, client.pk)

    def send() -> None:
        for mailing in mailings * 10:
            settle_all(make_jobs(mailing, 2))

    def fold() -> None:
        for _ in range(60):
            tally.fold(4)
            assert tally.differences() == []

    no_errors(at_once(move, delete, send, partial(operations.cancel, SERVICE, mailings[2].pk), fold, fold))

    assert tally.differences() == []
    for mailing in mailings:
        found = queries.statistics(mailing.pk)
        assert found.progress.recipients == 30
        assert [(share.value, share.recipients) for share in found.by_tag] == [("vip", 30)]
        assert sum(share.recipients for share in found.by_timezone) == 30
