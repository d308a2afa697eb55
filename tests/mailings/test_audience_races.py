"""Adding recipients while somebody works in the directory: what happens between two statements of one chunk."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from accounts.journal import SERVICE
from clients import operations as directory
from mailings import audience, clock
from mailings.models import Mailing
from tests.makers import make_client, make_jobs, make_mailing

pytestmark = pytest.mark.django_db(transaction=True)


def materialise(mailing: Mailing, deed: Callable[[], object], *, before_writing: str) -> None:
    """Adds all recipients; the deed happens once, right before the first row is written into that table."""
    deeds = [deed]

    def interrupt(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:  # as Django defines a wrapper
        if deeds and sql.startswith("INSERT") and f'"{before_writing}"' in sql:
            deeds.pop()()
        return execute(sql, *rest)

    with connection.execute_wrapper(interrupt):
        while audience.materialise(mailing.pk, now=clock.now()):
            pass
    assert deeds == []
    mailing.refresh_from_db()


def make_started_mailing() -> Mailing:
    return make_mailing(starts_at=clock.now())


@pytest.mark.parametrize("table", ["mailings_message", "mailings_tally"])
def test_who_moves_while_recipients_are_added_is_written_to(table: str) -> None:
    client = make_client(timezone="Europe/Moscow")
    mailing = make_started_mailing()

    materialise(mailing, lambda: directory.change(SERVICE, client.pk, timezone="Asia/Tokyo"), before_writing=table)

    assert len(make_jobs(mailing)) == 1
