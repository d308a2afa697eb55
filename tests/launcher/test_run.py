"""`./run` as a person starts it, in a copy of this project whose path has a space."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from deploy.launcher.bootstrap import VENV
from deploy.launcher.processes import members
from tests import databases
from tests.postgres import free_port

pytestmark = [pytest.mark.processes, pytest.mark.once, pytest.mark.timeout(240)]
ROOT = Path(__file__).resolve().parent.parent.parent
LEFT_OUT = (".venv", "var", ".git", ".env", "tests", "docs", "__pycache__", ".*_cache", ".hypothesis")
OURS = ("PUBLIC_", "VESTNIK_", "DJANGO_", "SECRET_", "DATABASE_", "GATEWAY_", "LOG_", "PYTEST_")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project without its database and logs; the environment of this test run serves it too."""
    folder = tmp_path / "vestnik with a space"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (folder / ".venv").symlink_to(VENV)
    return folder


@pytest.fixture
def empty_database(tmp_path: Path) -> Iterator[str]:
    """The URL of a new database of the kind this test run is on."""
    if os.environ.get(databases.KIND, "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.sqlite3"
        return
    name = f"launcher_{os.getpid()}"
    session = psycopg2.connect(databases.choose())
    session.autocommit = True
    session.cursor().execute(f"CREATE DATABASE {name}")
    yield databases.choose().removesuffix("postgres") + name
    session.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    session.close()


class Run:
    """One ./run with its output in a file."""

    def __init__(self, folder: Path, *arguments: str, log: str = "run.out", **environment: str) -> None:
        self.port = free_port()
        self.log = folder.parent / log
        clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [folder / "run", "--port", str(self.port), *arguments],
                cwd="/",
                env={**clean, **environment},
                stdout=out,
                stderr=out,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str, seconds: float = 100) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def children(self) -> list[int]:
        """The processes it started: each is the first of its session."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def status_of_front_page(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", "/")
        status = connection.getresponse().status
        connection.close()
        return status


def nothing_left_of(sessions: list[int], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while any(members(session) for session in sessions):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_run_starts_twice_shows_the_password_once_and_leaves_nothing(copy: Path, empty_database: str) -> None:
    first = Run(copy, "--empty", DATABASE_URL=empty_database)
    first.wait_for("Vestnik is running")
    sessions = first.children()

    assert len(sessions) == 3
    assert first.status_of_front_page() < 400
    assert all(environment(pid)["PUBLIC_URL"] == f"http://127.0.0.1:{first.port}" for pid in sessions)
    assert re.search(r"Password +\S{12}", first.output)
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(60) == 0
    assert nothing_left_of(sessions, seconds=0)
    assert "Traceback" not in first.output
    assert stat_mode(copy / "var" / "secret_key") == 0o600

    (copy / ".env").write_text("GATEWAY_URL=http://127.0.0.1:9/v1\nPUBLIC_URL=http://localhost:8000\n")
    second = Run(copy, DATABASE_URL=empty_database)
    second.wait_for("Vestnik is running")
    sessions = second.children()

    assert "Password" not in second.output
    assert "Starting worker, web …" in second.output  # a gateway is named: no simulator
    assert not any("PUBLIC_URL" in environment(pid) for pid in sessions)  # what .env says holds
    refused = Run(copy, log="refused.out")
    assert refused.process.wait(30) == 1
    assert "already running" in refused.output
    second.process.kill()
    second.process.wait()
    assert nothing_left_of(sessions)


def environment(pid: int) -> dict[str, str]:
    words = Path(f"/proc/{pid}/environ").read_text().strip("\0").split("\0")
    return dict(word.split("=", 1) for word in words)


def stat_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}, "Vestnik cannot start: connection to server"),
        ({"GATEWAY_TIMEOUT": "soon"}, "Vestnik cannot start: GATEWAY_TIMEOUT must be a number"),
    ],
)
def test_what_stops_the_start_is_told_in_a_sentence(
    copy: Path, environment: dict[str, str], sentence: str
) -> None:
    run = Run(copy, **environment)

    assert run.process.wait(60) == 1
    assert sentence in run.output
    assert "Traceback" not in run.output


def test_a_taken_port_is_told_before_anything_is_done(copy: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        run = Run(copy, "--port", str(port))

        assert run.process.wait(30) == 1
    assert run.output == f"Port {port} is taken by another program: stop it, or choose another with --port N.\n"


@pytest.mark.parametrize("script", ["run", "test"])
def test_a_machine_without_python_gets_a_sentence(script: str, tmp_path: Path) -> None:
    for tool in ("sh", "dirname"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")

    done = subprocess.run(
        [ROOT / script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith("Vestnik needs Python 3.11 or newer, and none was found")
    assert len(done.stderr.splitlines()) == 1
