"""A message, its attempts, and the counts of messages."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from clients.models import TAG_LENGTH, Client
from mailings.models.mailing import Mailing
from mailings.policy import Reason, State


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
    ACCEPTED_BY_HAND = Reason.ACCEPTED_BY_HAND.value, _("No clear answer; a person counts it as sent")
    REFUSED = Reason.REFUSED.value, _("Refused by the gateway")
    TOO_MANY_ATTEMPTS = Reason.TOO_MANY_ATTEMPTS.value, _("Too many attempts")
    GIVEN_UP_BY_HAND = Reason.GIVEN_UP_BY_HAND.value, _("No clear answer; a person counts it as failed")
    NO_ANSWER = Reason.NO_ANSWER.value, _("No clear answer from the gateway, held for a decision")
    WORKER_LOST = Reason.WORKER_LOST.value, _("The worker stopped in mid-request, held for a decision")
    END_BEFORE_ANSWER = Reason.END_BEFORE_ANSWER.value, _("The end came before a clear answer")
    RESTORED = Reason.RESTORED.value, _("The database came back from a backup; it may have been sent since")
    END_BEFORE_TURN = Reason.END_BEFORE_TURN.value, _("The end came before its turn")
    END_WHILE_RETRYING = Reason.END_WHILE_RETRYING.value, _("The end came before it got through")
    MAILING_CANCELLED = Reason.MAILING_CANCELLED.value, _("The mailing was cancelled")
    CLIENT_DELETED = Reason.CLIENT_DELETED.value, _("The client was deleted")
    CLIENT_OPTED_OUT = Reason.CLIENT_OPTED_OUT.value, _("The client opted out")


class Message(models.Model):
    """One mailing to one client, unique per pair. `mailings.queue` is the only writer of `state`.

                     ┌────── retry, release ──────┐
                     ▼                            │
        (row) ──▶ queued ──────claim──────▶ sending ──▶ sent
                   │  │                       ├──▶ failed ──by hand──▶ queued
                   │  └──▶ expired ◀──────────┤
                   └─────▶ cancelled ◀────────┴──▶ unknown ──by hand──▶ queued, sent or failed

    The sentence of each state is in `STATE_SENTENCES`. `sent`, `failed`, `expired` and `cancelled` are final, but
    for what a person decides (`policy.MOVES`).
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
            # the recipients of a mailing for this reason; not where it is that of nearly all in its state
            models.Index(
                name="message_by_reason",
                fields=["mailing", "reason", "id"],
                condition=~Q(reason__in=["turn", "in_flight", "accepted"]),
            ),
        ]

    def __str__(self) -> str:
        return f"message {self.pk}"


class Attempt(models.Model):
    """One request to the gateway for a message, written when its outcome is settled. Never changed.

    `outcome` is a `gateway.Kind`, `cause` a `gateway.Cause`; `detail` the first 512 characters of the
    answer or the error.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attempt_log", db_index=False)
    # the message's: written once, so no constraint checks it with each of a million attempts
    mailing = models.ForeignKey(
        Mailing, null=True, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
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
        indexes = [
            # the attempts of a mailing that came to this, in the order of time
            models.Index(name="attempt_of_mailing", fields=["mailing", "outcome", "started_at", "id"]),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of message {self.message_id}"
