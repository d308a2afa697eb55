"""What fault runs may ask for."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from mailings import clock
from tests.faults.stage import Stage
from tests.gateway_process import GatewayProcess
from tests.postgres import Postgres


@pytest.fixture
def stage(database_url: str, gateway: GatewayProcess, tmp_path: Path) -> Iterator[Stage]:
    """An installation without workers yet; what was started is ended with the test."""
    call_command("createcachetable")
    with ExitStack() as stack:
        stack.callback(clock.forget)
        yield Stage(database_url, gateway, tmp_path, stack)


@pytest.fixture
def own_database(transactional_db: None) -> Iterator[Postgres]:
    """A server of this test's own, which may be halted; the test's connection leads to it meanwhile."""
    server = Postgres()
    shared = dict(connection.settings_dict)
    try:
        server.start()
        connection.close()
        connection.settings_dict.update({"HOST": "127.0.0.1", "PORT": server.port, "NAME": "postgres"})
        connection.settings_dict.update({"USER": "postgres", "PASSWORD": ""})
        call_command("migrate", verbosity=0)
        call_command("createcachetable")
        yield server
    finally:
        connection.close()
        connection.settings_dict.update(shared)
        server.stop()


@pytest.fixture
def stage_apart(own_database: Postgres, gateway: GatewayProcess, tmp_path: Path) -> Iterator[Stage]:
    """An installation on `own_database`."""
    with ExitStack() as stack:
        yield Stage(own_database.url, gateway, tmp_path, stack)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what this run cannot or need not do: other databases' tests, and the long ones."""
    unwanted = [item for item in items if not _is_wanted(item, is_long=config.getoption("--long"))]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in set(unwanted)]


def _is_wanted(item: pytest.Item, *, is_long: bool) -> bool:
    engine = str(settings.DATABASES["default"]["ENGINE"])
    if item.get_closest_marker("long_on_sqlite") and not is_long and engine.endswith("sqlite3"):
        return False
    return is_long or item.get_closest_marker("long") is None
