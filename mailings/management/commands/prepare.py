import os
import signal
import sys
import time
from argparse import REMAINDER, ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from config.logs import brief

LOCK = 7_631_004  # of this command, in the whole database server
LOOK_S = 1.0


class Command(BaseCommand):
    help = (
        "Makes the database ready for this version: waits until it is there, migrates, makes the cache's table. "
        "Started twice, or at once on two machines, it does no harm."
    )
    requires_system_checks = ()  # those of the deployment come first, and fail with sentences

    def add_arguments(self, parser: ArgumentParser) -> None:
        wait = "change nothing: come back when another one has made the database ready for this version"
        parser.add_argument("--wait", action="store_true", help=wait)
        become = "with --wait: the command that this process becomes then"
        parser.add_argument("become", nargs=REMAINDER, metavar="COMMAND", help=become)
        patience = "seconds after which to give up (default 120)"
        parser.add_argument("--patience", type=float, default=120.0, help=patience)

    def handle(self, *args: Any, **options: Any) -> None:
        # the first process of a container does not hear SIGTERM unless it says what it wants to do then
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        if options["wait"]:
            wait_for(is_ready, patience_s=options["patience"])
            if options["become"]:
                connection.close()
                os.execvp(options["become"][0], options["become"])
            return
        self._refuse_what_is_dangerous()
        wait_for(is_there, patience_s=options["patience"])
        with alone():
            call_command("createcachetable", verbosity=0)
            call_command("migrate", verbosity=0, interactive=False)
        self.stdout.write("The database is ready.")
        self._say_what_is_missing()

    def _refuse_what_is_dangerous(self) -> None:
        """Stops where `check --deploy` finds an error: a local password that others can reach, without a word."""
        for found in run_checks(include_deployment_checks=True):
            if found.is_serious(ERROR):
                raise CommandError(f"{found.msg} {found.hint or ''}".strip())

    def _say_what_is_missing(self) -> None:
        from accounts.models import User

        if not User.objects.exists():
            command = "invite EMAIL --role administrator" if settings.OIDC else "create_tryout_admin"
            self.stdout.write(f"Nobody can sign in yet: run `python manage.py {command}`.")
        if not settings.GATEWAY_IS_SET:
            self.stdout.write(
                f"No gateway is set: messages wait, unless the simulator answers at {settings.GATEWAY_URL}. "
                "Set GATEWAY_URL and GATEWAY_TOKEN."
            )


def wait_for(condition: Callable[[], bool], *, patience_s: float) -> None:
    """Returns when `condition` holds. A database that is away is a condition that does not hold yet."""
    deadline, trouble = time.monotonic() + patience_s, "its migrations are not applied"
    while True:
        try:
            if condition():
                return
        except (DatabaseError, InterfaceError) as error:
            trouble = brief(error)
            connection.close()
        if time.monotonic() > deadline:
            raise CommandError(f"The database is not ready after {patience_s:.0f} s: {trouble}")
        time.sleep(LOOK_S)


def is_there() -> bool:
    connection.ensure_connection()
    return True


@contextmanager
def alone() -> Iterator[None]:
    """Two that migrate one database at once would trip over each other. SQLite locks by itself."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def is_ready() -> bool:
    """Whether every migration that this version knows has been applied; newer ones do not disturb it."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
