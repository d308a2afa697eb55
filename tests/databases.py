"""Which database this test run is on.

`VESTNIK_TEST_DATABASE` is `sqlite` (the default) or `postgresql`. The first process of a run makes the
database and leaves its URL in the environment, where the parallel processes of the same run find it.
"""

import atexit
import os
from pathlib import Path

from tests.postgres import Postgres

KIND = "VESTNIK_TEST_DATABASE"
URL = "VESTNIK_TEST_DATABASE_URL"
KEY = "only-for-tests " + "0123456789abcdefghijklmnopqrstuvwxyz" * 2  # long enough, and no secret
FOLDER = Path(__file__).resolve().parent.parent / "var" / "tests"


def choose() -> str:
    """The URL of this run's database; the database is gone when the process that made it ends."""
    kind = os.environ.get(KIND, "sqlite")
    if URL not in os.environ:
        os.environ[URL] = {"sqlite": _make_sqlite, "postgresql": _make_postgres}[kind]()
    return os.environ[URL]


def _make_sqlite() -> str:
    # a file, as in real use: WAL, locks and other processes behave differently in memory;
    # Django makes the test database beside it and removes it at the end
    return f"sqlite:///{FOLDER}/run-{os.getpid()}.sqlite3"


def _make_postgres() -> str:
    server = Postgres()
    atexit.register(server.stop)
    return server.start()
