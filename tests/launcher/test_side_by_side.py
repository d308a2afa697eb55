"""Commands at the same time: what is shown of them, and that none is left."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.launcher import side_by_side
from deploy.launcher.side_by_side import Command
from tests.worker_process import is_alive, until

ROOT = Path(__file__).resolve().parent.parent.parent
MEET = """
import pathlib, sys, time
mine, other = map(pathlib.Path, sys.argv[1:])
mine.touch()
while not other.exists(): time.sleep(0.01)
"""
# with a child of its own, which has to end too
ENDLESS = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
STARTER = """
import sys
from pathlib import Path
from deploy.launcher import side_by_side
from deploy.launcher.speech import guarded
here = Path(sys.argv[1])
commands = [
    side_by_side.Command(name, [sys.executable, "-c", sys.argv[2]], log=here / name, folder=here) for name in "ab"
]
sys.exit(guarded(lambda: side_by_side.run("Endless", commands, at_once=2) or 0))
"""


def command(title: str, script: str, folder: Path, *arguments: str) -> Command:
    return Command(title, [sys.executable, "-c", script, *arguments], log=folder / f"{title}.log", folder=folder)


def test_two_at_once_meet(tmp_path: Path) -> None:
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    commands = [command("one", MEET, tmp_path, here, there), command("two", MEET, tmp_path, there, here)]

    side_by_side.run("Both", commands, at_once=2)

    assert [one.is_good for one in commands] == [True, True]
    assert min(one.seconds for one in commands) > 0


def test_one_at_a_time_follow_each_other(tmp_path: Path) -> None:
    note = "import sys; print(open(sys.argv[1], 'a').write('x')); print(open(sys.argv[1]).read())"
    commands = [command(title, note, tmp_path, str(tmp_path / "note")) for title in ("first", "second")]

    side_by_side.run("One after the other", commands, at_once=1)

    assert [one.log.read_text().split() for one in commands] == [["1", "x"], ["1", "xx"]]


def test_only_what_failed_is_shown_with_all_it_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = command("good", "print('all is well')", tmp_path)
    bad = command("bad", "import sys; print('out'); sys.exit('the reason')", tmp_path)

    side_by_side.run("Work", [good, bad], at_once=2)

    shown = capsys.readouterr().out
    assert (good.is_good, bad.is_good) == (True, False)
    assert "bad FAILED:" in shown
    assert "out" in shown
    assert "the reason" in shown
    assert "all is well" not in shown


def test_how_far_pytest_is_is_read_from_what_it_says(tmp_path: Path) -> None:
    one = command("tests", "", tmp_path)

    one.log.write_text("bringing up nodes...\n")
    before = one.progress()
    one.log.write_text("..... [  2%]\n..... [ 45%]\n...")

    assert (before, one.progress()) == ("tests", "tests 45 %")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_when_the_starter_is_stopped_nothing_is_left(end: signal.Signals, tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path), ENDLESS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    logs = [tmp_path / "a", tmp_path / "b"]
    until(lambda: all(log.exists() and log.read_text().count(" ") for log in logs))
    pids = [[int(pid) for pid in log.read_text().split()] for log in logs]

    starter.send_signal(end)
    _, said = starter.communicate(timeout=60)

    assert starter.returncode == (-signal.SIGKILL if end is signal.SIGKILL else 130)
    if end is signal.SIGKILL:  # the kernel tells those on the leash; pytest ends its own children
        until(lambda: not any(is_alive(first) for first, _ in pids))
        for _, orphan in pids:
            subprocess.run(["kill", str(orphan)], check=True)
    else:
        assert "Interrupted." in said
        assert not any(is_alive(pid) for both in pids for pid in both)


def test_what_was_started_with_ctrl_c_switched_off_is_stopped_too(tmp_path: Path) -> None:
    switched_off = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        one = command("deaf", ENDLESS, tmp_path)
        one.start()
        until(lambda: one.log.read_text().count(" "))
        one.stop()
    finally:
        signal.signal(signal.SIGINT, switched_off)

    assert one.process is not None
    assert one.process.returncode == -signal.SIGINT
