"""Migrations of a database that is in use, and of one in which they were killed half way."""

import re
from importlib import import_module

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from mailings import clock, queue
from mailings.models import Attempt
from mailings.policy import Reason, State, Verdict
from tests.makers import make_jobs, make_outcome, make_running_mailing, make_settlements

by_mailing = import_module("mailings.migrations.0018_attempts_by_mailing")


def index_names() -> list[str]:
    with connection.cursor() as cursor:
        return sorted(connection.introspection.get_constraints(cursor, Attempt._meta.db_table))


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_no_attempt_waits_until_the_index_of_all_attempts_is_built(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sqlmigrate", "mailings", "0018")

    built = re.findall(r"(?m)^CREATE .*INDEX.*", capsys.readouterr().out)
    assert len(built) == 1
    assert built[0].startswith("CREATE INDEX CONCURRENTLY ")


@pytest.mark.django_db(transaction=True)
def test_a_migration_of_attempts_that_was_killed_is_done_again() -> None:
    mailing = make_running_mailing(clients=2)
    sent = Verdict(State.SENT, Reason.ACCEPTED)
    queue.settle(make_settlements(make_jobs(mailing), sent, make_outcome()), now=clock.now())
    attempts = Attempt.objects.order_by("id")
    attempts.filter(pk=attempts[0].pk).update(mailing=None)
    before = index_names()
    state = MigrationLoader(connection).project_state(("mailings", "0018_attempts_by_mailing"))

    with connection.schema_editor(atomic=False) as editor:
        for operation in by_mailing.Migration.operations:
            operation.database_forwards("mailings", editor, state, state)

    assert set(attempts.values_list("mailing", flat=True)) == {mailing.pk}
    assert index_names() == before
    assert "attempt_of_mailing" in before
