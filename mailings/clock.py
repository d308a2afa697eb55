"""The one clock: the database's. A process measures how far its own is off once a minute and corrects for it."""

import time
from datetime import UTC, datetime, timedelta

from django.db import connection

MEASURED_EVERY_S = 60.0
STEP_S = 0.1
# an answer that took longer than this may be wrong by half of it: then the quickest of some tries counts
QUICK_S, TRIES = 0.1, 5


class _Offset:
    """How far the database's clock is ahead of ours, and when that was measured, by two clocks of this machine."""

    ahead = timedelta(0)
    measured_at: float | None = None
    wall_at = 0.0
    pretended = False

    @classmethod
    def current(cls) -> timedelta:
        moment, wall = time.monotonic(), time.time()
        if cls.pretended:
            return cls.ahead
        if cls.measured_at is None or cls._is_stale(moment - cls.measured_at, wall - cls.wall_at):
            cls.ahead = _measure()
            cls.measured_at, cls.wall_at = time.monotonic(), time.time()
        return cls.ahead

    @staticmethod
    def _is_stale(elapsed_s: float, by_the_wall_s: float) -> bool:
        """It was long ago, or our clock was set since then (or the machine slept)."""
        return elapsed_s > MEASURED_EVERY_S or abs(by_the_wall_s - elapsed_s) > STEP_S


def now() -> datetime:
    """The present instant by the database's clock (UTC)."""
    ahead = _Offset.current()  # first: measuring takes a while
    return datetime.now(UTC) + ahead


def instant(unix_s: float) -> datetime:
    """A moment of this process's clock (Unix seconds) as an instant of the database's (UTC)."""
    return datetime.fromtimestamp(unix_s, UTC) + _Offset.ahead


def ahead_s() -> float:
    """How far the database's clock is ahead of this process's."""
    return _Offset.current().total_seconds()


def forget() -> None:
    """Measure anew at the next call: for tests that move the clock."""
    _Offset.measured_at, _Offset.pretended = None, False


def pretend(ahead: timedelta) -> None:
    """From now on the database's clock is taken to be `ahead` of ours, until `forget`: for tests of days."""
    _Offset.ahead, _Offset.pretended = ahead, True


def _measure() -> timedelta:
    if connection.vendor != "postgresql":
        return timedelta(0)  # SQLite is in this process: its clock is ours
    connection.ensure_connection()  # the way there and back is measured, not the making of a connection
    took_s, ahead = _asked()
    for _ in range(TRIES - 1):
        if took_s <= QUICK_S:
            break
        took_s, ahead = min((took_s, ahead), _asked())
    return ahead


def _asked() -> tuple[float, timedelta]:
    """How long the question took, and how far ahead the database's clock is, if both ways took half of that."""
    before, began = datetime.now(UTC), time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
    took_s = time.monotonic() - began
    return took_s, theirs - (before + timedelta(seconds=took_s / 2))
