"""Commands that run at the same time: each writes into a file of its own, and is shown when it has failed."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.launcher.leash import leashed
from deploy.launcher.speech import say, working

STOP_SECONDS = 30
SIGNS_OF_LIFE_SECONDS = 15
PERCENT = re.compile(rb"\[ *(\d+)%\]")


@dataclass
class Command:
    """One command, its output in `log`. In a session of its own: Ctrl-C reaches it once, by `stop`."""

    title: str
    command: list[str]
    log: Path
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.started_at = time.monotonic()
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                leashed(self.command, signal=signal.SIGINT),
                cwd=self.folder,
                # compiled once, not by every process: a pytest with its workers and theirs is dozens of them
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def has_ended(self) -> bool:
        assert self.process is not None
        if self.process.poll() is None:
            return False
        self.seconds = time.monotonic() - self.started_at
        return True

    @property
    def is_good(self) -> bool:
        return self.process is not None and self.process.returncode == 0

    def progress(self) -> str:
        """How far pytest says it is; only the title of what says nothing."""
        said = PERCENT.findall(self.log.read_bytes())
        return f"{self.title} {int(said[-1])} %" if said else self.title

    def show(self) -> None:
        say(f"\n{self.title} FAILED:\n{self.log.read_text(errors='replace').rstrip()}\n")

    def stop(self) -> None:
        """As Ctrl-C would, the command and its own; by force when that does not help."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def run(title: str, commands: Sequence[Command], *, at_once: int) -> None:
    """Runs all of them, `at_once` at a time, and shows those that failed. None is left when this is left."""
    waiting, running = list(commands), list[Command]()
    try:
        with working(title, lambda: ", ".join(c.progress() for c in running), every_s=SIGNS_OF_LIFE_SECONDS):
            while waiting or running:
                while waiting and len(running) < at_once:
                    running.append(waiting.pop(0))
                    running[-1].start()
                for command in [command for command in running if command.has_ended()]:
                    running.remove(command)
                    if not command.is_good:
                        command.show()
                time.sleep(0.05)
    finally:
        for command in running:
            command.stop()
