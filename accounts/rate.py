"""How many requests an API key may send: so many a second over all processes, and two seconds' worth at once.

The key's row says until when its requests are paid for (the generic cell rate algorithm). A process pays for a few
ahead by one conditional update and spends them within a second; what it had to refuse it remembers. A busy key
costs some ten writes a second, and a flood not many more.
"""

import time
from dataclasses import dataclass, field
from threading import Lock

from django.db.models import F, FloatField, Q, Value
from django.db.models.functions import Greatest, Least

from accounts.models import ApiKey

BURST_S = 2.0
HELD_S = 1.0  # what a process has paid for and not used by then is lost
AHEAD_S = 0.1  # for so long at most it pays ahead, and for so long at least it refuses
# clocks of machines differ by less: what is paid for beyond that was written by one that was wrong
WRONG_CLOCK_S = 60.0


@dataclass
class Purse:
    """What one process holds of one key's requests."""

    left: int = 0
    until: float = 0.0
    size: int = 1  # how many it pays for the next time: more while they are used up
    refused_until: float = 0.0
    lock: Lock = field(default_factory=Lock)


class Till:
    """The purses of a process. Threads that use the same key go one by one."""

    def __init__(self) -> None:
        self._purses: dict[int, Purse] = {}

    def wait_s(self, key_id: int, rate: float, now: float | None = None) -> float:
        """Spends one request of `rate` a second: 0, or how long to wait when there is none."""
        now = time.time() if now is None else now
        purse = self._purses.get(key_id) or self._purses.setdefault(key_id, Purse())
        with purse.lock:
            if not purse.until - HELD_S <= now < purse.until:
                purse.left, purse.size = 0, 1
            if purse.left == 0:
                if 0 < purse.refused_until - now <= WRONG_CLOCK_S:
                    return purse.refused_until - now
                _fill(purse, key_id, rate, now)
            if purse.left == 0:
                return purse.refused_until - now
            purse.left -= 1
            return 0.0


def _fill(purse: Purse, key_id: int, rate: float, now: float) -> None:
    """Pays for as many as the purse wants, or for one, or notes when there will be one again."""
    burst_s, most = max(BURST_S, 1 / rate), max(1, int(rate * AHEAD_S))
    for number in dict.fromkeys((min(purse.size, most), 1)):
        if _pay(key_id, number / rate, burst_s, now):
            purse.left, purse.until, purse.size = number, now + HELD_S, 2 * number
            return
    paid_until = ApiKey.objects.values_list("spent_until", flat=True).get(pk=key_id)
    purse.refused_until = now + max(paid_until + 1 / rate - burst_s - now, AHEAD_S)


def _pay(key_id: int, cost_s: float, burst_s: float, now: float) -> bool:
    """Whether the key's requests could be paid for so much longer."""
    affordable = Q(spent_until__lte=now + burst_s - cost_s) | Q(spent_until__gt=now + burst_s + WRONG_CLOCK_S)
    start = Greatest(F("spent_until"), Value(now, output_field=FloatField()))
    paid = Least(start + cost_s, Value(now + burst_s, output_field=FloatField()))
    return ApiKey.objects.filter(affordable, pk=key_id).update(spent_until=paid) == 1


till = Till()
