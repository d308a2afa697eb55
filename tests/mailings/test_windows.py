"""Windows against a walk over every minute, in every zone of the IANA database."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from clients.models import ZONES
from mailings.windows import Window, closes_at, is_known, is_open, open_zones, opens_at

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
FIRST_DAY, DAYS = datetime(2026, 1, 1, tzinfo=UTC), 730
WALK = 4 * 24 * 60
WINDOWS = [
    Window(time(10), time(20)),
    Window(time(21), time(8)),
    Window(time(2, 30), time(3, 15)),
    Window(time(0), time(1)),
    Window(time(23, 30), time(0, 30)),
    Window(time(1, 59), time(1, 58)),
    Window(time(12), time(0)),
]
WINDOW_IDS = [f"{window.start:%H%M}-{window.until:%H%M}" for window in WINDOWS]


@cache
def signatures() -> dict[str, list[datetime]]:
    """One zone of each behaviour in the two years, with the days on which its clock jumps, and a quiet one."""
    days = [FIRST_DAY + timedelta(days=day) for day in range(DAYS)]
    known: dict[tuple[timedelta | None, ...], tuple[str, list[datetime]]] = {}
    for name in sorted(ZONES):
        zone = ZoneInfo(name)
        offsets = tuple(day.astimezone(zone).utcoffset() for day in days)
        jumps = [day for day, (before, after) in zip(days, pairwise(offsets), strict=False) if before != after]
        known.setdefault(offsets, (name, [*jumps, datetime(2026, 7, 1, tzinfo=UTC)]))
    return dict(known.values())


def cases() -> Iterator[tuple[str, datetime]]:
    """Each zone with the day before each of its jumps in 2026, and on a quiet day."""
    return (
        (name, day - timedelta(days=1)) for name, days in signatures().items() for day in days if day.year == 2026
    )


@cache
def wall_minutes(zone: str, start: datetime) -> list[int]:
    """Minutes since midnight that the clock on the wall shows, for each minute of four days."""
    here = ZoneInfo(zone)
    walls = ((start + n * MINUTE).astimezone(here) for n in range(WALK))
    return [wall.hour * 60 + wall.minute for wall in walls]


def walked(window: Window, walls: list[int]) -> list[bool]:
    """Whether it is open in each minute, by counting."""
    first, last = (edge.hour * 60 + edge.minute for edge in (window.start, window.until))
    if first < last:
        return [first <= wall < last for wall in walls]
    return [not last <= wall < first for wall in walls]


def test_the_walk_covers_jumps_of_an_hour_and_of_half_an_hour_and_odd_offsets() -> None:
    offsets = {}
    for name, days in signatures().items():
        after = [(day + timedelta(days=1)).astimezone(ZoneInfo(name)).utcoffset() for day in days]
        before = [day.astimezone(ZoneInfo(name)).utcoffset() for day in days]
        offsets[name] = [(a or timedelta(0)).total_seconds() / 60 for a in before + after]
    jumps = {abs(b - a) for found in offsets.values() for a, b in pairwise(sorted(set(found)))}

    assert len(offsets) > 60
    assert {found[0] % 60 for found in offsets.values()} == {0, 30, 45}
    assert jumps >= {30, 60}


@pytest.mark.parametrize("window", WINDOWS, ids=WINDOW_IDS)
def test_a_window_is_open_exactly_in_the_minutes_of_the_walk(window: Window) -> None:
    wrong: list[object] = []
    for zone, start in cases():
        is_open_then = walked(window, wall_minutes(zone, start))
        for n in [n for n in range(1, WALK) if is_open_then[n] != is_open_then[n - 1]]:
            edge = start + n * MINUTE
            seen = [is_open(window, zone, moment) for moment in (edge - SECOND, edge, edge + 59 * SECOND)]
            if seen != [is_open_then[n - 1], is_open_then[n], is_open_then[n]]:
                wrong.append((zone, edge, seen))
        wrong += [
            (zone, start + n * MINUTE, is_open_then[n])
            for n in range(0, WALK, 47)
            if is_open(window, zone, start + n * MINUTE) is not is_open_then[n]
        ]

    assert wrong == []


@pytest.mark.parametrize("window", WINDOWS, ids=WINDOW_IDS)
def test_a_window_opens_and_closes_at_the_first_edge_of_the_walk(window: Window) -> None:
    wrong = []
    for zone, start in cases():
        then = walked(window, wall_minutes(zone, start))
        edges = [n for n in range(1, WALK) if then[n] != then[n - 1]]
        for n in {0, 1500, *(edge - 1 for edge in edges), *edges} - {WALK - 1}:
            now = start + n * MINUTE
            following = [start + edge * MINUTE for edge in edges if edge > n]
            if not following:
                continue
            found = closes_at(window, zone, now) if then[n] else opens_at(window, zone, now)
            if found != following[0]:
                wrong.append((zone, now, found, following[0]))

    assert wrong == []


@pytest.mark.parametrize("window", WINDOWS, ids=WINDOW_IDS)
def test_an_open_window_opens_now(window: Window) -> None:
    for zone, start in cases():
        for n in range(0, WALK, 487):
            now = start + n * MINUTE + timedelta(seconds=7, microseconds=3)
            if is_open(window, zone, now):
                assert opens_at(window, zone, now) == now
            else:
                opening = opens_at(window, zone, now)
                assert opening is not None
                assert opening > now
                assert is_open(window, zone, opening)


@pytest.mark.parametrize("window", WINDOWS, ids=WINDOW_IDS)
@pytest.mark.parametrize("hour", range(0, 24, 7))
def test_the_open_zones_are_those_of_the_walk_the_soonest_to_close_first(window: Window, hour: int) -> None:
    zones, now = sorted(ZONES), datetime(2026, 7, 1, hour, 17, tzinfo=UTC)

    opened = open_zones(window, zones, now)

    walls = {zone: now.astimezone(ZoneInfo(zone)) for zone in zones}
    counted = [z for z, wall in walls.items() if walked(window, [wall.hour * 60 + wall.minute])[0]]
    assert sorted(opened) == counted
    closing = [closes_at(window, zone, now) for zone in opened]
    assert closing == sorted(closing)


def test_without_a_window_every_zone_is_open_for_ever() -> None:
    zones, now = sorted(ZONES), datetime(2026, 7, 1, tzinfo=UTC)

    assert open_zones(None, zones, now) == zones
    assert is_open(None, "Asia/Tokyo", now)
    assert opens_at(None, "Asia/Tokyo", now) == now


@pytest.mark.parametrize(
    ("zone", "hour", "minute"),
    [
        ("Asia/Kathmandu", 4, 15),
        ("Asia/Kolkata", 4, 30),
        ("Australia/Eucla", 1, 15),
        ("Pacific/Chatham", 21, 15),
        ("Pacific/Kiritimati", 20, 0),
        ("Pacific/Apia", 21, 0),
        ("Etc/GMT+12", 22, 0),
        ("America/St_Johns", 12, 30),
    ],
)
def test_ten_in_the_morning_comes_at_its_own_instant_in_odd_zones(zone: str, hour: int, minute: int) -> None:
    window = Window(time(10), time(20))
    opening = datetime(2026, 7, 1, hour, minute, tzinfo=UTC)

    assert not is_open(window, zone, opening - timedelta(microseconds=1))
    assert is_open(window, zone, opening)
    assert opens_at(window, zone, opening - timedelta(hours=3)) == opening
    assert closes_at(window, zone, opening) == opening + timedelta(hours=10)


def test_a_window_within_the_hour_that_is_skipped_does_not_open_that_night() -> None:
    # in Berlin on 29 March 2026 the clock goes from 2:00 straight to 3:00
    window, zone = Window(time(2, 10), time(2, 50)), "Europe/Berlin"

    opening = opens_at(window, zone, datetime(2026, 3, 29, 0, 30, tzinfo=UTC))

    assert opening == datetime(2026, 3, 30, 0, 10, tzinfo=UTC)


def test_a_window_that_begins_in_the_skipped_hour_opens_when_the_clock_has_jumped() -> None:
    window, zone = Window(time(2, 30), time(5)), "Europe/Berlin"

    opening = opens_at(window, zone, datetime(2026, 3, 29, 0, 30, tzinfo=UTC))

    assert opening == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_window_within_the_hour_that_comes_twice_opens_twice() -> None:
    # in Berlin on 25 October 2026 the clock goes from 3:00 back to 2:00
    window, zone = Window(time(2, 10), time(2, 50)), "Europe/Berlin"
    first = opens_at(window, zone, datetime(2026, 10, 24, 23, tzinfo=UTC))
    assert first is not None
    closing = closes_at(window, zone, first)
    second = opens_at(window, zone, closing)
    assert second is not None

    assert first == datetime(2026, 10, 25, 0, 10, tzinfo=UTC)
    assert closing == datetime(2026, 10, 25, 0, 50, tzinfo=UTC)
    assert second == datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert closes_at(window, zone, second) == datetime(2026, 10, 25, 1, 50, tzinfo=UTC)


# places that changed their rules, went over the date line, or jump by something else than an hour
CHANGES = [
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # no 30 December
    ("Pacific/Fakaofo", datetime(2011, 12, 30, 11, tzinfo=UTC)),
    ("Pacific/Kwajalein", datetime(1993, 8, 21, 12, tzinfo=UTC)),
    ("Pacific/Kiritimati", datetime(1994, 12, 31, 10, tzinfo=UTC)),
    ("Asia/Pyongyang", datetime(2015, 8, 14, 15, tzinfo=UTC)),  # half an hour back
    ("Asia/Pyongyang", datetime(2018, 5, 4, 15, tzinfo=UTC)),  # and forward again
    ("America/Caracas", datetime(2016, 5, 1, 7, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(1985, 12, 31, 18, 30, tzinfo=UTC)),  # a quarter of an hour
    ("Europe/Moscow", datetime(2014, 10, 25, 22, tzinfo=UTC)),
    ("Europe/Volgograd", datetime(2018, 10, 27, 23, tzinfo=UTC)),
    ("Europe/Volgograd", datetime(2020, 12, 26, 23, tzinfo=UTC)),
    ("Asia/Almaty", datetime(2024, 2, 29, 18, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2026, 2, 15, 2, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2026, 3, 22, 2, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2026, 3, 29, 1, tzinfo=UTC)),  # two hours
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),  # half an hour
    ("America/Nuuk", datetime(2023, 3, 26, 1, tzinfo=UTC)),
    ("Asia/Gaza", datetime(2026, 3, 28, 0, tzinfo=UTC)),
]


@pytest.mark.parametrize("window", WINDOWS, ids=WINDOW_IDS)
@pytest.mark.parametrize(("zone", "jump"), CHANGES, ids=[f"{zone} {jump:%Y-%m}" for zone, jump in CHANGES])
def test_where_the_rules_changed_the_window_follows_the_walls(zone: str, jump: datetime, window: Window) -> None:
    start = jump - timedelta(days=1, hours=7)
    walls = wall_minutes(zone, start)
    here = ZoneInfo(zone)
    assert start.astimezone(here).utcoffset() != (start + timedelta(days=3)).astimezone(here).utcoffset()

    then = walked(window, walls)

    edges = [n for n in range(1, WALK) if then[n] != then[n - 1]]
    for n in sorted({0, *range(0, WALK, 331), *(edge - 1 for edge in edges), *edges}):
        now = start + n * MINUTE
        assert is_open(window, zone, now) is then[n], now
        following = [start + edge * MINUTE for edge in edges if edge > n]
        if following:
            found = closes_at(window, zone, now) if then[n] else opens_at(window, zone, now)
            assert found == following[0], now


def test_a_zone_that_this_machine_does_not_know_is_closed_and_keeps_no_other_from_opening() -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    window = Window(time(10), time(20))

    assert open_zones(window, ["Europe/Atlantis", "Etc/UTC"], now) == ["Etc/UTC"]


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../../etc/passwd", "", "Asia"])
def test_in_a_zone_that_this_machine_does_not_know_the_window_never_opens(zone: str) -> None:
    now, window = datetime(2026, 7, 1, 12, tzinfo=UTC), Window(time(10), time(20))

    assert not is_known(zone)
    assert not is_open(window, zone, now)
    assert opens_at(window, zone, now) is None
    assert opens_at(None, zone, now) == now, "without a window the clock there does not matter"
