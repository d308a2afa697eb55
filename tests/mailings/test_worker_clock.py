"""The worker's clock, in this process: what happens by itself, whatever else goes wrong."""

from collections.abc import Iterator

import pytest
from django.db.models.signals import pre_save
from django_q.models import OrmQ
from pytest_django.fixtures import Settings

from mailings import clock
from mailings.models import Lease, Mailing, MailingState, Worker
from mailings.worker import Clock
from tests.makers import make_client, make_finished_mailing, make_mailing

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


@pytest.mark.parametrize(("days", "rings"), [(11, True), (9, False)], ids=["old", "not yet old"])
def test_the_clock_rings_once_when_something_has_been_kept_for_long_enough(
    days: int, rings: bool, settings: Settings
) -> None:
    settings.KEEP_MESSAGES_DAYS = 10
    make_finished_mailing(days=days)
    OrmQ.objects.all().delete()
    clock_ = Clock()

    clock_.tick()
    clock_.tick()

    assert [task.func() for task in OrmQ.objects.all()] == ["mailings.tasks.forget"] * rings
    assert Lease.objects.filter(name="forget").exists() is rings
