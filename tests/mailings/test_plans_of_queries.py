"""Which index the database takes for the questions that are asked of very many rows."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from mailings import audience, clock, queries, queue
from mailings.policy import Reason, State, Verdict
from mailings.queries import MessageFilter
from tests.makers import make_jobs, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db
SORTED = re.compile(r"Sort|TEMP B-TREE")
# enough that reading the whole table is no choice
ROWS = 3_000


@pytest.fixture(autouse=True)
def _tables_without_a_past(db: None) -> None:
    """What other tests rolled back still lies in the tables, and in the indexes: plans would depend on it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE clients_client, mailings_mailing CASCADE")


def plans(deed: Callable[[], object], table: str, *, verbs: str = "SELECT") -> list[str]:
    """How the database answers each question about `table` that `deed` asks, or whatever else it is told."""
    asked: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        deed()
    return [_plan(sql, params) for sql, params in asked if re.match(rf"\s*({verbs})\b", sql) and table in sql]


def _plan(sql: str, params: Any) -> str:
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}", params)
        return "\n".join(str(line[-1]) for line in cursor.fetchall())


def test_a_claim_reads_a_short_range_of_its_index() -> None:
    mailing = make_running_mailing(ROWS)
    audience.refresh_plan()

    zones, due = plans(lambda: make_jobs(mailing, 10), "mailings_message")

    assert "message_to_claim" in zones
    assert "message_to_claim" in due
    assert not SORTED.search(due)


def test_a_claim_keeps_to_its_index_when_nothing_is_left_in_a_zone() -> None:
    mailing = make_running_mailing(ROWS)
    audience.refresh_plan()
    make_jobs(mailing, ROWS)

    (zones,) = plans(lambda: make_jobs(mailing, 10), "mailings_message")

    assert "message_to_claim" in zones


def test_whether_anything_is_due_is_asked_of_the_same_index() -> None:
    make_running_mailing(ROWS)
    audience.refresh_plan()

    (zones,) = plans(lambda: queue.due_exists(clock.now()), "mailings_message")

    assert "message_to_claim" in zones


def test_messages_for_a_rare_reason_are_found_among_very_many() -> None:
    mailing = make_running_mailing(ROWS)
    again = Verdict(State.QUEUED, Reason.RETRY_NOT_SENT, due_at=clock.now())
    queue.settle(make_settlements(make_jobs(mailing, 3), again), now=clock.now())
    audience.refresh_plan()
    narrow = MessageFilter(mailing_id=mailing.pk, reason="retry_not_sent")

    (plan,) = plans(lambda: list(queries.messages(narrow)[:51]), "mailings_message")

    assert ("message_by_reason" if connection.vendor == "postgresql" else "message_of_mailing") in plan
    assert not SORTED.search(plan)
