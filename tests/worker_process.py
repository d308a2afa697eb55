"""The background worker as a process of its own, on the database of the test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from os import kill
from pathlib import Path
from types import TracebackType

from tests.databases import KEY

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0


ENTRY = ("manage.py", "worker")


def worker_environment(database_url: str, gateway_url: str, **settings: str) -> dict[str, str]:
    """What a worker must be told."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": KEY,
        "DATABASE_URL": database_url,
        "GATEWAY_URL": gateway_url,
        "LOG_FORMAT": "json",
        **settings,
    }


class WorkerProcess:
    """A running `manage.py worker`, or another `entry` to it. Its log is kept, to be shown when a test fails."""

    def __init__(
        self,
        database_url: str,
        gateway_url: str,
        log: Path,
        *,
        entry: tuple[str, ...] = ENTRY,
        **environment: str,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *entry],
                cwd=ROOT,
                env=worker_environment(database_url, gateway_url, **environment),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if "GO" not in environment:  # else it begins when it is told to
            self.until_up()

    def until_up(self) -> None:
        until(lambda: "worker started" in self.log.read_text())

    def children(self) -> list[int]:
        """The pids of its hands, pusher and monitor."""
        return [grandchild for child in children(self.process.pid) for grandchild in children(child)]

    def kill(self) -> None:
        """As the out-of-memory killer would: no goodbye. Its children follow it."""
        family = self.children()
        self.process.kill()
        self.process.wait()
        until(lambda: not any(is_alive(pid) for pid in family))

    def stop(self) -> int:
        """As a deployment would; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in [self.process.pid, *children(self.process.pid), *self.children()]:
            with suppress(ProcessLookupError):
                kill(pid, signal.SIGCONT)  # one that stands still would not hear that it is to stop
        try:
            self.stop()
        finally:
            self.process.kill()
        if error is not None:
            sys.stderr.write(self.log.read_text()[-4000:])


def until(condition: Callable[[], object], *, patience_s: float = PATIENCE_S) -> None:
    """Waits until `condition()` holds; fails when it does not within the patience."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    """The processes that this one started and that are there; none when it is not."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """A zombie is not: in a container nobody may be there to take the exit codes of orphans."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
