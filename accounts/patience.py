"""Waiting for somebody outside who may never answer, without all threads of this process waiting with him."""

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import BoundedSemaphore, Thread
from typing import TypeVar

T = TypeVar("T")
SLOW_S = 1.0  # a failure that took longer is no answer either


class NoAnswer(Exception):
    """Nothing came in time, or others wait in vain already. The text is for the log."""


class Patience:
    """At most `seats` requests are on their way at once, and none for `rest_s` after one that came to nothing.

    May be used by many threads. A request that is given up keeps its seat until it ends by itself: so there are
    never more of them either.
    """

    def __init__(self, *, seats: int = 2, queue_s: float = 1.0, rest_s: float = 5.0) -> None:
        self._seats = BoundedSemaphore(seats)
        self._queue_s, self._rest_s = queue_s, rest_s
        self._rests_until = 0.0

    def call(self, work: Callable[[], T], *, within_s: float) -> T:
        """What `work` returns or raises, if it does so in time. Raises NoAnswer."""
        if time.monotonic() < self._rests_until:
            raise NoAnswer("it did not answer a moment ago")
        if not self._seats.acquire(timeout=self._queue_s):
            raise NoAnswer("others wait for it already")
        future: Future[T] = Future()
        begun = time.monotonic()
        Thread(target=self._work, args=(work, future), name="patience", daemon=True).start()
        wait([future], timeout=within_s)
        lasted, is_done = time.monotonic() - begun, future.done()
        if not is_done or (lasted > SLOW_S and future.exception() is not None):
            self._rests_until = time.monotonic() + self._rest_s
        if not is_done:
            raise NoAnswer(f"no answer in {within_s:g} s")
        return future.result()

    def _work(self, work: Callable[[], T], future: Future[T]) -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            future.set_exception(error)
        finally:
            self._seats.release()
