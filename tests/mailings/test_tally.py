"""The counts, and their proof."""

from collections import Counter
from importlib import import_module
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from mailings import clock, leases, queries, queue, tally
from mailings.models import Breakdown, Mailing, Message, Minute, Quarter, Standing, Tally
from mailings.policy import Reason, State, Verdict
from mailings.tally import Difference
from mailings.worker import Clock
from tests.makers import make_client, make_jobs, make_running_mailing, make_settlements


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


def make_history() -> Mailing:
    """Some sent, some refused, some waiting, of two tags."""
    for tag in ("vip", "", "vip"):
        make_client(tag=tag)
    mailing = make_running_mailing(clients=4)
    for number, verdict in ((3, Verdict(State.SENT, Reason.ACCEPTED)), (1, Verdict(State.FAILED, Reason.REFUSED))):
        queue.settle(make_settlements(make_jobs(mailing, number), verdict), now=clock.now())
    return mailing


class Killer:
    """Lets so many statements be done, and no more."""

    def __init__(self, survived: int) -> None:
        self.left = survived

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK")):
            self.left -= 1
            if self.left < 0:
                raise OperationalError("the process is gone")
        return execute(sql, params, many, context)


@pytest.mark.django_db(transaction=True)
def test_a_fold_that_is_killed_at_any_statement_has_folded_nothing() -> None:
    mailing = make_history()
    before, rows = queries.statistics(mailing.pk), Tally.objects.count()

    for survived in range(6):  # looking, four sums, clearing away
        with connection.execute_wrapper(Killer(survived)), pytest.raises(OperationalError):
            tally.fold()

        assert (queries.statistics(mailing.pk), Tally.objects.count()) == (before, rows)
        assert not Standing.objects.exists()
        assert tally.differences() == []

    with connection.execute_wrapper(Killer(6)):
        assert tally.fold() == rows
    assert queries.statistics(mailing.pk) == before


@pytest.mark.django_db(transaction=True)
def test_the_clock_folds_unless_another_worker_does() -> None:
    mailing = make_history()
    before = queries.statistics(mailing.pk)
    assert leases.take("fold", "somebody", clock.now(), 60)

    Clock().tick()
    assert Tally.objects.exists()

    leases.let_go("fold", "somebody", clock.now())
    Clock().tick()
    assert not Tally.objects.exists()
    assert queries.statistics(mailing.pk) == before


@pytest.mark.django_db
def test_counts_of_before_are_folded_by_the_migration_and_back() -> None:
    migration = import_module("mailings.migrations.0008_counts_that_are_folded")
    mailing = make_history()
    before = queries.statistics(mailing.pk)

    with connection.cursor() as cursor:
        for statement in migration.FOLD:
            cursor.execute(statement)
    assert not Tally.objects.exists()
    assert queries.statistics(mailing.pk) == before
    assert tally.differences() == []

    with connection.cursor() as cursor:
        for statement in migration.UNFOLD:
            cursor.execute(statement)
    sums = Tally.objects.order_by().values_list("state", "reason").annotate(Sum("delta"))
    assert {(state, reason): total for state, reason, total in sums if total} == Counter(
        Message.objects.values_list("state", "reason")
    )
    by_minute = Tally.objects.order_by().values_list("state", "minute").annotate(Sum("delta"))
    assert {(state, minute): total for state, minute, total in by_minute if total} == {
        (one.state, one.minute): one.number for one in Minute.objects.exclude(number=0)
    }
    assert Standing.objects.exists()
    assert Breakdown.objects.exists()


@pytest.mark.django_db
def test_the_sums_by_quarter_begin_with_what_was_known_by_the_minute() -> None:
    migration = import_module("mailings.migrations.0010_sums_by_quarter")
    make_history()
    while tally.fold():
        pass
    by_state = Quarter.objects.order_by("state", "minute").values_list("state", "minute").annotate(Sum("number"))
    before = [row for row in by_state if row[2]]
    Quarter.objects.all().delete()

    with connection.cursor() as cursor:
        cursor.execute(migration.SUM_UP.format(quarter=migration.QUARTERS[connection.vendor]))

    assert [row for row in by_state.all() if row[2]] == before
