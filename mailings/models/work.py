"""Who works in the background, and who may do what alone."""

from datetime import datetime, timedelta
from typing import Self

from django.db import models

LOST_AFTER = timedelta(seconds=10)


class Lease(models.Model):
    """A named right to do a job alone for a while, shared by all workers: `dispatch-1`, `audience-7` …

    Free when `until` has passed. `load` counts the requests that former holders still have in flight, true until
    `load_until`. `rung_at` remembers the last bell, so that a job that nobody has begun is not
    rung for over and over.
    """

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=32, blank=True)
    until = models.DateTimeField()
    rung_at = models.DateTimeField()
    load = models.IntegerField(default=0)
    load_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self, now: datetime) -> Self:
        """Those whose clock was seen a moment ago.

        A moment that lies in the future was written before the database's clock was set back, and tells nothing.
        """
        return self.filter(seen_at__gt=now - LOST_AFTER, seen_at__lte=now + LOST_AFTER)


class Worker(models.Model):
    """A background worker that is alive: its clock renews `seen_at` every few seconds.

    `clock_ahead_s`: how far the database's clock is ahead of its machine's.
    """

    id = models.CharField(max_length=32, primary_key=True)
    host = models.CharField(max_length=253)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    clock_ahead_s = models.FloatField(default=0, db_default=0)

    objects = WorkerQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.host} {self.id[:8]}"
