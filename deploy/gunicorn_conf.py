"""How the web server runs, under `./run` and in the image alike; where it listens is its starter's choice."""

import fcntl
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger

from config import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class OurLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """The server's own lines go the way of all others: in the same form, under the same rules, to standard output.

    The settings are read by the process that keeps the web processes, once; they have them from it.
    """

    def setup(self, cfg: Any) -> None:  # gunicorn's configuration
        super().setup(cfg)
        # what is wrong with the settings is told in a line, too
        logs.logging_config(form="console" if sys.stdout.isatty() else "json", level="WARNING")
        logs.to_standard_output()
        logs.logging_config(form=settings.LOG_FORMAT, level=settings.LOG_LEVEL)
        logs.to_standard_output()
        self.error_log.handlers.clear()
        self.error_log.setLevel(logging.NOTSET)  # LOG_LEVEL says what is written, of the server as of all
        self.error_log.propagate = True


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


def on_starting(server: Any) -> None:
    """Once, in the process that starts the others: one that reads this file again, as after a hangup, goes on
    where it counted."""
    folder, server.counts_lock = counts_folder()
    os.environ[SHARED] = str(folder)


def child_exit(server: Any, worker: Any) -> None:
    """Its counts stay; what says how it is now would go."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
