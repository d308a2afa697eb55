"""Whose turn it is among the running mailings, so that a small one is not behind a million."""

import time
from collections import Counter
from collections.abc import Callable, Iterable

from mailings import policy
from mailings.models import Mailing
from mailings.policy import OnUnknown

RESTED_S = 0.25


class Turns:
    """What one run remembers of the mailings: requests in flight, who was served when, who had nothing due."""

    def __init__(self) -> None:
        self._in_flight: Counter[int] = Counter()
        self._served_at: dict[int, float] = {}
        self._rests_until: dict[int, float] = {}

    def order(self, mailings: Iterable[Mailing]) -> list[Mailing]:
        """Fewest in flight first, then who waited longest. Those with nothing due a moment ago are left out."""
        moment = time.monotonic()
        awake = [one for one in mailings if self._rests_until.get(one.pk, 0.0) <= moment]
        return sorted(awake, key=lambda one: (self._in_flight[one.pk], self._served_at.get(one.pk, 0.0), one.pk))

    def shares(self, mailings: Iterable[Mailing], capacity: int) -> list[int]:
        """How many more requests of each may be in flight so that all get their equal part of `capacity`."""
        return policy.shares(capacity, [self._in_flight[one.pk] for one in mailings])

    def waiting(self, mailings: Iterable[Mailing]) -> list[Mailing]:
        """Those of them with nothing in flight, which may have something due."""
        moment = time.monotonic()
        free = (one for one in mailings if not self._in_flight[one.pk])
        return [one for one in free if self._rests_until.get(one.pk, 0.0) <= moment]

    def served(self, mailing: Mailing, begun: int, *, had_all: bool) -> None:
        """So many of its requests begin; `had_all`: as many messages as wanted were due."""
        self._served_at[mailing.pk] = moment = time.monotonic()
        self._in_flight[mailing.pk] += begun
        if not had_all:
            self._rests_until[mailing.pk] = moment + RESTED_S

    def rest(self, mailing: Mailing) -> None:
        """It is not served by this run any more."""
        self._rests_until[mailing.pk] = float("inf")

    def came_back(self, mailing_id: int) -> None:
        self._in_flight[mailing_id] -= 1


def risk_first(mailings: Iterable[Mailing], chance: Callable[[], float]) -> list[Mailing]:
    """The order for a probe: a message that may be sent again is risked before one that would be held.

    Among those by chance: a mailing whose messages the gateway cannot take must not be the only one to be tried.
    """
    return sorted(mailings, key=lambda one: (one.on_unknown == OnUnknown.HOLD, chance()))
