"""The worker's clock, in this process: what happens by itself, whatever else goes wrong."""

from collections.abc import Iterator

import pytest
from django.db.models.signals import pre_save

from mailings import clock
from mailings.models import Mailing, MailingState, Worker
from mailings.worker import Clock
from tests.makers import make_client, make_mailing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broken_step() -> Iterator[None]:
    """The clock's first step fails with an error that has nothing to do with the database."""

    def fail(**_: object) -> None:
        raise LookupError("nobody thought of this")

    pre_save.connect(fail, sender=Worker)
    yield
    pre_save.disconnect(fail, sender=Worker)


@pytest.mark.usefixtures("broken_step")
def test_a_step_that_fails_in_any_way_does_not_stop_the_clock() -> None:
    make_client()
    mailing = make_mailing()
    Mailing.objects.update(starts_at=clock.now())

    Clock().tick()

    mailing.refresh_from_db()
    assert mailing.state == MailingState.RUNNING
