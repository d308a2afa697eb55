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
