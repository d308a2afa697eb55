"""Who need not wait for whom."""

import threading

import pytest
from django.db import connection, transaction

from accounts.journal import SERVICE
from mailings import clock, operations, queue
from mailings.policy import Reason, State, Verdict
from tests.makers import make_jobs, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db(transaction=True)


def test_outcomes_are_written_while_a_verb_holds_the_mailing() -> None:
    mailing = make_running_mailing(clients=3)
    settlements = make_settlements(make_jobs(mailing), Verdict(State.SENT, Reason.ACCEPTED))

    def write() -> None:
        try:
            queue.settle(settlements, now=clock.now())
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    with transaction.atomic():
        operations.change(SERVICE, mailing.pk, name="Spring")
        writer.start()
        writer.join(2)
        waited = writer.is_alive()
    writer.join()

    assert waited == (connection.vendor == "sqlite")  # which has one writer at a time
    assert mailing.messages.filter(state=State.SENT).count() == 3
