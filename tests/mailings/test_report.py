"""A day in numbers: which day is due when, what is summed up, and that it is kept as it was."""

import json
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest

from accounts.journal import SERVICE
from mailings import clock, letters, operations, pace, queries, queue, report, tally
from mailings.gateway import Cause
from mailings.models import Mailing, MailingState, Pulse
from mailings.policy import Reason, State, Verdict
from mailings.report import ENDS, Day
from tests.makers import (
    make_finished_mailing,
    make_jobs,
    make_mailing,
    make_outcome,
    make_running_mailing,
    make_settlements,
)

MOSCOW, BERLIN, HAVANA, APIA = "Europe/Moscow", "Europe/Berlin", "America/Havana", "Pacific/Apia"
EIGHT = time(8)
DAY = date(2026, 3, 10)
NOON = datetime(2026, 3, 10, 9, tzinfo=UTC)  # in Moscow
SENT = Verdict(State.SENT, Reason.ACCEPTED)
FAILED = Verdict(State.FAILED, Reason.REFUSED)
UNKNOWN = Verdict(State.UNKNOWN, Reason.NO_ANSWER)


# -- days ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (MOSCOW, date(2026, 3, 29), 24),
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
        (HAVANA, date(2026, 3, 8), 23),  # midnight itself is skipped
        (HAVANA, date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Asia/Kathmandu", date(2026, 1, 1), 24),
        (APIA, date(2011, 12, 30), 0),  # the day that the date line took
    ],
)
def test_a_day_lasts_from_its_first_instant_to_the_next_day_s(zone: str, day: date, hours: float) -> None:
    since, until = report.bounds(day, zone)

    assert until - since == timedelta(hours=hours)


