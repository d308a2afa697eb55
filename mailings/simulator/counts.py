"""The simulator's figures, kept as the requests come so that reading them costs nothing."""

from collections import Counter


class Counts:
    """How many, of what, how often, and how many at once."""

    def __init__(self, in_flight: int = 0) -> None:
        self.requests = 0
        self.accepted = 0
        self.answers: Counter[int | str] = Counter()
        self.in_flight = self.peak_in_flight = in_flight
        self.blocks: dict[int, int] = {}
        self.distinct_ids = 0
        self.repeated: dict[int, int] = {}
        self.repeats = 0
        self.seconds: dict[int, int] = {}

    def arrive(self, at: int, message_id: int | None) -> int:
        """Counts a request, `at` in microseconds; tells for the how-manieth time its id is here."""
        self.requests += 1
        self.in_flight += 1
        if self.in_flight > self.peak_in_flight:
            self.peak_in_flight = self.in_flight
        second = at // 1_000_000
        if second not in self.seconds:
            self.seconds = {past: count for past, count in self.seconds.items() if past > second - 10}
            self.seconds[second] = 0
        self.seconds[second] += 1
        return 1 if message_id is None else self._time_of(message_id)

    def _time_of(self, message_id: int) -> int:
        """Ids come in rows, so sixty-four of them share one entry, a bit each."""
        block, bit = message_id >> 6, 1 << (message_id & 63)
        seen = self.blocks.get(block, 0)
        if not seen & bit:
            self.blocks[block] = seen | bit
            self.distinct_ids += 1
            return 1
        self.repeats += 1
        self.repeated[message_id] = time = self.repeated.get(message_id, 1) + 1
        return time

    def answer(self, name: int | str, *, accepted: bool) -> None:
        self.answers[name] += 1
        self.accepted += accepted

    def leave(self, requests: int = 1) -> None:
        """These are answered, or will never be."""
        self.in_flight -= requests

    def shown(self, now: float) -> dict[str, object]:
        recent = sum(count for second, count in self.seconds.items() if second > now - 10)
        return {
            "requests": self.requests,
            "accepted": self.accepted,
            "answers": {str(name): count for name, count in self.answers.items()},
            "distinct_ids": self.distinct_ids,
            "repeats": self.repeats,
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
            "per_second": round(recent / 10, 1),
        }
