"""Whether a client may be written to now, and when next: pure decisions about hours and zones.

Windows are hours of a client's own day, `[from, until)`, and may cross midnight.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True)
class Window:
    """The hours of the day in which a client may be written to, by his own clock. `start != until`."""

    start: time
    until: time

    def holds(self, moment: time) -> bool:
        if self.start < self.until:
            return self.start <= moment < self.until
        return moment >= self.start or moment < self.until


def is_open(window: Window | None, zone: str, now: datetime) -> bool:
    """Whether a client in `zone` may be written to at `now`. No window is always open.

    The local clock decides, so in the hour that the clocks repeat the window holds both times. Nobody is written
    to by a clock that this machine does not know: its zone database may be older than the client's entry.
    """
    if window is None:
        return True
    return is_known(zone) and window.holds(now.astimezone(ZoneInfo(zone)).time())


def is_known(zone: str) -> bool:
    """Whether this machine has the rules of the zone."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a name that is a folder of zones
        return False
    return True


def closes_at(window: Window, zone: str, now: datetime) -> datetime:
    """When the window that is open in `zone` at `now` closes (UTC)."""
    return _next_edge(window.until, zone, now, now.astimezone(ZoneInfo(zone)).date(), window, opening=False)


def closings(window: Window | None, zones: Iterable[str], now: datetime) -> dict[str, datetime]:
    """When the window closes in each of these zones, in which it is open at `now`; nothing without a window."""
    return {} if window is None else {zone: closes_at(window, zone, now) for zone in zones}


def opens_at(window: Window | None, zone: str, now: datetime) -> datetime | None:
    """The first instant from `now` on at which the window is open in `zone` (UTC).

    None: never, as far as this machine knows, because it does not know the zone.
    """
    if window is None or is_open(window, zone, now):
        return now
    if not is_known(zone):
        return None
    return _next_edge(window.start, zone, now, now.astimezone(ZoneInfo(zone)).date(), window, opening=True)


def _next_edge(edge: time, zone: str, now: datetime, today: date, window: Window, *, opening: bool) -> datetime:
    """The first instant after `now` where the window changes to open (or to closed).

    Candidates are the edge's wall time on the next days, on both sides of a fold, and the instants at
    which the zone's offset jumps: a window may begin or end inside the hour that is skipped.
    """
    local = ZoneInfo(zone)
    best: datetime | None = None
    for days in range(-1, 4):
        for fold in (0, 1):
            wall = datetime.combine(today + timedelta(days=days), edge, local).replace(fold=fold)
            instant = wall.astimezone(UTC)
            for candidate in (instant, _jump_near(instant, local)):
                if candidate is None or candidate <= now or (best is not None and candidate >= best):
                    continue
                if is_open(window, zone, candidate) is opening:
                    best = candidate
        if best is not None and days >= 1:
            break
    assert best is not None, "an edge of the day comes within three days"
    return best


def _jump_near(instant: datetime, zone: ZoneInfo) -> datetime | None:
    """The instant within 26 h before or after at which the zone's offset changes, to the second."""
    low, high = instant - timedelta(hours=26), instant + timedelta(hours=26)
    if low.astimezone(zone).utcoffset() == high.astimezone(zone).utcoffset():
        return None
    first = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == first:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def opened_at(window: Window | None, zone: str, now: datetime) -> datetime | None:
    """When the window that is open in `zone` at `now` opened (UTC); None without a window.

    In a night when clocks change it may be wrong by the hour they change by: for looking, not for sending.
    """
    if window is None:
        return None
    wall = now.astimezone(ZoneInfo(zone))
    opened = datetime.combine(wall.date(), window.start, wall.tzinfo)
    return (opened if opened <= wall else opened - timedelta(days=1)).astimezone(UTC)


def open_zones(window: Window | None, zones: list[str], now: datetime) -> list[str]:
    """The zones that may be written to at `now`, those whose window closes soonest first."""
    if window is None:
        return list(zones)
    opened = [zone for zone in zones if is_open(window, zone, now)]
    return sorted(opened, key=lambda zone: (_seconds_left(window, zone, now), zone))


def _seconds_left(window: Window, zone: str, now: datetime) -> float:
    """Hours of the wall clock until the window closes: an order, not an instant."""
    wall = now.astimezone(ZoneInfo(zone))
    until = datetime.combine(wall.date(), window.until)
    left = (until - wall.replace(tzinfo=None)).total_seconds()
    return left if left > 0 else left + 86_400