def test_a_day_without_a_midnight_begins_when_the_clock_has_jumped() -> None:
    assert report.begins_at(date(2026, 3, 8), HAVANA) == datetime(2026, 3, 8, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "at", "day", "due"),
    [
        (MOSCOW, EIGHT, DAY, datetime(2026, 3, 11, 5, tzinfo=UTC)),
        (MOSCOW, time(8, 7), DAY, datetime(2026, 3, 11, 5, 7, tzinfo=UTC)),
        (MOSCOW, time(0), DAY, datetime(2026, 3, 10, 21, tzinfo=UTC)),
        # 02:30 is not there in the night to summer time, and twice in the night back: then the first counts
        (BERLIN, time(2, 30), date(2026, 3, 28), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (BERLIN, time(2, 30), date(2026, 10, 24), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
    ids=str,
)
def test_a_report_is_due_on_the_next_day_when_the_clock_first_says_so(
    zone: str, at: time, day: date, due: datetime
) -> None:
    assert report.due_at(day, zone, at) == due
    assert report.day_due(due, zone, at) == day
    assert report.day_due(due - timedelta(seconds=1), zone, at) != day


def test_a_report_is_due_until_midnight_and_no_longer() -> None:
    midnight = report.begins_at(date(2026, 3, 12), MOSCOW)

    assert report.day_due(midnight - timedelta(seconds=1), MOSCOW, EIGHT) == DAY
    assert report.day_due(midnight, MOSCOW, EIGHT) is None


def test_a_day_that_was_not_there_has_no_report() -> None:
    assert report.day_due(datetime(2011, 12, 30, 19, tzinfo=UTC), APIA, EIGHT) is None


@pytest.mark.parametrize("zone", [MOSCOW, BERLIN, HAVANA, "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_over_a_year_each_day_is_due_once_and_without_a_gap(zone: str) -> None:
    first = datetime(2026, 1, 1, 12, tzinfo=UTC)
    seen = [report.day_due(first + timedelta(hours=hours), zone, EIGHT) for hours in range(0, 366 * 24, 6)]

    days = [day for place, day in enumerate(seen) if day is not None and day != seen[place - 1]]

    assert len(days) == len(set(days)) >= 365
    assert {later - earlier for earlier, later in pairwise(days)} == {timedelta(days=1)}


# -- sums ------------------------------------------------------------------------------------------------


def ends(**numbers: int) -> dict[State, int]:
    return dict.fromkeys(ENDS, 0) | {State(name): number for name, number in numbers.items()}


def test_the_week_begins_with_the_first_day_in_which_anything_happened() -> None:
    quiet, busy = ends(), ends(sent=3)
    days = [(DAY + timedelta(days=number), told) for number, told in enumerate([quiet, busy, quiet])]

    assert report.since_first(days) == days[1:]
    assert report.since_first(days[:1]) == []


def test_the_mean_is_that_of_the_days_that_are_known() -> None:
    week = [(DAY - timedelta(days=2), ends(sent=10)), (DAY - timedelta(days=1), ends(sent=5, failed=1))]
    day = make_day(week=week)

    assert day.mean is not None
    assert (day.mean[State.SENT], day.mean[State.FAILED]) == (7.5, 0.5)
    assert day.before == ends(sent=5, failed=1)
    assert make_day().mean is None
    assert make_day().before is None


def make_day(**fields: Any) -> Day:
    since, until = report.bounds(DAY, MOSCOW)
    known: dict[str, Any] = {"since": since, "until": until, "made_at": until, "ends": ends()}
    return Day(**{"day": DAY, "timezone": MOSCOW, **known, **fields})


def test_only_what_was_not_sent_has_reasons_the_most_frequent_first() -> None:
    grown = [
        {(State.SENT, Reason.ACCEPTED): 100, (State.FAILED, Reason.REFUSED): 2},
        {(State.FAILED, Reason.REFUSED): 2, (State.EXPIRED, Reason.END_BEFORE_TURN): 3},
        {(State.UNKNOWN, Reason.NO_ANSWER): -1, (State.QUEUED, Reason.TURN): -9},
    ]

    assert report.top_reasons(grown) == [
        (State.FAILED, Reason.REFUSED, 4),
        (State.EXPIRED, Reason.END_BEFORE_TURN, 3),
    ]


# -- reading -----------------------------------------------------------------------------------------------


def settle(mailing: Mailing, number: int, verdict: Verdict, now: datetime, cause: Cause = Cause.ACCEPTED) -> None:
    jobs = make_jobs(mailing, number)
    assert queue.settle(make_settlements(jobs, verdict, make_outcome(cause)), now=now) == number


def a_day_of_work() -> Mailing:
    """Yesterday evening, the day, and this morning."""
    mailing = make_running_mailing(clients=20, name="Sale")
    settle(mailing, 3, SENT, NOON - timedelta(days=1))
    settle(mailing, 5, SENT, NOON)
    settle(mailing, 2, FAILED, NOON + timedelta(minutes=20), Cause.REFUSED)
    settle(mailing, 1, UNKNOWN, NOON + timedelta(minutes=40), Cause.NO_ANSWER)
    settle(mailing, 4, SENT, report.begins_at(DAY, MOSCOW) + report.A_DAY)
    return mailing


@pytest.mark.django_db
@pytest.mark.parametrize("folded", [False, True])
def test_a_day_is_what_happened_between_its_midnights(folded: bool) -> None:
    mailing = a_day_of_work()
    while folded and tally.fold():
        pass

    day = report.numbers(DAY, MOSCOW, clock.now())

    assert day.ends == ends(sent=5, failed=2, unknown=1)
    assert day.week == [(DAY - timedelta(days=1), ends(sent=3))]
    assert {at.hour: sent for at, sent in day.by_hour if sent} == {NOON.hour: 5}
    assert len(day.by_hour) == 24
    [told] = day.mailings
    assert (told.id, told.name, told.ends) == (mailing.pk, "Sale", day.ends)
    assert (told.recipients, told.open) == (20, 5)
    assert day.reasons == [(State.FAILED, Reason.REFUSED, 2), (State.UNKNOWN, Reason.NO_ANSWER, 1)]
    assert day.undecided == [(mailing.pk, "Sale", 1)]
    assert report.from_json(json.loads(json.dumps(report.to_json(day)))) == day


@pytest.mark.django_db
def test_what_waits_for_a_decision_is_told_also_when_the_mailing_is_over() -> None:
    mailing = make_finished_mailing(unknown=3, name="Sale")

    assert report.numbers(DAY, MOSCOW, clock.now()).undecided == [(mailing.pk, "Sale", 3)]
    assert queries.held() == 3
    operations.delete(SERVICE, mailing.pk)
    assert report.numbers(DAY, MOSCOW, clock.now()).undecided == []
    assert queries.held() == 0


@pytest.mark.django_db
@pytest.mark.once
def test_no_text_of_a_message_is_in_a_report() -> None:
    text = "Your code is 4711"
    over, waiting = make_finished_mailing(text=text, name=""), make_mailing(text=text, name="")
    now = clock.now()
    Mailing.objects.filter(pk=waiting.pk).update(starts_at=now + timedelta(hours=1))

    day = report.numbers(now.astimezone(UTC).date(), "UTC", now)

    assert [one.id for one in day.mailings] == [over.pk]
    assert [one.id for one in day.coming] == [waiting.pk]
    assert text not in str(report.to_json(day))
    letter = letters.draw(day, "ru")
    assert text not in letter.text + letter.html
    assert f"- Рассылка {over.pk} (" in letter.text
    assert f"<bdi>Рассылка {waiting.pk}</bdi>" in letter.html


def test_a_name_looks_like_no_line_of_the_letter() -> None:
    wicked = "Sale\n- Forged: 999 \u202e<b>"
    day = make_day(undecided=[(7, wicked, 1)])

    letter = letters.draw(day, "en")

    assert "- Sale\\n- Forged: 999 \\u202e<b>: 1\n" in letter.text
    assert "<bdi>Sale\\n- Forged: 999 \\u202e&lt;b&gt;</bdi>" in letter.html


def test_a_letter_names_few_that_wait_for_a_decision_and_counts_the_rest() -> None:
    letter = letters.draw(make_day(undecided=[(pk, f"Sale {pk}", 2) for pk in range(1, 1_001)]), "en")

    assert "2,000 to decide" in letter.subject
    assert "Sale 20</bdi>" in letter.html
    for body in (letter.text, letter.html):
        assert "Sale 21" not in body
        assert "and 980 more mailings" in body


@pytest.mark.django_db
def test_a_deleted_mailing_is_in_no_report() -> None:
    operations.delete(SERVICE, a_day_of_work().pk)

    day = report.numbers(DAY, MOSCOW, clock.now())

    assert (day.ended, day.mailings, day.reasons, day.undecided) == (0, [], [], [])


@pytest.mark.django_db
def test_the_gateway_s_day_is_known_before_and_after_its_pulses_are_summed_up() -> None:
    for minute, cause, latency_ms, is_trouble, number in (
        (0, "accepted", 50, False, 90),
        (0, "refused", 100, False, 5),
        (1, "no_answer", 10_000, True, 4),
        (1, "accepted", 50, False, 1),
    ):
        moment = NOON + timedelta(minutes=minute, seconds=7)
        Pulse.objects.create(
            moment=moment, cause=cause, latency_ms=latency_ms, is_trouble=is_trouble, number=number
        )
    Pulse.objects.create(moment=NOON - report.A_DAY, cause="accepted", latency_ms=20, is_trouble=False, number=7)

    before = report.numbers(DAY, MOSCOW, clock.now())
    pace.squash(NOON + timedelta(days=3))
    after = report.numbers(DAY, MOSCOW, clock.now())

    assert before.gateway == after.gateway == report.GatewayDay(100, 96, 50, 100, 10_000, 1)
    assert before.gateway is not None
    assert before.gateway.availability == 0.96
    assert before.gateway_before == report.GatewayDay(7, 7, 20, 20, 20, 0)


@pytest.mark.django_db
def test_what_comes_is_what_starts_goes_on_or_ends_within_a_day() -> None:
    now = clock.now()
    soon, running = make_mailing(starts_at=now + timedelta(hours=3)), make_running_mailing(clients=2)
    make_mailing(starts_at=now + timedelta(hours=25), ends_at=now + timedelta(days=3))
    make_mailing(draft=True, starts_at=now + timedelta(hours=3))

    found = report.numbers(DAY, MOSCOW, now).coming

    assert [(one.id, one.state, one.open) for one in found] == [
        (soon.pk, MailingState.SCHEDULED, 0),
        (running.pk, MailingState.RUNNING, 2),
    ]


@pytest.mark.django_db
@pytest.mark.once
def test_what_starts_is_told_first_and_what_is_left_out_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "COMING_TOLD", 2)
    now = clock.now()
    late, early, _third = (
        make_running_mailing(starts_at=now - timedelta(days=2), ends_at=now + timedelta(hours=hours))
        for hours in (30, 5, 50)
    )
    soon = make_mailing(starts_at=now + timedelta(hours=3))

    day = report.numbers(DAY, MOSCOW, now)

    assert ([one.id for one in day.coming], day.coming_more) == ([soon.pk, early.pk], 2)
    assert "and 2 more mailings" in letters.draw(day, "en").text
    assert late.pk not in {one.id for one in day.coming}
