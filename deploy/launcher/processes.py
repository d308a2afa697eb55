"""Keeping a handful of processes running, and leaving none behind."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.launcher.leash import leashed
from deploy.launcher.speech import Trouble, say

PLEASE_RESTART = 70
LONGEST_DELAY_SECONDS = 30
STEADY_SECONDS = 60
STOP_SECONDS = 50  # more than the worker gives its own children
LOG_BYTES = 10_000_000
GRACE_SECONDS = 3


@dataclass
class Program:
    """One process to keep running, in a session of its own, with its output in `log`."""

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str]
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    delay_seconds: float = 0.0
    log_start: int = 0

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as out:
            self.log_start = out.tell()
            self.process = subprocess.Popen(
                leashed(self.command, signal=signal.SIGTERM),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.started_at = time.monotonic()

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def plan_restart(self) -> None:
        """Sets `due_at`: at once after a long life or when it asked for it, then later and later."""
        assert self.process is not None
        lived = time.monotonic() - self.started_at
        asked = self.process.returncode == PLEASE_RESTART and lived > 5
        if asked or lived > STEADY_SECONDS:
            self.delay_seconds = 0
        else:
            self.delay_seconds = min(max(1, self.delay_seconds * 2), LONGEST_DELAY_SECONDS)
        self.due_at = time.monotonic() + self.delay_seconds

    def ending(self) -> str:
        """How it ended, in words."""
        assert self.process is not None
        code = self.process.returncode
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def last_lines(self, number: int = 8) -> str:
        """The end of what it wrote since it was started."""
        with self.log.open("rb") as log:
            log.seek(max(self.log_start, self.log.stat().st_size - 10_000))
            lines = log.read().decode(errors="replace").splitlines()[-number:]
        return "\n".join(f"    {line}" for line in lines)


class Keeper:
    """Starts programs together, restarts those that end, stops them together."""

    def __init__(self, programs: list[Program], *, patience_seconds: float = STOP_SECONDS) -> None:
        self.programs = programs
        self.patience_seconds = patience_seconds

    def start(self) -> None:
        for program in self.programs:
            program.start()

    def require_all(self) -> None:
        """While starting: an end is not answered with a restart but told, unless it was asked for."""
        for program in self.programs:
            if program.has_ended() and program.process and program.process.returncode != PLEASE_RESTART:
                say(program.last_lines())
                raise Trouble(f"The {program.name} {program.ending()} at its start: see {program.log}.")

    def look(self) -> None:
        """Plans the restart of what has ended and does the restarts that are due."""
        for program in self.programs:
            if program.has_ended():
                end_session(program)
                program.plan_restart()
                say(self._news(program))
                program.process = None
            elif program.process is None and time.monotonic() >= program.due_at:
                program.start()

    @staticmethod
    def _news(program: Program) -> str:
        again = (
            f"starting it again in {program.delay_seconds:.0f} s" if program.delay_seconds else "starting it again"
        )
        assert program.process is not None
        if program.process.returncode == PLEASE_RESTART:
            return f"The {program.name} asks for a restart (code {PLEASE_RESTART}): {again}."
        return f"The {program.name} {program.ending()}: {again}. Its last lines:\n{program.last_lines()}"

    def stop(self) -> None:
        """Asks every main process to end, kills what has not when patience is over; afterwards none is left.

        Only main processes are signalled: each ends its own children in order, which a signal to the
        whole group would disturb.
        """
        running = [program for program in self.programs if program.process is not None]
        for program in running:
            if program.process and program.process.poll() is None:
                program.process.terminate()
        deadline = time.monotonic() + self.patience_seconds
        for program in running:
            assert program.process is not None
            try:
                program.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                say(f"The {program.name} did not stop within {self.patience_seconds:g} s: killing it.")
                program.process.kill()
                program.process.wait()
            end_session(program)


def end_session(program: Program) -> None:
    """Returns when an ended program's session is empty: kills what is left after a moment's grace."""
    assert program.process is not None
    session = program.process.pid
    if _empties_within(GRACE_SECONDS, session):
        return
    for pid in members(session):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _empties_within(GRACE_SECONDS, session)


def _empties_within(seconds: float, session: int) -> bool:
    deadline = time.monotonic() + seconds
    while members(session):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def members(session: int) -> list[int]:
    """The processes of a session. Its number is not given away again while it has any."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            facts = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(facts[3]) == session and facts[0] != "Z":
            found.append(int(stat.parent.name))
    return found


class StopRequest:
    """Becomes true with Ctrl-C, SIGTERM or the end of the terminal."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has SIGHUP ignored
                signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def __bool__(self) -> bool:
        return self.asked
