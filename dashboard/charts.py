"""Charts as numbers for server-made SVG: no script draws them, and a table tells the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

BARS = 60
WIDTH, HEIGHT = 600.0, 100.0


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: when it began, its number, and its place in a drawing of 600 by 100."""

    at: datetime
    number: int
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Chart:
    columns: list[Column]
    step: timedelta
    highest: int


def per_minute(counted: Sequence[tuple[datetime, int]]) -> Chart | None:
    """At most 60 bars over the whole time from the first number to the last; None when one bar would do.

    A bar covers a whole number of minutes, so that the numbers of the minutes add up.
    """
    numbers = [(minute, number) for minute, number in counted if number > 0]
    if len(numbers) < 2:
        return None
    first, last = numbers[0][0], numbers[-1][0]
    minutes = int((last - first).total_seconds() // 60) + 1
    step = timedelta(minutes=-(-minutes // BARS))
    bars = [0] * (int((last - first) / step) + 1)
    for minute, number in numbers:
        bars[int((minute - first) / step)] += number
    return Chart(_columns(bars, first, step), step, max(bars))


def _columns(bars: list[int], first: datetime, step: timedelta) -> list[Column]:
    highest, wide = max(bars), WIDTH / max(len(bars), 12)
    columns = []
    for index, number in enumerate(bars):
        height = HEIGHT * number / highest
        place = (index * wide, HEIGHT - height, wide * 0.8, height)
        columns.append(Column(first + index * step, number, *(f"{value:.2f}" for value in place)))
    return columns
