"""The daily report: what a day was, who gets it, and every letter of it."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

DETAIL_LENGTH = 512


class Occasion(models.TextChoices):
    """Why a letter is written."""

    DAILY = "daily", pgettext_lazy("letter", "Daily")
    BY_HAND = "by_hand", pgettext_lazy("letter", "By hand")


class LetterState(models.TextChoices):
    """Where a letter is."""

    QUEUED = "queued", pgettext_lazy("letter", "Waits")
    SENDING = "sending", pgettext_lazy("letter", "Being sent")
    SENT = "sent", pgettext_lazy("letter", "Sent")
    FAILED = "failed", pgettext_lazy("letter", "Refused")
    UNKNOWN = "unknown", pgettext_lazy("letter", "Unknown")
    EXPIRED = "expired", pgettext_lazy("letter", "Given up")


LETTER_SENTENCES = {
    LetterState.QUEUED: _("It waits for its turn, or to be tried again."),
    LetterState.SENDING: _("A worker is talking to the mail server."),
    LetterState.SENT: _("The mail server took it."),
    LetterState.FAILED: _("The mail server refused it, or the person was removed."),
    LetterState.UNKNOWN: _("The mail server may have taken it: no clear answer came. A person may send it again."),
    LetterState.EXPIRED: _("The mail server could not be reached until the day was over."),
}


class Subscription(models.Model):
    """A person who chose to get the daily report, in a language."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="subscription")
    language = models.CharField(max_length=2, choices=settings.LANGUAGES)

    def __str__(self) -> str:
        return f"{self.user} ({self.language})"


class Report(models.Model):
    """A day in numbers, as they were when it was first written: whoever gets it later gets the same.

    `numbers` is what `mailings.report.to_json` makes of a `Day`. `posted_at` is set once, by whoever writes the
    letters of the day to everybody, in the same transaction.
    """

    day = models.DateField(unique=True)
    timezone = models.CharField(max_length=64)
    numbers = models.JSONField()
    made_at = models.DateTimeField()
    posted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.day.isoformat()


class Letter(models.Model):
    """One report to one address. `mailings.letters` is the only writer of `state`.

               ┌───── again later ─────┐
               ▼                       │
        (row) queued ────claim────▶ sending ──▶ sent, failed
                 └──▶ expired          └──▶ unknown

    While `sending`, `token` says which claim holds it and `lease_until` until when. `handed_at` is written right
    before the text leaves: a lease that passes before it puts the letter back, one that passes after it makes it
    `unknown`, and no machine sends that again. `sent`, `failed`, `unknown` and `expired` are final, but that the
    late word of its own claim may clear up an `unknown` one.
    """

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="letters")
    # null when a command named an address
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    address = models.EmailField()
    language = models.CharField(max_length=2)
    occasion = models.CharField(max_length=8, choices=Occasion.choices)
    state = models.CharField(max_length=8, choices=LetterState.choices, default=LetterState.QUEUED)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField()
    until = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    token = models.BigIntegerField(null=True)
    lease_until = models.DateTimeField(null=True)
    handed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    detail = models.CharField(max_length=DETAIL_LENGTH, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="letter_once_a_day", fields=["report", "address"], condition=Q(occasion="daily")
            ),
            models.CheckConstraint(name="letter_state_is_known", condition=Q(state__in=LetterState.values)),
            models.CheckConstraint(
                name="letter_lease_while_sending",
                condition=Q(state="sending", lease_until__isnull=False, token__isnull=False)
                | (~Q(state="sending") & Q(lease_until=None)),
            ),
        ]
        indexes = [
            # which are to be sent, or whose lease has passed? Few of the many of the years.
            models.Index(
                name="letter_at_work", fields=["state", "due_at"], condition=Q(state__in=["queued", "sending"])
            ),
        ]

    def __str__(self) -> str:
        return f"letter {self.pk}"
