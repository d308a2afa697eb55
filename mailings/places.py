"""The places in which dispatch runs work: at most one run in each, and one place for each worker."""

import secrets
import time

from mailings import clock, leases

HELD_S = 10.0
RENEWED_S = 0.5


class Place:
    """A dispatch lease, and how many of its requests former holders still have in flight."""

    def __init__(self, number: int, *, load_s: float) -> None:
        self.name = f"dispatch-{number}"
        self.holder = secrets.token_hex(8)
        self.load = 0
        self._load_s = load_s
        self._renewed = float("-inf")

    @classmethod
    def first_free(cls, places: int, *, load_s: float) -> "Place | None":
        """Takes the first place that nobody holds. `load_s`: how long an exchange can take at most."""
        numbers = range(1, places + 1)
        return next((place for place in (cls(number, load_s=load_s) for number in numbers) if place.keep()), None)

    def keep(self) -> bool:
        """Takes or renews the lease when it is time to. False: somebody else holds it."""
        moment = time.monotonic()
        if moment - self._renewed < RENEWED_S:
            return True
        now = clock.now()
        if not leases.hold(self.name, self.holder, now, HELD_S):
            return False
        self.load = leases.load(self.name, now)
        self._renewed = moment
        return True

    def leave(self, in_flight: int) -> None:
        """Lets the next one in, who leaves `in_flight` requests free until they are eased."""
        now = clock.now()
        self.ease(in_flight)
        leases.let_go(self.name, self.holder, now)

    def ease(self, requests: int) -> None:
        """Adds to (or takes from) what the next holder must leave free."""
        if requests:
            leases.leave_load(self.name, requests, clock.now(), self._load_s)
