"""A row that the database will not have changed keeps no other mailing from its turn."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from mailings import clock, operations
from mailings.models import Mailing, MailingState
from tests.makers import make_mailing, make_running_mailing

Spoil = Callable[[Mailing], None]

SPOILERS = {
    "sqlite": [
        "CREATE TRIGGER spoilt BEFORE UPDATE ON mailings_mailing WHEN OLD.id = {id} "
        "BEGIN SELECT RAISE(ABORT, 'this row is spoilt'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION spoilt() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RAISE EXCEPTION 'this row is spoilt'; END $$",
        "CREATE TRIGGER spoilt BEFORE UPDATE ON mailings_mailing FOR EACH ROW "
        "WHEN (OLD.id = {id}) EXECUTE FUNCTION spoilt()",
    ],
}


@pytest.fixture
def spoil(db: None) -> Spoil:
    """Makes every change of a mailing's row fail; undone with the test's transaction."""

    def make_spoilt(mailing: Mailing) -> None:
        with connection.cursor() as cursor:
            for statement in SPOILERS[connection.vendor]:
                cursor.execute(statement.format(id=mailing.pk))

    return make_spoilt


def test_a_mailing_that_cannot_start_does_not_keep_the_next_from_starting(spoil: Spoil) -> None:
    soon = clock.now() + timedelta(hours=1)
    first, second = make_mailing(starts_at=soon), make_mailing(starts_at=soon + timedelta(minutes=1))
    spoil(first)

    with pytest.raises(ExceptionGroup) as raised:
        operations.start_due(soon + timedelta(minutes=2))

    assert "this row is spoilt" in str(raised.value.exceptions[0])
    assert Mailing.objects.get(pk=first.pk).state == MailingState.SCHEDULED
    assert Mailing.objects.get(pk=second.pk).state == MailingState.RUNNING


def test_a_mailing_that_cannot_finish_does_not_keep_the_next_from_finishing(spoil: Spoil) -> None:
    soon = clock.now() + timedelta(hours=1)
    first = make_running_mailing(1, ends_at=soon)
    second = make_running_mailing(ends_at=soon + timedelta(minutes=1))
    spoil(first)

    with pytest.raises(ExceptionGroup):
        operations.finish_done(soon + timedelta(minutes=2))

    assert Mailing.objects.get(pk=first.pk).state == MailingState.RUNNING
    assert Mailing.objects.get(pk=second.pk).state == MailingState.FINISHED
