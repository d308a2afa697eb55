"""How the web server runs, under `./run` and in the image alike; where it listens is its starter's choice."""

import fcntl
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from config import redaction


class Line(logging.Formatter):
    """The server's own lines, under the rules of all others: a broken request is quoted in them."""

    def format(self, record: logging.LogRecord) -> str:
        event, bar, traceback = super().format(record).partition("\nTraceback ")
        told = redaction.one_line(redaction.hidden(event))
        return f"{told}\n{redaction.quoted_lines(redaction.hidden('Traceback ' + traceback))}" if bar else told


class OurLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    def setup(self, cfg: Any) -> None:  # gunicorn's configuration
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(Line(self.error_fmt, self.datefmt))


logger_class = OurLogger

worker_class = "gthread"
workers = 2
threads = 4
timeout = 60
graceful_timeout = 25
keepalive = 5
# a socket in the home folder that nothing here uses
control_socket_disable = True
# config/proxies.py alone decides whom to believe; the server would take the word of anybody on this machine
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""

METRICS = Path(__file__).resolve().parent.parent / "var" / "metrics"
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client looks for it when it is imported


def counts_folder() -> tuple[Path, int]:
    """A new folder where the processes of this server count together, and its lock, held as long as one of them
    lives. Folders whose lock nobody holds are those of former starts: away with them."""
    METRICS.mkdir(parents=True, exist_ok=True)
    with (METRICS / "lock").open("w") as door:  # two servers that start at once must not clean each other away
        fcntl.flock(door, fcntl.LOCK_EX)
        for former in METRICS.glob("web-*"):
            if (lock := _take(former)) is not None:
                shutil.rmtree(former, ignore_errors=True)
                os.close(lock)
        folder = Path(tempfile.mkdtemp(prefix="web-", dir=METRICS))
        lock = _take(folder)
    assert lock is not None, "nobody else knows of it"
    return folder, lock


def _take(folder: Path) -> int | None:
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


if SHARED not in os.environ:  # a server that reads this file again, as after a hangup, goes on where it counted
    _folder, _lock = counts_folder()
    os.environ[SHARED] = str(_folder)


def child_exit(server: Any, worker: Any) -> None:
    """Its counts stay; what says how it is now would go."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
