"""What every test may ask for."""

from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from tests import databases
from tests.fixtures_gateway import gateway, gateway_process  # noqa: F401


@pytest.fixture
def database_url(transactional_db: None) -> str:
    """The URL under which another process finds this test's database, with what was committed to it."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(databases.choose())._replace(path=f"/{name}"))


def pytest_report_header() -> str:
    return f"database: {settings.DATABASES['default']['ENGINE'].rsplit('.', 1)[-1]}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-only", action="store_true", help="leave out tests that touch no database")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What touches no database need not run once more on the second one."""
    if not config.getoption("--database-only"):
        return
    config.hook.pytest_deselected(items=[item for item in items if not _touches_database(item)])
    items[:] = filter(_touches_database, items)


def _touches_database(item: pytest.Item) -> bool:
    """pytest-django refuses the database to a test without one of these; processes have their own way to it."""
    marked = any(map(item.get_closest_marker, ("django_db", "processes", "browser")))
    fixtures = set(getattr(item, "fixturenames", ()))
    return marked or bool(fixtures & {"db", "transactional_db", "live_server"})
