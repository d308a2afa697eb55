"""Two at once, over and over: each thread has its own connection and its own transactions."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from accounts.refusals import Refused
from clients import operations as directory
from clients.models import ZONES, Client
from clients.operations import PhoneTaken
from mailings import audience, clock, operations, queue, tally
from mailings.models import Attempt, Mailing, MailingState, Message
from mailings.policy import Job, Reason, State, Verdict
from tests.makers import LEASE_S, make_client, make_clients, make_jobs, make_mailing, make_running_mailing
from tests.makers import make_settlements as settlements
from tests.threads import at_once, no_errors

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5
SENT = Verdict(State.SENT, Reason.ACCEPTED)


def all_of(deed: Callable[[], Any]) -> list[Any]:
    """What the deed gives, again and again until it gives nothing."""
    found = []
    while got := deed():
        found += got if isinstance(got, list) else [got]
    return found


def until_somebody_waits() -> None:
    """Until another session waits for a lock of ours. On SQLite nobody can see that; there is one writer."""
    until = time.monotonic() + 10
    while connection.vendor == "postgresql" and time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return


def claim(mailing: Mailing, places: int = 7) -> list[Job]:
    return queue.claim(mailing, places, now=clock.now(), lease_s=LEASE_S)


def test_no_two_claims_get_the_same_row() -> None:
    mailing = make_running_mailing(clients=200)

    results = no_errors(at_once(*[lambda: all_of(lambda: claim(mailing))] * 4))

    taken = [job.id for jobs in results for job in jobs]
    # who skipped the rows that others had locked may have left before the last ones
    taken += [job.id for job in claim(mailing, 200)]
    assert sorted(taken) == sorted(mailing.messages.values_list("id", flat=True))
    assert set(mailing.messages.values_list("attempts", flat=True)) == {1}
    assert tally.differences() == []


def test_two_who_add_recipients_add_each_client_once() -> None:
    make_clients(150)
    mailing = make_mailing(starts_at=clock.now())
    first = Client.objects.earliest("id").pk
    Mailing.objects.update(audience_cursor=first - 1)

    def add() -> None:
        while audience.materialise(mailing.pk, now=clock.now(), chunk=10):
            pass

    no_errors(at_once(add, add, add))

    per_client = Counter(mailing.messages.values_list("client", flat=True))
    assert per_client == Counter(Client.objects.values_list("id", flat=True))
    assert tally.differences() == []


@pytest.mark.parametrize("stop", [operations.pause, operations.cancel, operations.delete])
def test_what_is_claimed_after_a_stop_is_nothing(stop: Callable[..., Any]) -> None:
    for _ in range(2):
        mailing = make_running_mailing(clients=30)
        stopped = threading.Event()

        def halt(pk: int = mailing.pk, stopped: threading.Event = stopped) -> None:
            stop(SERVICE, pk)
            stopped.set()

        def take(mailing: Mailing = mailing, stopped: threading.Event = stopped) -> list[Job]:
            jobs: list[Job] = []
            while not stopped.is_set():
                jobs += claim(mailing, 1)
            return jobs

        *_, jobs = no_errors(at_once(halt, take))

        assert claim(mailing) == []
        queue.settle(settlements(jobs, SENT), now=clock.now())
        while operations.close_ended(clock.now()):
            pass
        states = Counter(mailing.messages.values_list("state", flat=True))
        rest = State.QUEUED if stop is operations.pause else State.CANCELLED
        assert states == Counter({State.SENT.value: len(jobs), rest.value: 30 - len(jobs)})
        assert tally.differences() == []
        Client.objects.all().update(opted_out_at=clock.now())


def test_a_late_settle_and_a_recovery_write_one_outcome() -> None:
    for _ in range(ROUNDS):
        mailing = make_running_mailing(clients=20)
        jobs = make_jobs(mailing)
        later = clock.now() + timedelta(seconds=LEASE_S + 1)

        def recover(later: Any = later) -> int:
            return queue.recover(now=later, lease_s=LEASE_S, chance=lambda: 0.5)

        def settle(jobs: list[Job] = jobs, later: Any = later) -> int:
            return sum(queue.settle(settlements([job], SENT), now=later) for job in jobs)

        recovered, settled = no_errors(at_once(recover, settle))

        assert recovered + settled == 20
        facts = mailing.messages.values_list("state", "attempt_log__cause")
        assert Counter(facts) <= Counter({("sent", "accepted"): settled, ("queued", "worker_lost"): recovered})
        assert Attempt.objects.filter(message__mailing=mailing).count() == 20
        assert tally.differences() == []
        operations.cancel(SERVICE, mailing.pk)
        Client.objects.all().update(opted_out_at=clock.now())


def test_two_recoveries_recover_once() -> None:
    mailing = make_running_mailing(clients=50)
    make_jobs(mailing)
    later = clock.now() + timedelta(seconds=LEASE_S + 1)

    def recover() -> int:
        return queue.recover(now=later, lease_s=LEASE_S, chance=lambda: 0.5)

    results = no_errors(at_once(recover, recover, recover))

    assert sum(results) == 50
    assert Attempt.objects.count() == 50
    assert tally.differences() == []


def test_two_clocks_start_a_mailing_once() -> None:
    for _ in range(ROUNDS):
        make_clients(1)
        mailing = make_mailing()

        def start(mailing: Mailing = mailing) -> int:
            return operations.start_due(mailing.starts_at)

        results = no_errors(at_once(start, start, start))

        assert sum(results) == 1
        assert JournalEntry.objects.filter(verb="start", subject_id=mailing.pk).count() == 1


def test_two_clocks_finish_a_mailing_once_and_close_it_whole() -> None:
    mailing = make_running_mailing(clients=100)

    def end() -> int:
        finished = operations.finish_done(mailing.ends_at)
        operations.close_ended(mailing.ends_at)
        return finished

    assert sum(no_errors(at_once(end, end, end))) == 1
    operations.close_ended(mailing.ends_at)

    assert set(mailing.messages.values_list("state", flat=True)) == {State.EXPIRED}
    assert JournalEntry.objects.filter(verb="finish").count() == 1
    assert tally.differences() == []


def test_a_start_by_hand_and_a_start_by_the_clock_are_one() -> None:
    for _ in range(ROUNDS):
        make_clients(1)
        mailing = make_mailing()
        past = clock.now() - timedelta(seconds=1)

        results = at_once(
            partial(operations.change, SERVICE, mailing.pk, starts_at=past),
            partial(operations.start_due, mailing.starts_at),
        )

        # whoever came second finds it started: the clock nothing to do, the person that its start is fixed
        assert [type(error) for error in results if isinstance(error, Exception)] in ([], [Refused])
        assert Mailing.objects.get(pk=mailing.pk).state == MailingState.RUNNING
        assert JournalEntry.objects.filter(verb="start", subject_id=mailing.pk).count() == 1


def test_clients_deleted_while_recipients_are_added_are_forgotten_or_never_there() -> None:
    clients = make_clients(60)
    mailing = make_mailing(starts_at=clock.now())
    Mailing.objects.update(audience_cursor=clients[0].pk - 1)

    def delete() -> None:
        for client in clients[::2]:
            directory.delete(SERVICE, client.pk)

    def add() -> None:
        while audience.materialise(mailing.pk, now=clock.now(), chunk=5):
            pass

    no_errors(at_once(delete, add))

    connection.check_constraints()
    kept = {client.pk for client in clients[1::2]}
    assert set(mailing.messages.exclude(client=None).values_list("client", flat=True)) == kept
    assert set(mailing.messages.filter(client=None).values_list("state", flat=True)) <= {State.CANCELLED}
    assert tally.differences() == []


def test_a_client_who_is_being_deleted_keeps_nobody_else_from_being_added() -> None:
    first, second = make_clients(2)
    mailing = make_mailing(starts_at=clock.now())

    with transaction.atomic():
        directory.delete(SERVICE, first.pk)
        results: list[Any] = []
        adding = threading.Thread(target=lambda: results.extend(at_once(lambda: add_all(mailing))))
        adding.start()
        until_somebody_waits()
    adding.join()

    no_errors(results)
    assert list(mailing.messages.values_list("client", flat=True)) == [second.pk]
    assert tally.differences() == []


def add_all(mailing: Mailing) -> None:
    while audience.materialise(mailing.pk, now=clock.now()):
        pass


def test_who_opts_out_while_recipients_are_added_is_not_written_to() -> None:
    for _ in range(ROUNDS):
        clients = make_clients(10)
        mailing = make_mailing(starts_at=clock.now())

        def opt_out(clients: list[Client] = clients) -> None:
            for client in clients[:5]:
                directory.opt_out(SERVICE, client.pk)

        no_errors(at_once(opt_out, partial(add_all, mailing)))

        assert {job.phone for job in claim(mailing, 100)} == {client.phone for client in clients[5:]}
        assert tally.differences() == []
        Client.objects.all().update(opted_out_at=clock.now())


def test_a_client_deleted_while_his_message_is_claimed_and_settled_is_forgotten() -> None:
    clients = make_clients(30)
    mailing = make_running_mailing()

    def delete() -> None:
        for client in clients:
            directory.delete(SERVICE, client.pk)

    def send() -> int:
        sent = 0
        while jobs := claim(mailing, 3):
            sent += queue.settle(settlements(jobs, SENT), now=clock.now())
        return sent

    _, sent = no_errors(at_once(delete, send))

    states = Counter(mailing.messages.values_list("state", "client"))
    assert states == Counter({("sent", None): sent, ("cancelled", None): 30 - sent})
    assert tally.differences() == []


def test_one_phone_is_created_once() -> None:
    for number in range(ROUNDS):
        phone = f"7999000000{number}"

        results = at_once(*[partial(make_client, phone=phone)] * 3)

        assert Counter(type(result) for result in results) == Counter({Client: 1, PhoneTaken: 2})


def test_two_batches_with_the_same_phones_in_opposite_order_both_come_through() -> None:
    rows = [{"phone": f"7999{number:07d}", "timezone": "UTC"} for number in range(2_000)]

    for tag in ("new", "changed"):
        tagged = [{**row, "tag": tag} for row in rows]
        batches = [partial(directory.put_many, SERVICE, rows) for rows in (tagged, tagged[::-1])]
        no_errors(at_once(*batches))

    assert Client.objects.filter(tag="changed").count() == 2_000


def test_messages_follow_clients_who_move_while_they_are_claimed() -> None:
    clients = make_clients(30, timezone="UTC")
    mailing = make_running_mailing()

    def move() -> None:
        for client in clients:
            directory.change(SERVICE, client.pk, timezone="Asia/Tokyo")

    def take() -> list[Job]:
        return all_of(lambda: claim(mailing, 2))

    _, jobs = no_errors(at_once(move, take))
    jobs += claim(mailing, 100)

    assert len(jobs) == len({job.id for job in jobs}) == 30
    assert Message.objects.filter(state=State.SENDING).count() == 30
    assert tally.differences() == []


def test_no_message_is_in_a_zone_that_the_claim_does_not_know() -> None:
    zones = sorted(ZONES)
    for _ in range(ROUNDS):
        clients = make_clients(100, timezone="UTC")
        mailing = make_mailing(starts_at=clock.now())
        Mailing.objects.filter(pk=mailing.pk).update(audience_cursor=clients[0].pk - 1)

        def move(clients: list[Client] = clients) -> None:
            for client, zone in zip(clients, zones, strict=False):
                directory.change(SERVICE, client.pk, timezone=zone)

        def add(mailing: Mailing = mailing) -> None:
            while audience.materialise(mailing.pk, now=clock.now(), chunk=2):
                pass

        no_errors(at_once(move, add))

        known = set(mailing.zones.values_list("timezone", flat=True))
        assert set(mailing.messages.values_list("timezone", flat=True)) <= known
        # who moved unnoticed goes to his new zone at the first claim and is taken by the next
        assert len(claim(mailing, 200) + claim(mailing, 200)) == 100
        Client.objects.all().update(opted_out_at=clock.now())
