"""The virtual environment in `.venv`, with exactly the locked packages in it."""

import fcntl
import hashlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.launcher import debian
from deploy.launcher.speech import Trouble, say, working

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
VAR = ROOT / "var"
LOGS = VAR / "log"
BASE = ROOT / "requirements" / "base.txt"
DEV = ROOT / "requirements" / "dev.txt"
POSTGRES = ROOT / "requirements" / "postgres.txt"


def environment(*requirements: Path) -> Path:
    """The Python of an environment that holds these locked requirements; quick when it already does."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time():
        if not _is_usable():
            _create()
        for locked in requirements:
            stamp = VENV / f".{locked.stem}.sha256"
            digest = hashlib.sha256(locked.read_bytes()).hexdigest()
            if not stamp.exists() or stamp.read_text() != digest:
                _install(locked)
                stamp.write_text(digest)
    return PYTHON


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two launchers started together do not install into one environment at once."""
    with (VAR / "environment.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with working("Waiting for another ./run or ./test that is preparing the environment"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_usable() -> bool:
    """Whether `.venv` works: it may be half made, or its Python gone with an upgrade of the system."""
    wanted = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", wanted], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _create() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        debian.install([package], what="Python's venv module", log=LOGS / "apt.log")
    with working("Making the virtual environment .venv"):
        done = subprocess.run(
            [sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise Trouble(f"The virtual environment could not be made: {_last_line(done.stdout + done.stderr)}")


def _install(locked: Path) -> None:
    """Installs one locked file; its packages are checked against their hashes."""
    log = LOGS / f"pip-{locked.stem}.log"
    total = len(re.findall(r"(?m)^[a-z0-9][^ =]*==", locked.read_text()))

    def progress() -> str:
        text = log.read_text(errors="replace")
        if "Installing collected packages" in text:
            return f"{total} packages fetched, unpacking them"
        seen = re.findall(r"(?m)^(?:Collecting|Ignoring|Requirement already satisfied)\b", text)
        return f"{len(seen)} of {total} packages"

    log.write_text("")
    options = ["--require-hashes", "--no-deps", "--progress-bar", "off", "--disable-pip-version-check"]
    with working(f"Installing {total} packages of {locked.relative_to(ROOT)}", progress), log.open("ab") as out:
        done = subprocess.run(
            [PYTHON, "-u", "-m", "pip", "install", *options, "-r", locked],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=False,
        )
    if done.returncode:
        errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("ERROR")]
        raise Trouble(f"The packages could not be installed ({(errors or ['?'])[0]}); all of it is in {log}.")
    say(f"  installed, {total} packages")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1]
