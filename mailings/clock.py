"""The one clock: the database's. A process measures how far its own is off once a minute and corrects for it."""

import time
from datetime import UTC, datetime, timedelta

from django.db import connection

MEASURED_EVERY_S = 60.0


class _Offset:
    """How far the database's clock is ahead of ours, and when that was measured."""

    ahead = timedelta(0)
    measured_at: float | None = None

    @classmethod
    def current(cls) -> timedelta:
        moment = time.monotonic()
        if cls.measured_at is None or moment - cls.measured_at > MEASURED_EVERY_S:
            cls.ahead, cls.measured_at = _measure(), moment
        return cls.ahead


def now() -> datetime:
    """The present instant by the database's clock (UTC)."""
    return datetime.now(UTC) + _Offset.current()


def instant(unix_s: float) -> datetime:
    """A moment of this process's clock (Unix seconds) as an instant of the database's (UTC)."""
    return datetime.fromtimestamp(unix_s, UTC) + _Offset.ahead


def forget() -> None:
    """Measure anew at the next call: for tests that move the clock."""
    _Offset.measured_at = None


def _measure() -> timedelta:
    if connection.vendor != "postgresql":
        return timedelta(0)  # SQLite is in this process: its clock is ours
    before = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
    after = datetime.now(UTC)
    return theirs - (before + (after - before) / 2)
