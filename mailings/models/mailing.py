"""A mailing, and the time zones of its messages."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from mailings.policy import OnUnknown
from mailings.windows import Window

TEXT_LENGTH = 1600


class MailingState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    SCHEDULED = "scheduled", _("Scheduled")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    FINISHED = "finished", _("Finished")
    CANCELLED = "cancelled", _("Cancelled")


class OnUnknownChoice(models.TextChoices):
    RESEND = OnUnknown.RESEND.value, _("Send again with the same number")
    HOLD = OnUnknown.HOLD.value, _("Hold for a person's decision")


class PauseReason(models.TextChoices):
    """Why a mailing is paused."""

    BY_HAND = "by_hand", _("A person paused it")
    REFUSED = "refused", _("It paused itself: the gateway refused too many of its last messages")


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
    `start_delay_s` says how late the clock started it; null when a person started it.
    `pause_reason` says why a paused one is; `resumed_at` when a person last let it go on.
    A deleted mailing is cancelled (if it was not over) and hidden.
    `rest_of` names the mailing whose unsent messages this one makes up for: only their clients are its audience.
    `attempts_forgotten_at` and `messages_forgotten_at` say when forgetting them began: from then on some or all
    are missing, but for those of messages that wait for a person's decision.
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
    rest_of = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(_("state"), max_length=10, choices=MailingState.choices, default=MailingState.DRAFT)
    closing = models.BooleanField(default=False)
    pause_reason = models.CharField(max_length=10, choices=PauseReason.choices, blank=True)
    resumed_at = models.DateTimeField(null=True)
    audience_cursor = models.BigIntegerField(default=0)
    audience_until = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(_("created"), default=now)
    updated_at = models.DateTimeField(_("changed"), default=now)
    started_at = models.DateTimeField(_("started"), null=True)
    start_delay_s = models.FloatField(null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    deleted_at = models.DateTimeField(null=True)
    attempts_forgotten_at = models.DateTimeField(null=True)
    messages_forgotten_at = models.DateTimeField(null=True)

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
            # which are for the rest of this one? few are for the rest of any
            models.Index(name="mailing_rest_of", fields=["rest_of"], condition=Q(rest_of__isnull=False)),
            # which have had their attempts, or their messages, for long enough? Those that are forgotten leave
            models.Index(
                name="mailing_keeps_attempts",
                fields=["finished_at", "id"],
                condition=Q(attempts_forgotten_at=None, started_at__isnull=False, finished_at__isnull=False),
            ),
            models.Index(
                name="mailing_keeps_messages",
                fields=["finished_at", "id"],
                condition=Q(messages_forgotten_at=None, started_at__isnull=False, finished_at__isnull=False),
            ),
            # which were deleted long ago?
            models.Index(name="mailing_deleted", fields=["deleted_at"], condition=Q(deleted_at__isnull=False)),
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
