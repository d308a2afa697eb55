"""The database's clock, as a process sees it whose own clock is wrong or changes."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created
from django.test.utils import CaptureQueriesContext

from mailings import clock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def measured_anew() -> Iterator[None]:
    clock.forget()
    yield
    clock.forget()


def test_a_step_of_this_machines_clock_is_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock.now()
    real = time.time

    monkeypatch.setattr("time.time", lambda: real() + 3600)
    with CaptureQueriesContext(connection) as asked:
        clock.now()
        clock.now()

    assert len(asked) == (0 if connection.vendor == "sqlite" else 1)  # SQLite's clock is this machine's


def test_making_a_connection_slowly_does_not_spoil_the_measure() -> None:
    def dawdle(**_: object) -> None:
        threading.Event().wait(0.8)

    connection.close()
    connection_created.connect(dawdle)
    try:
        seen = clock.now()
    finally:
        connection_created.disconnect(dawdle)

    assert abs(seen - datetime.now(UTC)) < timedelta(seconds=0.2)


def test_a_slow_answer_of_the_database_does_not_spoil_the_measure() -> None:
    slow = [True]

    def dawdle(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, parameters, many, context)
        if slow and "clock_timestamp" in sql:
            slow.pop()
            threading.Event().wait(0.8)
        return answer

    connection.ensure_connection()
    with connection.execute_wrapper(dawdle):
        seen = clock.now()

    assert abs(seen - datetime.now(UTC)) < timedelta(seconds=0.2)
