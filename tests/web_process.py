"""The web server as processes of its own, as `./run` starts it, on the database of the tests."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

from tests.postgres import free_port
from tests.worker_process import ROOT, until, worker_environment


@contextmanager
def web_server(database_url: str, log: Path, **settings: str) -> Iterator[str]:
    """Its address, host and port: two processes with four threads each. The log is told when a test fails.

    What comes on standard error goes beside the log, by `errors_of`.
    """
    address = f"127.0.0.1:{free_port()}"
    with log.open("ab") as out, errors_of(log).open("ab") as errors:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn_conf.py", "--bind", address, "config.wsgi"],
            cwd=ROOT,
            env=worker_environment(database_url, "http://127.0.0.1:1", **settings),
            stdout=out,
            stderr=errors,
        )
    try:
        until(lambda: _answers(address) or server.poll() is not None)
        assert server.poll() is None, (errors_of(log).read_text() + log.read_text())[-4000:]
        yield address
    finally:
        server.terminate()
        server.wait()


def errors_of(log: Path) -> Path:
    """Beside the log, and called a log: whoever looks through all of them finds it."""
    return log.with_name(f"{log.stem}-errors.log")


def _answers(address: str) -> bool:
    with suppress(OSError), closing(HTTPConnection(address, timeout=30)) as connection:
        connection.request("GET", "/api/v1/")
        connection.getresponse().read()
        return True
    return False
