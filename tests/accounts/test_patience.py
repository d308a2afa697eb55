"""Waiting for one who may never answer: soon over, by few, and not again at once."""

from collections.abc import Iterator
from threading import Event

import pytest

from accounts.patience import NoAnswer, Patience

pytestmark = pytest.mark.once


@pytest.fixture
def released() -> Iterator[Event]:
    """What hanging work waits for."""
    event = Event()
    yield event
    event.set()


def test_what_the_work_returns_or_raises_comes_back() -> None:
    patience = Patience()

    assert patience.call(lambda: 7, within_s=5) == 7
    with pytest.raises(TimeoutError, match="its own"):
        patience.call(lambda: fail(TimeoutError("its own")), within_s=5)
    assert patience.call(lambda: 8, within_s=5) == 8  # a failure at once lets it be asked again


def test_after_no_answer_nobody_is_sent_for_a_while(released: Event) -> None:
    patience = Patience(rest_s=60)

    with pytest.raises(NoAnswer, match=r"no answer in 0\.05 s"):
        patience.call(released.wait, within_s=0.05)

    with pytest.raises(NoAnswer, match="a moment ago"):
        patience.call(lambda: 7, within_s=5)


def test_then_it_is_asked_again(released: Event) -> None:
    patience = Patience(rest_s=0)

    with pytest.raises(NoAnswer, match="no answer"):
        patience.call(released.wait, within_s=0.05)

    assert patience.call(lambda: 7, within_s=5) == 7


def test_who_hangs_keeps_the_seat_until_it_ends(released: Event) -> None:
    patience = Patience(seats=1, queue_s=0.5, rest_s=0)
    with pytest.raises(NoAnswer, match="no answer"):
        patience.call(released.wait, within_s=0.05)

    with pytest.raises(NoAnswer, match="others wait"):
        patience.call(lambda: 7, within_s=5)
    released.set()

    assert [patience.call(lambda: 7, within_s=5) for _each in range(3)] == [7, 7, 7]


def fail(error: Exception) -> None:
    raise error
