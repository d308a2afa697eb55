"""The schedules of the worker are there once, however many workers start at the same moment."""

import threading

import pytest
from django.db import connection
from django_q.models import Schedule

from mailings.worker import ensure_schedules

pytestmark = pytest.mark.django_db(transaction=True)


def test_workers_that_start_together_make_each_schedule_once() -> None:
    gate = threading.Barrier(4)

    def start() -> None:
        gate.wait()
        ensure_schedules()
        connection.close()

    for _ in range(5):
        Schedule.objects.all().delete()
        workers = [threading.Thread(target=start) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

        assert list(Schedule.objects.values_list("name", flat=True)) == ["chores"]


def test_schedules_made_twice_by_an_older_version_are_one_again() -> None:
    for _ in range(2):
        Schedule.objects.create(name="chores", func="mailings.tasks.chores", schedule_type=Schedule.MINUTES)

    ensure_schedules()

    assert Schedule.objects.filter(name="chores").count() == 1
