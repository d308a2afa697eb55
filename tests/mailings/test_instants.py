"""The rules of time, each on both sides of its instant: a microsecond before, and on the stroke."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from accounts.journal import SERVICE
from accounts.refusals import Refused
from clients.models import Client
from dashboard.progress import zone_clocks
from mailings import audience, clock, operations, queue
from mailings.gateway import BEGIN_MARGIN_S, Cause
from mailings.models import Mailing, MailingState
from mailings.policy import Reason, State, Verdict
from tests.makers import LEASE_S, make_client, make_mailing, make_outcome, make_settlements

pytestmark = pytest.mark.django_db

START = datetime(2027, 7, 1, 9, tzinfo=UTC)
END = datetime(2027, 7, 2, 9, tzinfo=UTC)
JUST = timedelta(microseconds=1)
# what is begun later might reach the gateway after the end, or after the window
LAST = timedelta(seconds=BEGIN_MARGIN_S) + JUST


@pytest.fixture(autouse=True)
def some_days_before() -> Iterator[None]:
    at(START - timedelta(days=3))
    yield
    clock.forget()


def at(instant: datetime) -> None:
    """From now on it is about this instant."""
    clock.pretend(instant - datetime.now(UTC))


def state(mailing: Mailing) -> str:
    return Mailing.objects.get(pk=mailing.pk).state


def planned(**fields: Any) -> Mailing:
    """For one client in Moscow (UTC+3), from START to END."""
    make_client()
    return make_mailing(**{"starts_at": START, "ends_at": END, **fields})


def started(**fields: Any) -> Mailing:
    mailing = planned(**fields)
    at(START)
    operations.start_due(START)
    while audience.materialise(mailing.pk, now=START):
        pass
    mailing.refresh_from_db()
    return mailing


def claimed(now: datetime) -> int:
    """How many messages the running mailings give away at `now`; they are put back."""
    jobs = [job for mailing in queue.running(now) for job in queue.claim(mailing, 10, now=now, lease_s=LEASE_S)]
    queue.release(jobs, now=now)
    return len(jobs)


def test_it_starts_on_the_stroke_of_its_start() -> None:
    mailing = planned()

    assert operations.start_due(START - JUST) == 0
    assert state(mailing) == MailingState.SCHEDULED
    assert operations.start_due(START) == 1
    assert state(mailing) == MailingState.RUNNING


def test_what_was_moved_later_does_not_start_at_the_old_time() -> None:
    mailing = planned()
    later = START + timedelta(hours=5)
    operations.change(SERVICE, mailing.pk, everyone=True, starts_at=later)

    assert operations.start_due(START) == 0
    assert operations.start_due(later - JUST) == 0
    assert claimed(START) == claimed(later - JUST) == 0
    assert operations.start_due(later) == 1


def test_what_was_moved_into_the_past_starts_at_once() -> None:
    mailing = planned()

    operations.change(SERVICE, mailing.pk, everyone=True, starts_at=START - timedelta(days=4))
    operations.start_due(clock.now())

    assert state(mailing) == MailingState.RUNNING


@pytest.mark.parametrize("late", [timedelta(0), JUST, timedelta(days=400)], ids=str)
def test_a_start_that_is_noticed_when_the_end_has_come_sends_nothing(late: timedelta) -> None:
    mailing = planned()

    operations.start_due(END + late)

    assert claimed(END + late) == 0
    assert state(mailing) == MailingState.FINISHED


def test_a_start_that_is_noticed_just_before_the_end_still_starts() -> None:
    mailing = planned()

    operations.start_due(END - JUST)

    assert state(mailing) == MailingState.RUNNING


def test_at_the_end_nothing_is_given_away_any_more() -> None:
    mailing = started()

    assert claimed(END - LAST) == 1
    assert claimed(END - LAST + JUST) == claimed(END) == claimed(END + JUST) == 0
    assert operations.finish_done(END - JUST) == 0
    assert operations.finish_done(END) == 1
    operations.close_ended(END)
    assert mailing.messages.values_list("state", "reason").get() == (State.EXPIRED, Reason.END_BEFORE_TURN)


def test_an_end_that_is_moved_counts_from_then_on() -> None:
    mailing = started()
    earlier, later = END - timedelta(hours=20), END + timedelta(hours=3)

    operations.change(SERVICE, mailing.pk, ends_at=earlier)
    assert (claimed(earlier - LAST), claimed(earlier)) == (1, 0)
    operations.change(SERVICE, mailing.pk, ends_at=later)
    assert (claimed(END), claimed(later - LAST), claimed(later)) == (1, 1, 0)


@pytest.mark.parametrize(
    ("send_from", "send_until", "opens_utc", "closes_utc"),
    [
        (time(13), time(18), time(10), time(15)),
        (time(23), time(2), time(20), time(23)),
        (time(22), time(4, 30), time(19), time(1, 30)),
    ],
    ids=["by day", "over midnight in Moscow", "over both midnights"],
)
def test_a_window_is_open_from_its_first_instant_and_closed_from_its_last(
    send_from: time, send_until: time, opens_utc: time, closes_utc: time
) -> None:
    started(send_from=send_from, send_until=send_until)
    opening = datetime.combine(START, opens_utc, UTC)
    closing = datetime.combine(START, closes_utc, UTC)
    closing += timedelta(days=1) if closing < opening else timedelta(0)

    assert (claimed(opening - JUST), claimed(opening)) == (0, 1)
    assert (claimed(closing - LAST), claimed(closing - LAST + JUST), claimed(closing)) == (1, 0, 0)


def test_what_is_given_away_knows_when_it_may_not_be_begun_any_more() -> None:
    mailing = started(send_from=time(13), send_until=time(18))

    (job,) = queue.claim(mailing, 10, now=START + timedelta(hours=2), lease_s=LEASE_S)

    assert job.closes_at == datetime(2027, 7, 1, 15, tzinfo=UTC)
    assert job.ends_at == END


def test_a_window_that_is_changed_counts_from_then_on() -> None:
    mailing = started(send_from=time(13), send_until=time(18))
    noon_in_moscow = START

    assert claimed(noon_in_moscow) == 0
    operations.change(SERVICE, mailing.pk, send_from=time(12), send_until=time(18))
    assert claimed(noon_in_moscow) == 1
    operations.change(SERVICE, mailing.pk, send_from=None, send_until=None)
    assert claimed(noon_in_moscow - timedelta(minutes=1)) == 0, "not before it is due"
    assert claimed(noon_in_moscow + timedelta(hours=14)) == 1


def test_a_retry_comes_on_the_stroke_and_not_before() -> None:
    mailing = started()
    (job,) = queue.claim(mailing, 10, now=START, lease_s=LEASE_S)
    due = START + timedelta(seconds=7)
    verdict = Verdict(State.QUEUED, Reason.RETRY_NOT_SENT, due_at=due)
    queue.settle(make_settlements([job], verdict, make_outcome(Cause.NO_CONNECTION)), now=START)

    assert (claimed(due - JUST), claimed(due)) == (0, 1)


def test_a_lease_is_good_until_its_last_instant() -> None:
    mailing = started()
    (job,) = queue.claim(mailing, 10, now=START, lease_s=LEASE_S)

    assert queue.recover(now=job.lease_until - JUST, lease_s=LEASE_S, chance=lambda: 0.0) == 0
    assert queue.recover(now=job.lease_until + JUST, lease_s=LEASE_S, chance=lambda: 0.0) == 1


def test_a_pause_is_resumed_before_the_end_and_refused_after_it() -> None:
    mailing = started()
    operations.pause(SERVICE, mailing.pk)
    assert claimed(START + timedelta(hours=1)) == 0

    at(END - timedelta(minutes=1))
    operations.resume(SERVICE, mailing.pk)
    assert claimed(END - LAST) == 1

    operations.pause(SERVICE, mailing.pk)
    at(END)
    with pytest.raises(Refused, match="The end of the mailing has come"):
        operations.resume(SERVICE, mailing.pk)
    assert claimed(END) == 0


def test_a_paused_mailing_ends_at_its_end_too() -> None:
    mailing = started()
    operations.pause(SERVICE, mailing.pk)

    assert operations.finish_done(END - JUST) == 0
    assert operations.finish_done(END) == 1
    assert state(mailing) == MailingState.FINISHED


def test_whoever_lives_in_a_zone_that_is_not_known_here_waits_and_breaks_no_page() -> None:
    mailing = started(send_from=time(12), send_until=time(18))
    Client.objects.update(timezone="Europe/Atlantis")  # past every door: from a newer machine
    mailing.messages.update(timezone="Europe/Atlantis")

    assert claimed(START) == 0
    assert zone_clocks(mailing, ["Europe/Atlantis", "Etc/UTC"], START)[0].zone == "Etc/UTC"
