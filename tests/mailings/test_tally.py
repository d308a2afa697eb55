"""The counts, and their proof."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailings import tally
from mailings.models import Tally
from mailings.policy import State
from mailings.tally import Difference
from tests.makers import make_running_mailing


@pytest.mark.django_db
def test_the_proof_sees_both_sides_at_one_instant() -> None:
    mailing = make_running_mailing(clients=3)

    with CaptureQueriesContext(connection) as asked:
        assert tally.differences() == []
    assert len(asked) == 1

    Tally.objects.update(delta=5)
    assert tally.differences() == [
        Difference(mailing.pk, State.QUEUED, "minute", "", 3, 5),
        Difference(mailing.pk, State.QUEUED, "reason", "turn", 3, 5),
    ]
