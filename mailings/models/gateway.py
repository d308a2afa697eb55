"""What all workers share about the gateway: how it may be used, and what it answered."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from mailings.breaker import Flow


class FlowChoice(models.TextChoices):
    """The labels of `breaker.Flow`."""

    FLOWING = Flow.FLOWING.value, _("Working")
    RAMPING = Flow.RAMPING.value, _("Coming back")
    WAITING = Flow.WAITING.value, _("Waiting")
    BROKEN = Flow.BROKEN.value, _("Not working")
    UNAUTHORISED = Flow.UNAUTHORISED.value, _("Token refused")
    STOPPED = Flow.STOPPED.value, _("Stopped")


FLOW_SENTENCES = {
    Flow.FLOWING: _("Messages go out as they become due."),
    Flow.RAMPING: _("Messages go out again, at first slowly."),
    Flow.WAITING: _("The gateway asked to wait. Messages wait and go out by themselves."),
    Flow.BROKEN: _("Most of the last requests were in trouble. Messages wait; one is tried every 15 seconds."),
    Flow.UNAUTHORISED: _("The gateway refuses our token. Messages wait; one is tried every minute."),
    Flow.STOPPED: _("A person stopped sending. Messages wait until a person starts it again."),
}


class Gateway(models.Model):
    """How the gateway may be used now, for all workers: one row. `mailings.pace` is its only writer.

    The meaning of `flow`, `since`, `until`, `level` and `detail` is `breaker.Condition`'s; the diagram is there.
    `next_at` is the first instant that no request has been promised to, when there is a limit. `check_asked_at`
    and `checked_at` say when a person last asked to look whether it is there and when that was done;
    `check_outcome` holds what came of it.
    """

    ONLY = 1

    id = models.SmallIntegerField(primary_key=True, default=ONLY)
    flow = models.CharField(max_length=12, choices=FlowChoice.choices, default=Flow.FLOWING.value)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    level = models.FloatField(default=0)
    detail = models.CharField(max_length=512, blank=True)
    next_at = models.DateTimeField()
    check_asked_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    check_outcome = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="gateway_is_one", condition=Q(id=1)),
            models.CheckConstraint(name="gateway_flow_is_known", condition=Q(flow__in=[str(f) for f in Flow])),
        ]

    def __str__(self) -> str:
        return self.flow


class Pulse(models.Model):
    """How many requests came to the same end, counted when their outcomes were written; appended, never changed.

    `latency_ms` is the upper bound of the bucket, `is_trouble` whether they speak against the gateway
    (null: they say nothing). `took_ms` is the time that they took together. `is_late`: somebody else had settled
    their messages by then, as a worker's that was lost, so that the ledger does not know these answers.
    A chore sums them up per minute: `is_sum`, and `moment` is the minute's beginning.
    """

    moment = models.DateTimeField()
    cause = models.CharField(max_length=20)
    http_status = models.SmallIntegerField(null=True)
    latency_ms = models.IntegerField()
    is_trouble = models.BooleanField(null=True)
    number = models.IntegerField()
    # with defaults in the database too: workers of the release before go on counting during an upgrade
    took_ms = models.BigIntegerField(default=0, db_default=0)
    is_late = models.BooleanField(default=False, db_default=False)
    is_sum = models.BooleanField(default=False)

    class Meta:
        indexes = [
            # what did it answer in the last seconds, or minutes?
            models.Index(name="pulse_by_moment", fields=["moment"]),
            # what is to be summed up?
            models.Index(name="pulse_to_sum", fields=["moment"], condition=Q(is_sum=False)),
        ]

    def __str__(self) -> str:
        return f"{self.cause} {self.number}"


class RequestTotal(models.Model):
    """How many requests ever came to the same end, but for what is not summed up yet: of pulses that are no sums.

    Outlives the pulses, which are forgotten. Each is an attempt of the ledger: late answers are left out, and the
    requests of lost workers are here, with a `latency_ms` of 0. `http_status` is 0 when no answer came.
    """

    cause = models.CharField(max_length=20)
    http_status = models.SmallIntegerField(default=0)
    latency_ms = models.IntegerField()
    number = models.BigIntegerField(default=0)
    took_ms = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="request_total_once", fields=["cause", "http_status", "latency_ms"])
        ]

    def __str__(self) -> str:
        return f"{self.cause} {self.number}"
