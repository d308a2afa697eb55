"""Several workers that are killed and started again, as `./run` and a supervisor of containers would."""

import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from os import kill
from pathlib import Path
from signal import SIGKILL

from deploy.launcher.processes import Keeper, Program
from mailings.models import Message
from mailings.policy import State
from tests.worker_process import ENTRY, ROOT, children, until, worker_environment


@dataclass
class Kill:
    """One kill, and when everything that was claimed before it had come to a known state (Unix seconds)."""

    at: float
    whole: bool
    recovered_at: float | None = None

    @property
    def recovery_s(self) -> float:
        """Without end when it is not recovered from."""
        return (self.recovered_at or math.inf) - self.at


@dataclass
class Crew:
    """Workers under a keeper. `chance` decides who dies; `lease_s` is how long a claim lasts."""

    keeper: Keeper
    chance: random.Random
    lease_s: float
    kills: list[Kill] = field(default_factory=list)

    def look(self) -> None:
        """Starts again what has ended, and notes which kills are recovered from."""
        self.keeper.look()
        waiting = [each for each in self.kills if each.recovered_at is None]
        oldest = self._oldest_claim() if waiting else None
        for each in waiting:
            if oldest is None or oldest > each.at:
                each.recovered_at = time.time()

    def until(self, condition: Callable[[], object], *, patience_s: float) -> None:
        """Looks after the workers until `condition()` holds."""

        def seen() -> object:
            self.look()
            return condition()

        until(seen, patience_s=patience_s)
        self.look()

    def slowest_recovery_s(self) -> float:
        """How long the kill took that was recovered from last."""
        return max(each.recovery_s for each in self.kills)

    def kill_for(self, seconds: float, *, every_s: tuple[float, float]) -> None:
        """Kills somebody again and again, at random moments."""
        ends_at = time.monotonic() + seconds
        due_at = time.monotonic()
        while time.monotonic() < ends_at:
            self.look()
            if time.monotonic() > due_at and self.kill_somebody():
                due_at = time.monotonic() + self.chance.uniform(*every_s)
            time.sleep(0.05)

    def kill_somebody(self) -> bool:
        """`kill -9` of a whole worker or of one of its children. False: none is at work."""
        crews = {pid: _hands(pid) for pid in map(_running, self.keeper.programs) if pid is not None}
        at_work = [pid for pid, hands in crews.items() if hands]
        if not at_work:
            return False
        worker = self.chance.choice(at_work)
        whole = self.chance.random() < 0.5
        with suppress(ProcessLookupError):  # it has just been replaced by another
            kill(worker if whole else self.chance.choice(crews[worker]), SIGKILL)
        self.kills.append(Kill(time.time(), whole))
        return True

    def _oldest_claim(self) -> float | None:
        """When the oldest message that is on its way now was claimed (Unix seconds)."""
        leased = Message.objects.filter(state=State.SENDING).order_by("lease_until")
        until = leased.values_list("lease_until", flat=True).first()
        if until is None:
            return None
        return float((until - timedelta(seconds=self.lease_s)).timestamp())


def _running(program: Program) -> int | None:
    """The pid of its main process, when it is there."""
    process = program.process
    return process.pid if process is not None and process.poll() is None else None


def _hands(worker: int) -> list[int]:
    return [hand for sentinel in children(worker) for hand in children(sentinel)]


@contextmanager
def crew(
    number: int, *, database_url: str, gateway_url: str, folder: Path, seed: int, lease_s: float, **settings: str
) -> Iterator[Crew]:
    """`number` workers, ended with the context."""
    environment = worker_environment(database_url, gateway_url, **settings)
    programs = [
        Program(f"worker {n}", [sys.executable, *ENTRY], folder / f"worker-{n}.log", environment, ROOT)
        for n in range(1, number + 1)
    ]
    keeper = Keeper(programs)
    keeper.start()
    try:
        yield Crew(keeper, random.Random(seed), lease_s)
    finally:
        keeper.stop()
