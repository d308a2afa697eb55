"""Real processes, kept by the launcher's own keeper."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.launcher.processes import Keeper, Program, members
from deploy.launcher.speech import Trouble

pytestmark = [pytest.mark.processes, pytest.mark.once]
ROOT = Path(__file__).resolve().parent.parent.parent
FOR_EVER = "import time; time.sleep(600)"


def wait_until(is_true: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Workshop:
    """Makes programs of a few lines of Python in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[Program] = []

    def program(self, code: str, name: str = "worker") -> Program:
        command = [sys.executable, "-c", code]
        made = Program(name, command, self.folder / "log" / f"{name}.log", dict(os.environ), self.folder)
        self.made.append(made)
        return made

    def wrote(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    shop = Workshop(tmp_path)
    yield shop
    for program in shop.made:
        if program.process is not None and program.process.poll() is None:
            program.process.kill()
            program.process.wait()


def keep_until(keeper: Keeper, is_true: Callable[[], object]) -> None:
    def look() -> object:
        keeper.look()
        return is_true()

    wait_until(look)


def test_a_worker_that_leaves_with_70_is_started_again(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import sys, time; n = open('lives', 'a+').write('x'); sys.stdout.flush()"
    first_then_stay = f"{code}; open('lives').read() == 'x' and sys.exit(70); {FOR_EVER}"
    keeper = Keeper([workshop.program(first_then_stay)])

    keeper.start()
    keep_until(keeper, lambda: workshop.wrote("lives") == "xx")
    keeper.stop()

    assert "The worker asks for a restart (code 70)" in capsys.readouterr().out


def test_what_keeps_dying_is_started_later_and_later(workshop: Workshop) -> None:
    program = workshop.program("raise SystemExit(1)")
    delays = []

    for _ in range(7):
        program.start()
        wait_until(program.has_ended)
        program.plan_restart()
        delays.append(program.delay_seconds)

    assert delays == [1, 2, 4, 8, 16, 30, 30]


def test_an_unexpected_end_is_told_with_the_last_lines_of_this_life_only(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    program = workshop.program("print('the disk is full', flush=True); raise SystemExit(3)", name="web")
    program.log.parent.mkdir()
    program.log.write_text("an older life\n")
    keeper = Keeper([program])

    keeper.start()
    keep_until(keeper, lambda: program.process is None)

    told = capsys.readouterr().out
    assert "The web ended with code 3: starting it again in 1 s" in told
    assert "the disk is full" in told
    assert "an older life" not in told


def test_a_program_that_ends_at_its_start_stops_the_start(workshop: Workshop) -> None:
    keeper = Keeper([workshop.program("raise SystemExit(2)", name="web")])

    keeper.start()
    wait_until(keeper.programs[0].has_ended)

    with pytest.raises(Trouble, match="The web ended with code 2 at its start"):
        keeper.require_all()


def test_stopping_signals_main_processes_only_and_leaves_nothing(workshop: Workshop) -> None:
    child = (
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: open('child', 'w').write('signalled'));"
        "open('child', 'w').write('ready'); time.sleep(600)"
    )
    parent = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit());"
        f"subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"
    )
    program = workshop.program(parent)
    keeper = Keeper([program])
    keeper.start()
    wait_until(lambda: workshop.wrote("child") == "ready")
    assert program.process is not None
    assert len(members(program.process.pid)) == 2

    keeper.stop()

    assert program.process.returncode == 0
    assert members(program.process.pid) == []
    assert workshop.wrote("child") == "ready"


def test_what_does_not_stop_is_killed(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    deaf = (
        f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('deaf', 'w').write('yes'); {FOR_EVER}"
    )
    program = workshop.program(deaf, name="web")
    keeper = Keeper([program], patience_seconds=0.3)
    keeper.start()
    wait_until(lambda: workshop.wrote("deaf") == "yes")

    keeper.stop()

    assert program.process is not None
    assert program.process.returncode == -signal.SIGKILL
    assert "The web did not stop within 0.3 s" in capsys.readouterr().out


def test_killing_the_launcher_with_9_takes_its_processes_along(tmp_path: Path) -> None:
    starter = f"""
import os, time
from pathlib import Path
from deploy.launcher.processes import Program
command = [{sys.executable!r}, "-c", {FOR_EVER!r}]
program = Program("worker", command, Path({str(tmp_path / "log")!r}), os.environ, Path("/"))
program.start()
print(program.process.pid, flush=True)
time.sleep(600)
"""
    launcher = subprocess.Popen([sys.executable, "-c", starter], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    session = int(launcher.stdout.readline())
    assert members(session) == [session]

    launcher.kill()
    launcher.communicate()

    wait_until(lambda: members(session) == [])
