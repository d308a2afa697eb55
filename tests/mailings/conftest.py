"""What tests of letters share: a mail server that everything is configured for."""

from collections.abc import Iterator
from datetime import time

import pytest
from pytest_django.fixtures import Settings

from tests.mail_server import FROM, MailServer, mail_server

MOSCOW, EIGHT = "Europe/Moscow", time(8)


@pytest.fixture
def served(settings: Settings) -> Iterator[MailServer]:
    """A mail server that everything is configured for."""
    with mail_server() as (there, server):
        settings.MAIL_SERVER, settings.EMAIL_FROM = server, FROM
        settings.REPORT_AT, settings.REPORT_TIMEZONE = EIGHT, MOSCOW
        yield there
