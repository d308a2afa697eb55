"""The claim: which messages it takes, in which order, and what it leaves alone."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from accounts.journal import SERVICE
from clients import operations as directory
from clients.models import Client
from mailings import clock, operations, policy, queue, tally
from mailings.gateway import Cause
from mailings.models import Mailing, MailingZone, Message
from mailings.policy import OnUnknown, Reason, State, Verdict
from mailings.windows import Window, is_open
from tests.makers import (
    LEASE_S,
    make_client,
    make_clients,
    make_jobs,
    make_mailing,
    make_outcome,
    make_running_mailing,
    make_settlements,
)

pytestmark = pytest.mark.django_db

ZONES = [f"Etc/GMT{hours:+d}" for hours in range(-12, 12)]
SUMMER = datetime(2027, 7, 1, 12, tzinfo=UTC)
FAR = datetime(2030, 1, 1, tzinfo=UTC)


def claim(mailing: Mailing, places: int = 1000, *, now: datetime | None = None) -> list[int]:
    """The ids of the messages that a claim takes."""
    return [job.id for job in queue.claim(mailing, places, now=now or clock.now(), lease_s=LEASE_S)]


def states(mailing: Mailing) -> dict[State, int]:
    """How many messages are in each state, by counting."""
    found = [State(state) for state in mailing.messages.values_list("state", flat=True)]
    return {state: found.count(state) for state in set(found)}


def test_a_claimed_message_is_sending_with_an_attempt_a_lease_and_a_token() -> None:
    mailing = make_running_mailing(clients=3)
    now = clock.now()

    jobs = queue.claim(mailing, 10, now=now, lease_s=LEASE_S)

    assert len(jobs) == 3
    for message in mailing.messages.all():
        (job,) = (job for job in jobs if job.id == message.pk)
        assert (message.state, message.reason) == (State.SENDING, Reason.IN_FLIGHT)
        assert (message.attempts, job.attempt) == (1, 1)
        assert message.lease_token == job.token
        assert message.lease_until == job.lease_until == now + timedelta(seconds=LEASE_S)
    assert tally.counts([mailing.pk])[mailing.pk][State.SENDING] == 3
    assert tally.differences() == []


def test_a_job_says_whom_to_write_what_and_until_when() -> None:
    client = make_client(attributes={"name": "Анна"})
    mailing = make_running_mailing(text="Hello, {{ name|you }}", on_unknown="hold")

    (job,) = make_jobs(mailing)

    assert (job.phone, job.text) == (client.phone, "Hello, Анна")
    assert (job.mailing_id, job.ends_at, job.on_unknown) == (mailing.pk, mailing.ends_at, OnUnknown.HOLD)


def test_a_claim_takes_no_more_than_there_are_places() -> None:
    mailing = make_running_mailing(clients=5)

    assert claim(mailing, 0) == []
    assert claim(mailing, -1) == []
    assert len(claim(mailing, 2)) == 2
    assert states(mailing) == {State.SENDING: 2, State.QUEUED: 3}


def test_no_message_is_claimed_twice() -> None:
    mailing = make_running_mailing(clients=5)

    taken = [*claim(mailing, 2), *claim(mailing, 2), *claim(mailing, 2), *claim(mailing, 2)]

    assert sorted(taken) == sorted(mailing.messages.values_list("id", flat=True))


def test_each_claim_has_a_token_of_its_own() -> None:
    mailing = make_running_mailing(clients=2)

    tokens = {job.token for _ in range(2) for job in make_jobs(mailing, 1)}

    assert len(tokens) == 2


def test_only_due_messages_are_claimed_the_longest_due_first() -> None:
    mailing = make_running_mailing(clients=4)
    now = clock.now()
    first, second, third, fourth = mailing.messages.order_by("id")
    for message, ago in ((first, 1), (second, 5), (third, 5), (fourth, -1)):
        Message.objects.filter(pk=message.pk).update(due_at=now - timedelta(seconds=ago))

    assert claim(mailing, 2, now=now) == [second.pk, third.pk]
    assert claim(mailing, 2, now=now) == [first.pk]
    assert claim(mailing, 2, now=now + timedelta(seconds=1)) == [fourth.pk]


def test_the_zone_whose_window_closes_soonest_comes_first() -> None:
    for zone in ("Etc/GMT-1", "Etc/GMT-3", "Etc/GMT-2"):
        make_client(timezone=zone)
    mailing = make_running_mailing(ends_at=FAR, send_from=time(10), send_until=time(20))

    zones = [mailing.messages.get(pk=pk).timezone for _ in range(3) for pk in claim(mailing, 1, now=SUMMER)]

    assert zones == ["Etc/GMT-3", "Etc/GMT-2", "Etc/GMT-1"]


def test_a_window_that_is_open_in_half_of_the_zones_takes_exactly_that_half() -> None:
    for zone in ZONES:
        make_clients(2, timezone=zone)
    mailing = make_running_mailing(ends_at=FAR, send_from=time(6), send_until=time(18))

    taken = Message.objects.filter(pk__in=claim(mailing, now=SUMMER + timedelta(minutes=1)))

    expected = {zone for zone in ZONES if 6 <= SUMMER.astimezone(ZoneInfo(zone)).hour < 18}
    assert len(expected) == 12
    assert {message.timezone for message in taken} == expected
    assert len(taken) == 24


@pytest.mark.parametrize("window", [Window(time(10), time(20)), Window(time(22), time(7))], ids=str)
def test_nobody_is_claimed_outside_his_window_at_any_hour(window: Window) -> None:
    for zone in ZONES:
        make_client(timezone=zone)
    mailing = make_running_mailing(ends_at=FAR, send_from=window.start, send_until=window.until)

    for hour in range(25):
        now = SUMMER + timedelta(hours=hour)
        for message in Message.objects.filter(pk__in=claim(mailing, now=now)):
            assert is_open(window, message.timezone, now)

    assert states(mailing) == {State.SENDING: len(ZONES)}


def test_nothing_is_begun_in_the_last_moment_of_a_window() -> None:
    make_client(timezone="UTC")
    mailing = make_running_mailing(ends_at=FAR, send_from=time(10), send_until=time(20))
    closing = datetime(2027, 7, 1, 20, tzinfo=UTC)

    assert claim(mailing, now=closing - timedelta(milliseconds=200)) == []
    assert not queue.due_exists(closing - timedelta(milliseconds=200))
    assert queue.due_exists(closing - timedelta(milliseconds=300))
    assert len(claim(mailing, now=closing - timedelta(milliseconds=300))) == 1


def test_a_changed_window_holds_at_once() -> None:
    make_client(timezone="UTC")
    mailing = make_running_mailing(ends_at=FAR, send_from=time(10), send_until=time(11))
    assert claim(mailing, now=SUMMER) == []

    changed = operations.change(SERVICE, mailing.pk, send_until=time(13))

    assert len(claim(changed, now=SUMMER)) == 1


@pytest.mark.parametrize("after", [timedelta(0), timedelta(microseconds=1), timedelta(days=1)], ids=str)
def test_nothing_is_claimed_from_the_end_on(after: timedelta) -> None:
    mailing = make_running_mailing(clients=1)

    assert claim(mailing, now=mailing.ends_at + after) == []
    assert queue.running(mailing.ends_at + after) == []


def test_a_mailing_about_to_end_begins_nothing_more() -> None:
    mailing = make_running_mailing(clients=1)

    assert queue.running(mailing.ends_at - timedelta(milliseconds=200)) == []
    assert queue.running(mailing.ends_at - timedelta(milliseconds=300)) == [mailing]


def test_only_running_mailings_are_claimed_from() -> None:
    running, paused, cancelled, deleted = (make_running_mailing(clients=1) for _ in range(4))
    operations.pause(SERVICE, paused.pk)
    operations.cancel(SERVICE, cancelled.pk)
    operations.delete(SERVICE, deleted.pk)
    make_mailing()
    make_mailing(draft=True)

    assert queue.running(clock.now()) == [running]
    for mailing in Mailing.objects.exclude(pk=running.pk):
        assert claim(mailing) == []


@pytest.mark.parametrize("verb", [operations.pause, operations.cancel, operations.delete])
def test_a_mailing_that_was_stopped_since_it_was_read_is_not_claimed_from(verb: object) -> None:
    mailing = make_running_mailing(clients=1)
    assert callable(verb)

    verb(SERVICE, mailing.pk)

    assert mailing.state == "running"
    assert claim(mailing) == []


def test_a_client_who_opted_out_since_the_audience_was_fixed_is_cancelled_at_the_claim() -> None:
    mailing = make_running_mailing(clients=2)
    client = Client.objects.earliest("id")
    Client.objects.filter(pk=client.pk).update(opted_out_at=clock.now())

    taken = claim(mailing)

    message = mailing.messages.get(client=client)
    assert (message.state, message.reason) == (State.CANCELLED, Reason.CLIENT_OPTED_OUT)
    assert taken == [mailing.messages.get(state=State.SENDING).pk]
    assert tally.differences() == []


def test_a_client_who_is_no_more_is_cancelled_at_the_claim() -> None:
    mailing = make_running_mailing(clients=1)
    mailing.messages.update(client=None)

    assert claim(mailing) == []

    assert (message := mailing.messages.get()).state == State.CANCELLED
    assert message.reason == Reason.CLIENT_DELETED
    assert tally.differences() == []


def test_a_client_who_moved_unnoticed_goes_to_his_new_zone_at_the_claim() -> None:
    client = make_client(timezone="Etc/GMT-1")
    mailing = make_running_mailing(ends_at=FAR, send_from=time(12), send_until=time(14))
    Client.objects.filter(pk=client.pk).update(timezone="Etc/GMT-8")

    assert claim(mailing, now=SUMMER) == []

    assert mailing.messages.get().timezone == "Etc/GMT-8"
    assert mailing.messages.get().state == State.QUEUED
    assert claim(mailing, now=SUMMER + timedelta(hours=17)) == [mailing.messages.get().pk]


def test_a_waiting_message_follows_its_client_into_a_zone_the_mailing_did_not_have() -> None:
    client = make_client(timezone="Etc/GMT-1")
    mailing = make_running_mailing(ends_at=FAR, send_from=time(10), send_until=time(11))
    assert claim(mailing, now=SUMMER) == []

    directory.change(SERVICE, client.pk, timezone="Etc/GMT+2")

    assert set(MailingZone.objects.values_list("timezone", flat=True)) == {"Etc/GMT-1", "Etc/GMT+2"}
    assert len(claim(mailing, now=SUMMER)) == 1


def test_a_message_in_flight_keeps_the_zone_it_was_sent_in() -> None:
    client = make_client(timezone="Etc/GMT-1")
    mailing = make_running_mailing()
    make_jobs(mailing)

    directory.change(SERVICE, client.pk, timezone="Etc/GMT+2")

    assert mailing.messages.get().timezone == "Etc/GMT-1"


def test_work_is_due_only_when_a_claim_would_find_some() -> None:
    make_client(timezone="UTC")
    mailing = make_running_mailing(ends_at=FAR, send_from=time(10), send_until=time(13))

    assert queue.due_exists(SUMMER)
    assert not queue.due_exists(SUMMER + timedelta(hours=2))
    assert claim(mailing, now=SUMMER)
    assert not queue.due_exists(SUMMER)


def test_a_job_knows_when_its_clients_window_closes() -> None:
    make_client(timezone="Europe/Moscow")
    make_client(timezone="Asia/Yekaterinburg")
    mailing = make_running_mailing(send_from=time(10), send_until=time(20), ends_at=FAR)

    jobs = queue.claim(mailing, 2, now=SUMMER, lease_s=LEASE_S)

    assert {job.closes_at for job in jobs} == {SUMMER.replace(hour=15), SUMMER.replace(hour=17)}


def test_what_waits_to_be_sent_again_is_held_once_the_mailing_says_hold() -> None:
    mailing = make_running_mailing(clients=3)
    first = make_jobs(mailing, 1)
    again = Verdict(State.QUEUED, Reason.RETRY_UNKNOWN, clock.now())
    queue.settle(make_settlements(first, again, make_outcome(Cause.NO_ANSWER)), now=clock.now())

    mailing = operations.change(SERVICE, mailing.pk, on_unknown="hold")
    jobs = queue.claim(mailing, 3, now=clock.now(), lease_s=30)

    assert first[0].id not in {job.id for job in jobs}
    assert len(jobs) == 2
    message = Message.objects.get(pk=first[0].id)
    assert (message.state, message.reason) == (State.UNKNOWN, Reason.NO_ANSWER)
    assert tally.differences() == []


@pytest.mark.parametrize("meanwhile", ["released", "undone", "not sent"])
def test_a_doubt_outlives_what_was_surely_not_sent(meanwhile: str) -> None:
    mailing = make_running_mailing(clients=1)
    again = Verdict(State.QUEUED, Reason.RETRY_UNKNOWN, clock.now())
    queue.settle(make_settlements(make_jobs(mailing), again, make_outcome(Cause.NO_ANSWER)), now=clock.now())
    jobs = make_jobs(mailing)
    if meanwhile == "released":
        queue.release(jobs, now=clock.now())
    elif meanwhile == "undone":
        queue.undo(jobs[0].token, now=clock.now())
    else:
        refused = make_outcome(Cause.NO_CONNECTION)
        verdict = policy.verdict(refused, jobs[0], clock.now(), 0.0)
        queue.settle(make_settlements(jobs, verdict, refused), now=clock.now())

    mailing = operations.change(SERVICE, mailing.pk, on_unknown="hold")

    assert queue.claim(mailing, 1, now=clock.now(), lease_s=30) == []
    assert Message.objects.get().state == State.UNKNOWN
    assert tally.differences() == []
