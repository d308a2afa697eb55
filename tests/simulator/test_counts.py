"""The figures by themselves."""

from mailings.simulator.counts import Counts

SECOND = 1_000_000


def test_ids_are_counted_once_and_their_repeats_apart() -> None:
    counts = Counts()

    times = [counts.arrive(0, number) for number in (1, 2, 1, 64, 1, None, -(2**63), 2**63 - 1, -(2**63))]

    assert times == [1, 1, 2, 1, 3, 1, 1, 1, 2]
    assert (counts.requests, counts.distinct_ids, counts.repeats) == (9, 5, 3)


def test_the_peak_is_the_most_that_were_in_flight_at_once() -> None:
    counts = Counts()

    for step in (1, 1, 1, -1, -1, 1):
        counts.arrive(0, None) if step > 0 else counts.leave()

    assert (counts.in_flight, counts.peak_in_flight) == (2, 3)


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    counts = Counts()

    for second in range(30):
        for _ in range(second):
            counts.arrive(second * SECOND, None)

    assert counts.shown(29.5)["per_second"] == sum(range(20, 30)) / 10
    assert counts.shown(100)["per_second"] == 0
    assert len(counts.seconds) <= 11
