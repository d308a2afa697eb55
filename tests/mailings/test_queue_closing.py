"""Closing, retrying by hand, and clients who are stopped, forgotten or moved."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.journal import SERVICE
from clients import operations as directory
from clients.models import Client
from mailings import clock, operations, queue, tally
from mailings.gateway import Cause
from mailings.models import Mailing, MailingState, Message
from mailings.policy import Reason, State, Verdict
from tests.makers import make_client, make_jobs, make_outcome, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db


def facts(mailing: Mailing) -> list[tuple[str, str]]:
    """State and reason of each message, oldest first."""
    return list(mailing.messages.order_by("id").values_list("state", "reason"))


def more_messages(mailing: Mailing, number: int, *, state: State = State.QUEUED) -> None:
    """Rows without clients, and their tally: what a big mailing has."""
    now = clock.now()
    row: dict[str, Any] = {"operator_code": "900", "timezone": "UTC", "due_at": now, "created_at": now}
    rows = [Message(mailing=mailing, state=state, reason=Reason.TURN, **row) for _ in range(number)]
    Message.objects.bulk_create(rows, batch_size=2000)
    changes = tally.Changes()
    changes.come((mailing.pk, state, Reason.TURN), *[("900", "", "UTC")] * number)
    tally.add(changes, now)


def settle(mailing: Mailing, number: int, state: State, reason: Reason) -> None:
    due_at = clock.now() if state is State.QUEUED else None
    jobs = make_jobs(mailing, number)
    assert len(jobs) == number
    queue.settle(make_settlements(jobs, Verdict(state, reason, due_at)), now=clock.now())


def test_at_the_end_what_waits_expires_and_says_whether_it_was_tried() -> None:
    mailing = make_running_mailing(clients=4)
    settle(mailing, 1, State.SENT, Reason.ACCEPTED)
    settle(mailing, 1, State.QUEUED, Reason.RETRY_NOT_SENT)
    make_jobs(mailing, 1)

    assert operations.finish_done(mailing.ends_at) == 1
    assert operations.close_ended(mailing.ends_at) == 0

    assert sorted(facts(mailing)) == [
        (State.EXPIRED, Reason.END_BEFORE_TURN),
        (State.EXPIRED, Reason.END_WHILE_RETRYING),
        (State.SENDING, Reason.IN_FLIGHT),
        (State.SENT, Reason.ACCEPTED),
    ]
    assert tally.differences() == []


def test_what_an_attempt_may_have_sent_is_unknown_at_the_end() -> None:
    mailing = make_running_mailing(clients=2)
    jobs = make_jobs(mailing, 2)
    verdict = Verdict(State.QUEUED, Reason.RETRY_UNKNOWN, clock.now())
    unclear = make_settlements(jobs, verdict, make_outcome(Cause.SERVER_ERROR))
    queue.settle(unclear, now=clock.now())

    operations.finish_done(mailing.ends_at)
    operations.close_ended(mailing.ends_at)

    assert facts(mailing) == 2 * [(State.UNKNOWN, Reason.END_BEFORE_ANSWER)]
    assert tally.differences() == []


def test_closing_goes_in_steps_and_ends_only_when_nothing_is_open() -> None:
    mailing = make_running_mailing(clients=1)
    more_messages(mailing, queue.STEP + 100)
    in_flight = make_jobs(mailing, 1)
    operations.finish_done(mailing.ends_at)

    steps = [operations.close_ended(mailing.ends_at) for _ in range(3)]

    assert steps == [0, 0, 0]
    assert mailing.messages.filter(state=State.EXPIRED).count() == queue.STEP + 100
    queue.settle(make_settlements(in_flight, Verdict(State.SENT, Reason.ACCEPTED)), now=mailing.ends_at)
    assert operations.close_ended(mailing.ends_at) == 1
    assert operations.close_ended(mailing.ends_at) == 0
    assert tally.differences() == []


def test_cancelling_a_big_mailing_stops_it_at_once_and_closes_it_in_steps() -> None:
    mailing = make_running_mailing(clients=1)
    more_messages(mailing, 2 * queue.STEP)

    operations.cancel(SERVICE, mailing.pk)

    assert mailing.messages.filter(state=State.CANCELLED).count() == queue.STEP
    assert make_jobs(Mailing.objects.get()) == []
    assert operations.close_ended(clock.now()) == 0
    assert operations.close_ended(clock.now()) == 1
    assert mailing.messages.filter(reason=Reason.MAILING_CANCELLED).count() == 2 * queue.STEP + 1
    assert tally.differences() == []


def test_closing_leaves_final_and_held_messages_as_they_are() -> None:
    mailing = make_running_mailing(clients=4, on_unknown="hold")
    for state, reason in (
        (State.SENT, Reason.ACCEPTED),
        (State.FAILED, Reason.REFUSED),
        (State.UNKNOWN, Reason.NO_ANSWER),
    ):
        settle(mailing, 1, state, reason)
    before = facts(mailing)

    operations.cancel(SERVICE, mailing.pk)

    after = facts(mailing)
    assert [entry for entry in after if entry in before] == [entry for entry in before if entry[0] != State.QUEUED]
    assert after.count((State.CANCELLED, Reason.MAILING_CANCELLED)) == 1
    assert tally.differences() == []


def test_the_failed_are_put_back_with_all_their_tries() -> None:
    mailing = make_running_mailing(clients=3)
    settle(mailing, 1, State.SENT, Reason.ACCEPTED)
    settle(mailing, 2, State.FAILED, Reason.TOO_MANY_ATTEMPTS)
    Message.objects.filter(state=State.FAILED).update(strikes=20)

    assert operations.retry_failed(SERVICE, mailing.pk).messages == 2

    assert facts(mailing).count((State.QUEUED, Reason.RETRY_BY_HAND)) == 2
    assert set(mailing.messages.exclude(state=State.SENT).values_list("strikes", flat=True)) == {0}
    assert {job.attempt for job in make_jobs(mailing)} == {2}
    assert tally.differences() == []


@pytest.fixture
def few_parameters() -> Iterator[None]:
    """As few parameters in a statement as the stingiest build of SQLite takes."""
    session = connection.connection
    if connection.vendor != "sqlite":
        yield
        return
    before = session.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
    yield
    session.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)


def test_any_number_of_failed_messages_can_be_put_back(few_parameters: None) -> None:
    mailing = make_running_mailing(clients=1)
    more_messages(mailing, 1_500, state=State.FAILED)

    assert operations.retry_failed(SERVICE, mailing.pk).messages == 1_500

    assert tally.differences() == []


def test_who_opts_out_is_cancelled_where_he_waits_and_recorded_where_he_is_in_flight() -> None:
    client = make_client()
    waiting, in_flight, sent = (make_running_mailing() for _ in range(3))
    settle(sent, 1, State.SENT, Reason.ACCEPTED)
    jobs = make_jobs(in_flight)

    directory.opt_out(SERVICE, client.pk)

    assert facts(waiting) == [(State.CANCELLED, Reason.CLIENT_OPTED_OUT)]
    assert facts(sent) == [(State.SENT, Reason.ACCEPTED)]
    queue.settle(make_settlements(jobs, Verdict(State.QUEUED, Reason.RETRY_UNKNOWN, clock.now())), now=clock.now())
    assert make_jobs(in_flight) == []
    assert facts(in_flight) == [(State.CANCELLED, Reason.CLIENT_OPTED_OUT)]
    assert tally.differences() == []


def test_a_deleted_client_is_forgotten_and_still_counts() -> None:
    client = make_client(operator_code="", phone="79012345678", tag="vip")
    waiting, in_flight, sent = (make_running_mailing() for _ in range(3))
    settle(sent, 1, State.SENT, Reason.ACCEPTED)
    jobs = make_jobs(in_flight)

    directory.delete(SERVICE, client.pk)

    assert not Client.objects.exists()
    assert set(Message.objects.values_list("client", flat=True)) == {None}
    assert set(Message.objects.values_list("operator_code", "tag")) == {("901", "vip")}
    assert facts(waiting) == [(State.CANCELLED, Reason.CLIENT_DELETED)]
    assert facts(sent) == [(State.SENT, Reason.ACCEPTED)]
    queue.settle(make_settlements(jobs, Verdict(State.QUEUED, Reason.RETRY_UNKNOWN, clock.now())), now=clock.now())
    assert make_jobs(in_flight) == []
    assert facts(in_flight) == [(State.CANCELLED, Reason.CLIENT_DELETED)]
    assert tally.differences() == []


def test_two_deleted_clients_of_one_mailing_are_two_messages() -> None:
    clients = [make_client(), make_client()]
    mailing = make_running_mailing()

    for client in clients:
        directory.delete(SERVICE, client.pk)

    assert facts(mailing) == [(State.CANCELLED, Reason.CLIENT_DELETED)] * 2
    assert operations.finish_done(clock.now()) == 1
    assert Mailing.objects.get().state == MailingState.FINISHED


def test_opting_out_twice_or_deleting_after_it_cancels_once() -> None:
    client = make_client()
    mailing = make_running_mailing()

    directory.opt_out(SERVICE, client.pk)
    directory.opt_out(SERVICE, client.pk)
    directory.delete(SERVICE, client.pk)

    assert facts(mailing) == [(State.CANCELLED, Reason.CLIENT_OPTED_OUT)]
    assert tally.differences() == []


def test_whoever_may_be_written_to_again_is_written_to_by_later_mailings_only() -> None:
    client = make_client()
    before = make_running_mailing()
    directory.opt_out(SERVICE, client.pk)
    during = make_running_mailing()

    directory.allow_again(SERVICE, client.pk)

    after = make_running_mailing()
    assert facts(before) == [(State.CANCELLED, Reason.CLIENT_OPTED_OUT)]
    assert facts(during) == []
    assert facts(after) == [(State.QUEUED, Reason.TURN)]


def test_moving_many_clients_moves_all_that_waits_for_them() -> None:
    clients = [make_client(timezone="UTC") for _ in range(3)]
    mailings = [make_running_mailing() for _ in range(2)]
    rows = [{"phone": client.phone, "timezone": "Asia/Tokyo"} for client in clients[:2]]

    directory.put_many(SERVICE, rows)

    for mailing in mailings:
        assert sorted(mailing.messages.values_list("timezone", flat=True)) == ["Asia/Tokyo", "Asia/Tokyo", "UTC"]
        assert set(mailing.zones.values_list("timezone", flat=True)) == {"Asia/Tokyo", "UTC"}


def test_closing_does_not_touch_other_mailings() -> None:
    first = make_running_mailing(clients=2)
    second = make_running_mailing()

    operations.cancel(SERVICE, first.pk)
    operations.close_ended(clock.now() + timedelta(seconds=1))

    assert facts(second) == [(State.QUEUED, Reason.TURN)] * 2
