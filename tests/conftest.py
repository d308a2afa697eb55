"""What every test may ask for."""

from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connection
from django.db.models.signals import post_migrate
from django.utils import translation

from tests import databases
from tests.fixtures_gateway import gateway, gateway_process  # noqa: F401

# after each test that commits, Django would look for every model's permissions and content types; none is used
post_migrate.disconnect(create_contenttypes)
post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")


@pytest.fixture(autouse=True)
def first_language() -> None:
    """A request leaves its reader's language to whatever this thread does next."""
    translation.deactivate()


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
    explained = "leave out what another database has proved: tests that touch none, and pages in a browser"
    parser.addoption("--second-database", action="store_true", help=explained)
    parser.addoption("--long", action="store_true", help="the fault runs in full, too: half an hour and more")
    parser.addoption("--long-minutes", type=float, default=10.0, help="how long the long run kills")
    parser.addoption("--long-recipients", type=int, default=100_000, help="how many the long run writes to")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    is_second = config.getoption("--second-database")
    unwanted = {item for item in items if not (_is_for_this_database(item) and (not is_second or _depends(item)))}
    if unwanted:
        config.hook.pytest_deselected(items=list(unwanted))
        items[:] = [item for item in items if item not in unwanted]


def _is_for_this_database(item: pytest.Item) -> bool:
    on_server = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
    return on_server or item.get_closest_marker("postgresql") is None


def _depends(item: pytest.Item) -> bool:
    """pytest-django refuses the database to a test without one of these; processes have their own way to it.

    In a browser it is looks and scripts that are tested: what the pages say is tested without one, on both.
    """
    if item.get_closest_marker("browser") or item.get_closest_marker("once"):
        return False
    fixtures = set(getattr(item, "fixturenames", ()))
    marked = item.get_closest_marker("django_db") or item.get_closest_marker("processes")
    return bool(marked or fixtures & {"db", "transactional_db", "live_server"})
