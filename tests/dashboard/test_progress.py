from datetime import UTC, datetime, time, timedelta

import pytest

from dashboard import progress
from mailings.models import Mailing, MailingState
from mailings.policy import State
from mailings.queries import Progress

NOON = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)  # in Moscow


def make_progress(**numbers: int) -> Progress:
    return Progress(dict.fromkeys(State, 0) | {State(name): number for name, number in numbers.items()})


def make_row(
    *, per_second: float | None = None, counted: Progress | None = None, **fields: object
) -> progress.Row:
    values = {
        "state": MailingState.RUNNING,
        "starts_at": NOON - timedelta(hours=1),
        "ends_at": NOON + timedelta(days=1),
        "audience_cursor": 5,
        "audience_until": 5,
        **fields,
    }
    return progress.Row(Mailing(**values), counted or make_progress(sent=3, queued=1), per_second)


def test_the_parts_fill_the_bar() -> None:
    parts = progress.parts(make_progress(sent=2, failed=1, queued=1))

    assert [(part.state, part.start, part.width) for part in parts] == [
        ("sent", "0.00", "500.00"),
        ("failed", "500.00", "250.00"),
        ("queued", "750.00", "250.00"),
    ]


def test_nobody_makes_an_empty_bar() -> None:
    assert progress.parts(make_progress()) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"state": MailingState.DRAFT}, "A draft: nothing happens until somebody launches it."),
        ({"state": MailingState.PAUSED}, "It is paused: nothing new goes out until somebody resumes it."),
        ({"state": MailingState.CANCELLED}, "It was cancelled: what had not been sent by then is not sent."),
        ({"state": MailingState.FINISHED}, "It is finished: 3 of 4 were sent."),
        (
            {"state": MailingState.FINISHED, "counted": make_progress()},
            "It is finished: there was nobody to write to.",
        ),
        ({"audience_cursor": 0}, "It is running: recipients are being added and the first are being written to."),
        ({}, "It is running."),
        (
            {"send_from": time(9), "send_until": time(18)},
            "It is running: the window is open in 1 of 2 zones.",
        ),
    ],
)
def test_a_sentence_says_what_the_mailing_does(fields: dict[str, object], expected: str) -> None:
    row = make_row(**fields)  # type: ignore[arg-type]  # fields of several types

    assert progress.sentence(row, ["Europe/Moscow", "Asia/Kamchatka"], NOON) == expected


def test_a_window_that_is_closed_everywhere_says_when_it_opens() -> None:
    row = make_row(send_from=time(13), send_until=time(14))

    said = progress.sentence(row, ["Europe/Moscow"], NOON)

    assert said.startswith("It is running, but the window is closed everywhere; it opens next at ")
    assert said.endswith("13:00 (MSK).")


def test_the_rest_is_done_by_its_rate_unless_the_end_comes_first() -> None:
    many = make_progress(queued=1000)
    far = {"starts_at": datetime.now(UTC), "ends_at": datetime.now(UTC) + timedelta(hours=1)}

    assert make_row(per_second=10.0, counted=many, **far).done_at is not None
    assert make_row(per_second=0.1, counted=many, **far).done_at is None
    assert make_row(per_second=None, counted=many, **far).done_at is None
    assert make_row(per_second=10.0, counted=make_progress(sent=9), **far).done_at is None


def test_zones_are_shown_from_east_to_west_with_their_windows() -> None:
    mailing = make_row(send_from=time(9), send_until=time(18)).mailing

    clocks = progress.zone_clocks(mailing, ["Europe/Moscow", "Asia/Kamchatka"], NOON)

    assert [(one.zone, one.is_open, f"{one.opens_at:%H:%M}") for one in clocks] == [
        ("Asia/Kamchatka", False, "09:00"),
        ("Europe/Moscow", True, "12:00"),
    ]


@pytest.mark.parametrize(
    ("state", "sending", "closing", "expected"),
    [
        (MailingState.RUNNING, 0, False, True),
        (MailingState.PAUSED, 1, False, True),
        (MailingState.PAUSED, 0, False, False),
        (MailingState.CANCELLED, 0, True, True),
        (MailingState.FINISHED, 0, False, False),
    ],
)
def test_only_what_may_change_by_itself_is_polled(
    state: MailingState, sending: int, closing: bool, expected: bool
) -> None:
    row = make_row(state=state, closing=closing, counted=make_progress(sending=sending))

    assert row.is_moving is expected
