"""What waits, since when, and what is late: as the metrics tell it."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from accounts.journal import SERVICE
from mailings import clock, operations, windows
from mailings.models import Mailing, Message
from mailings.windows import Window
from tests.makers import make_client, make_mailing, make_running_mailing
from tests.scrape import scrape, value

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = Window(time(9), time(21))
NIGHT = Window(time(21), time(9))


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    """It is noon in Greenwich and three in Moscow."""
    clock.pretend(NOON - datetime.now(UTC))
    yield
    clock.forget()


def told(name: str) -> float:
    return value(scrape()[f"vestnik_{name}"])


def oldest() -> int:
    """Minutes."""
    return round(told("queue_oldest_due_age_seconds") / 60)


def running(
    *, due_for: timedelta, started_for: timedelta = timedelta(days=3), zone: str = "UTC", **fields: Any
) -> Mailing:
    """One message that has been due for so long, of a mailing that has been running for so long."""
    make_client(timezone=zone)
    mailing = make_running_mailing(ends_at=NOON + timedelta(days=9), **fields)
    Mailing.objects.filter(pk=mailing.pk).update(started_at=clock.now() - started_for)
    Message.objects.filter(mailing=mailing).update(due_at=clock.now() - due_for)
    return mailing


def test_with_nothing_due_nothing_waits() -> None:
    running(due_for=-timedelta(minutes=5))

    assert oldest() == 0
    assert told("queue_messages") == 1


def test_the_oldest_message_waits_since_it_is_due() -> None:
    running(due_for=timedelta(minutes=20))

    assert oldest() == 20


def test_it_waits_at_most_since_its_mailing_runs() -> None:
    running(due_for=timedelta(minutes=20), started_for=timedelta(minutes=7))

    assert oldest() == 7


def test_a_closed_window_is_no_waiting_and_an_open_one_since_it_opened() -> None:
    mailing = running(due_for=timedelta(days=1), send_from=time(9), send_until=time(21), zone="Europe/Moscow")

    assert oldest() == 6 * 60
    Mailing.objects.filter(pk=mailing.pk).update(send_from=time(17))
    assert oldest() == 0


def test_a_paused_mailing_waits_for_a_person_and_then_since_he_let_it_go_on() -> None:
    mailing = running(due_for=timedelta(hours=1))
    operations.pause(SERVICE, mailing.pk)
    paused = oldest(), told("queue_messages")

    operations.resume(SERVICE, mailing.pk)

    assert paused == (0, 0)
    assert (oldest(), told("queue_messages")) == (0, 1)


def test_a_start_that_the_clock_missed_is_seen_until_it_is_made_up_for() -> None:
    make_client()
    mailing = make_mailing(starts_at=NOON + timedelta(hours=1), ends_at=NOON + timedelta(days=1))
    before = told("mailing_start_overdue_seconds")
    clock.pretend(NOON + timedelta(hours=1, seconds=40) - datetime.now(UTC))
    missed = told("mailing_start_overdue_seconds")

    operations.start_due(clock.now())

    assert before == 0
    assert missed == pytest.approx(40, abs=5)
    assert told("mailing_start_overdue_seconds") == 0
    assert told("mailing_start_delay_seconds") == pytest.approx(40, abs=5)
    clock.pretend(NOON + timedelta(hours=2) - datetime.now(UTC))
    assert told("mailing_start_delay_seconds") == 0
    mailing.refresh_from_db()
    assert mailing.start_delay_s is not None


def test_what_a_person_starts_is_never_late() -> None:
    make_client()
    mailing = make_mailing(draft=True, starts_at=NOON + timedelta(minutes=1), ends_at=NOON + timedelta(days=1))
    clock.pretend(NOON + timedelta(hours=1) - datetime.now(UTC))

    operations.launch(SERVICE, mailing.pk)

    assert told("mailing_start_delay_seconds") == 0


@pytest.mark.parametrize(
    ("window", "zone", "hours_ago"),
    [
        (None, "UTC", None),
        (DAY, "UTC", 3),
        (DAY, "Europe/Moscow", 6),
        (NIGHT, "Asia/Kamchatka", 3),
        (NIGHT, "Pacific/Honolulu", 5),
    ],
    ids=["no window", "by day", "by day in Moscow", "just after midnight", "since yesterday"],
)
def test_when_an_open_window_opened(window: Window | None, zone: str, hours_ago: int | None) -> None:
    expected = None if hours_ago is None else NOON - timedelta(hours=hours_ago)

    assert windows.opened_at(window, zone, NOON) == expected
