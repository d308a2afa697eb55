from datetime import UTC, datetime, timedelta

from dashboard import charts

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def minutes(*numbers: int) -> list[tuple[datetime, int]]:
    return [(NOON + timedelta(minutes=index), number) for index, number in enumerate(numbers)]


def test_nothing_sent_or_one_minute_of_it_draws_no_chart() -> None:
    assert charts.per_minute([]) is None
    assert charts.per_minute(minutes(5)) is None
    assert charts.per_minute(minutes(0, -3, 5)) is None


def test_each_minute_has_a_bar_also_the_silent_ones() -> None:
    chart = charts.per_minute(minutes(10, 0, 0, 5))

    assert chart is not None
    assert [column.number for column in chart.columns] == [10, 0, 0, 5]
    assert [column.height for column in chart.columns] == ["100.00", "0.00", "0.00", "50.00"]


def test_a_long_time_is_drawn_in_at_most_sixty_bars_that_lose_nothing() -> None:
    counted = minutes(*[7] * 1000)

    chart = charts.per_minute(counted)

    assert chart is not None
    assert len(chart.columns) <= charts.BARS
    assert sum(column.number for column in chart.columns) == 7000
    assert chart.step == timedelta(minutes=17)
