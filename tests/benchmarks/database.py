"""The database of a benchmark, with production settings: private and gone afterwards, or one that is kept."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.postgres import private_postgres


@contextmanager
def prepared_database(*, sqlite: bool = False, url: str = "", **environment: str) -> Iterator[str]:
    """Sets Django up, here and for the processes started from here, on a migrated database. Gives its URL.

    `url` is a database that outlives the benchmark; without it a private one is made. Call it before
    anything that imports a model; once in a process.
    """
    with ExitStack() as stack:
        if not url and sqlite:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vestnik-bench-"))
            url = f"sqlite:///{folder}/bench.sqlite3"
        os.environ |= {
            "DATABASE_URL": url or stack.enter_context(private_postgres(durable=True)),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": secrets.token_hex(32),
            "LOG_LEVEL": "INFO",
            "LOG_FORMAT": "json",
            "API_RATE": "0",
            **environment,
        }
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        yield os.environ["DATABASE_URL"]
        connections.close_all()
