"""The facts of mailings and messages, their constraints, and the states each may be in."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from clients.models import TAG_LENGTH, Client
from mailings.policy import OnUnknown, Reason, State, Window

TEXT_LENGTH = 1600


class MailingState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    SCHEDULED = "scheduled", _("Scheduled")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    FINISHED = "finished", _("Finished")
    CANCELLED = "cancelled", _("Cancelled")


class MessageState(models.TextChoices):
    """The labels of `policy.State`."""

    QUEUED = State.QUEUED.value, _("Queued")
    SENDING = State.SENDING.value, _("Sending")
    SENT = State.SENT.value, _("Sent")
    FAILED = State.FAILED.value, _("Failed")
    UNKNOWN = State.UNKNOWN.value, _("Unknown")
    EXPIRED = State.EXPIRED.value, _("Expired")
    CANCELLED = State.CANCELLED.value, pgettext_lazy("message", "Cancelled")


STATE_SENTENCES = {
    State.QUEUED: _("It waits: for its turn, for the window, or for a retry."),
    State.SENDING: _("A worker has taken it and is asking the gateway."),
    State.SENT: _("The gateway accepted it."),
    State.FAILED: _("The gateway refused it, or the last allowed attempt did not get through."),
    State.UNKNOWN: _("It may have been sent: no clear answer came."),
    State.EXPIRED: _("The end of the mailing came first."),
    State.CANCELLED: _("It will not be sent: the mailing, or writing to this client, was stopped."),
}


class MessageReason(models.TextChoices):
    """The labels of `policy.Reason`: why a message waits, or why it ended."""

    TURN = Reason.TURN.value, _("Waits for its turn")
    RETRY_NOT_SENT = Reason.RETRY_NOT_SENT.value, _("Did not get through, waits for a retry")
    RETRY_THROTTLED = Reason.RETRY_THROTTLED.value, _("The gateway asked to slow down, waits for a retry")
    RETRY_UNAUTHORISED = (
        Reason.RETRY_UNAUTHORISED.value,
        _("The gateway refused our token, waits for a retry"),
    )
    RETRY_UNKNOWN = Reason.RETRY_UNKNOWN.value, _("No clear answer, waits for a retry with the same number")
    RETRY_BY_HAND = Reason.RETRY_BY_HAND.value, _("Put back by a person, waits for its turn")
    IN_FLIGHT = Reason.IN_FLIGHT.value, _("On its way to the gateway")
    ACCEPTED = Reason.ACCEPTED.value, _("Accepted by the gateway")
    REFUSED = Reason.REFUSED.value, _("Refused by the gateway")
    TOO_MANY_ATTEMPTS = Reason.TOO_MANY_ATTEMPTS.value, _("Too many attempts")
    NO_ANSWER = Reason.NO_ANSWER.value, _("No clear answer from the gateway, held for a decision")
    WORKER_LOST = Reason.WORKER_LOST.value, _("The worker stopped in mid-request, held for a decision")
    END_BEFORE_ANSWER = Reason.END_BEFORE_ANSWER.value, _("The end came before a clear answer")
    END_BEFORE_TURN = Reason.END_BEFORE_TURN.value, _("The end came before its turn")
    END_WHILE_RETRYING = Reason.END_WHILE_RETRYING.value, _("The end came before it got through")
    MAILING_CANCELLED = Reason.MAILING_CANCELLED.value, _("The mailing was cancelled")
    CLIENT_DELETED = Reason.CLIENT_DELETED.value, _("The client was deleted")
    CLIENT_OPTED_OUT = Reason.CLIENT_OPTED_OUT.value, _("The client opted out")


class OnUnknownChoice(models.TextChoices):
    RESEND = OnUnknown.RESEND.value, _("Send again with the same number")
    HOLD = OnUnknown.HOLD.value, _("Hold for a person's decision")


class MailingQuerySet(models.QuerySet["Mailing"]):
    def visible(self) -> "MailingQuerySet":
        """All but the deleted: what lists, statistics and doors may show."""
        return self.filter(deleted_at=None)


class Mailing(models.Model):
    """One text to many clients between a start and an end. `mailings.operations` is the only writer of `state`.

        draft ──launch──▶ scheduled ──start──▶ running ⇄ paused ──▶ finished
          └────────cancel────────┴────cancel────┴──cancel──┴──▶ cancelled

    draft: a person is still writing it; nothing will happen by itself.
    scheduled: it starts by itself at `starts_at`.
    running: its audience is fixed (`audience_until`), messages go out while their windows are open.
    paused: nothing new goes out; what is in flight is recorded.
    finished: no message is open any more, or `ends_at` came. Final.
    cancelled: a person stopped it. Final.

    `closing` says that a finished or cancelled mailing may still have open messages to be closed: a sweep
    closes them in steps, and nothing is sent meanwhile, because only running mailings are claimed from.
    A deleted mailing is cancelled (if it was not over) and hidden.
    """

    name = models.CharField(_("name"), max_length=200, blank=True)
    text = models.TextField(_("text"), max_length=TEXT_LENGTH)
    starts_at = models.DateTimeField(_("start"))
    ends_at = models.DateTimeField(_("end"))
    operator_codes = models.JSONField(_("operator codes"), default=list, blank=True)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    send_from = models.TimeField(_("send from"), null=True, blank=True)
    send_until = models.TimeField(_("send until"), null=True, blank=True)
    on_unknown = models.CharField(
        _("without a clear answer"), max_length=8, choices=OnUnknownChoice.choices, default=OnUnknown.RESEND.value
    )
    state = models.CharField(_("state"), max_length=10, choices=MailingState.choices, default=MailingState.DRAFT)
    closing = models.BooleanField(default=False)
    audience_cursor = models.BigIntegerField(default=0)
    audience_until = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(_("created"), default=now)
    updated_at = models.DateTimeField(_("changed"), default=now)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    deleted_at = models.DateTimeField(null=True)

    objects = MailingQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(name="mailing_ends_after_start", condition=Q(ends_at__gt=F("starts_at"))),
            models.CheckConstraint(name="mailing_text_is_not_empty", condition=~Q(text="")),
            models.CheckConstraint(
                name="mailing_window_is_whole",
                condition=Q(send_from=None, send_until=None)
                | (Q(send_from__isnull=False, send_until__isnull=False) & ~Q(send_from=F("send_until"))),
            ),
            models.CheckConstraint(name="mailing_state_is_known", condition=Q(state__in=MailingState.values)),
            models.CheckConstraint(
                name="mailing_audience_is_fixed_when_started",
                condition=Q(started_at=None, audience_until=None)
                | Q(started_at__isnull=False, audience_until__isnull=False),
            ),
        ]
        indexes = [
            # what does the clock have to start, run, finish? few of the many rows of the years
            models.Index(
                name="mailing_of_the_clock",
                fields=["state", "starts_at"],
                condition=Q(state__in=["scheduled", "running", "paused"]),
            ),
            # which are over but have open messages left?
            models.Index(name="mailing_closing", fields=["id"], condition=Q(closing=True)),
            models.Index(name="mailing_by_state", fields=["state", "-id"], condition=Q(deleted_at=None)),
        ]

    def __str__(self) -> str:
        return self.name or self.text[:60]

    @property
    def window(self) -> Window | None:
        if self.send_from is None or self.send_until is None:
            return None
        return Window(self.send_from, self.send_until)

    @property
    def audience_is_whole(self) -> bool:
        """Whether every recipient has his message."""
        return self.audience_until is not None and self.audience_cursor >= self.audience_until

    def is_sendable(self, moment: datetime) -> bool:
        return self.state == MailingState.RUNNING and self.deleted_at is None and moment < self.ends_at


class MailingZone(models.Model):
    """The time zones that have messages in a mailing: what the claim walks over. Never shrinks."""

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="zones", db_index=False)
    timezone = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(name="zone_once_per_mailing", fields=["mailing", "timezone"])]

    def __str__(self) -> str:
        return self.timezone


class Message(models.Model):
    """One mailing to one client, unique per pair. `mailings.queue` is the only writer of `state`.

                     ┌────── retry, release ──────┐
                     ▼                            │
        (row) ──▶ queued ──────claim──────▶ sending ──▶ sent
                   │  │                       ├──▶ failed ──retry by hand──▶ queued
                   │  └──▶ expired ◀──────────┤
                   └─────▶ cancelled ◀────────┴──▶ unknown

    The sentence of each state is in `STATE_SENTENCES`. `sent`, `failed`, `expired` and `cancelled` are final.
    `due_at` holds only retry delays: windows are decided at the claim. `attempts` counts requests;
    `strikes` those that went against its own limit. While `sending`, `lease_token` says which claim holds
    it and `lease_until` until when; a lease that passes means that it may have been sent.
    `operator_code`, `tag` and `timezone` are the client's, so that statistics outlive him; `timezone`
    follows him while the message waits.
    """

    # the indexes below serve the keys as well: one of Django's own would only slow down every change
    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="messages", db_index=False)
    client = models.ForeignKey(
        Client, null=True, on_delete=models.DO_NOTHING, related_name="messages", db_index=False
    )
    state = models.CharField(max_length=10, choices=MessageState.choices, default=State.QUEUED.value)
    reason = models.CharField(max_length=20, choices=MessageReason.choices, default=Reason.TURN.value)
    operator_code = models.CharField(max_length=3)
    tag = models.CharField(max_length=TAG_LENGTH, blank=True)
    timezone = models.CharField(max_length=64)
    due_at = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    strikes = models.SmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    lease_token = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            # also answers: the messages of one client, for his page and for stopping them
            models.UniqueConstraint(name="message_once_per_client", fields=["client", "mailing"]),
            models.CheckConstraint(name="message_state_is_known", condition=Q(state__in=[str(s) for s in State])),
            models.CheckConstraint(
                name="message_lease_while_sending",
                condition=(
                    Q(state="sending", lease_until__isnull=False, lease_token__isnull=False)
                    | (~Q(state="sending") & Q(lease_until=None, lease_token=None))
                ),
            ),
            models.CheckConstraint(
                name="message_sent_at_when_sent",
                condition=Q(state="sent", sent_at__isnull=False) | (~Q(state="sent") & Q(sent_at=None)),
            ),
        ]
        indexes = [
            # which are due in this zone of this mailing? In the order of the claim; only what waits.
            models.Index(
                name="message_to_claim",
                fields=["mailing", "timezone", "due_at", "id"],
                condition=Q(state="queued"),
            ),
            # whose lease has passed?
            models.Index(name="message_leased", fields=["lease_until"], condition=Q(state="sending")),
            # the recipients of a mailing in this state
            models.Index(name="message_of_mailing", fields=["mailing", "state", "id"]),
        ]

    def __str__(self) -> str:
        return f"message {self.pk}"


class Attempt(models.Model):
    """One request to the gateway for a message, written when its outcome is settled. Never changed.

    `outcome` is a `gateway.Kind`, `cause` a `gateway.Cause`; `detail` the first 512 characters of the
    answer or the error.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attempt_log", db_index=False)
    number = models.IntegerField()
    started_at = models.DateTimeField()
    duration_ms = models.IntegerField(null=True)
    outcome = models.CharField(max_length=10)
    cause = models.CharField(max_length=20)
    http_status = models.SmallIntegerField(null=True)
    detail = models.CharField(max_length=512, blank=True)

    class Meta:
        ordering = ["message", "number"]
        constraints = [models.UniqueConstraint(name="attempt_once", fields=["message", "number"])]

    def __str__(self) -> str:
        return f"attempt {self.number} of message {self.message_id}"


class Tally(models.Model):
    """A change of how many messages of a mailing are in a state, in the minute it happened.

    Written in the transaction of each transition, one row per state and batch, so that no row is hot; summed
    up by a chore. The sum over all rows of a mailing and state is the number of its messages in it.
    """

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="+", db_index=False)
    minute = models.DateTimeField()
    state = models.CharField(max_length=10, choices=MessageState.choices)
    delta = models.BigIntegerField()

    class Meta:
        indexes = [
            # progress and chart of one mailing, without looking at the rows
            models.Index(name="tally_of_mailing", fields=["mailing", "state", "minute"], include=["delta"]),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.delta:+d}"


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


class Worker(models.Model):
    """A background worker that is alive: its clock renews `seen_at` every few seconds."""

    id = models.CharField(max_length=32, primary_key=True)
    host = models.CharField(max_length=253)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.host} {self.id[:8]}"
