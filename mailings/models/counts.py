"""How many messages are where: changes as they happen, and their sums."""

from django.db import models

from clients.models import TAG_LENGTH
from mailings.models.mailing import Mailing
from mailings.models.message import MessageReason, MessageState


class Dimension(models.TextChoices):
    """By what a mailing's messages are broken down: a column of each message."""

    OPERATOR_CODE = "operator_code"
    TAG = "tag"
    TIMEZONE = "timezone"


class Tally(models.Model):
    """A change of how many messages of a mailing are in a state for a reason, in the minute it happened.

    Written in the transaction of each transition, one row per state, reason and batch, so that no row is hot.
    Every few seconds what has been written is folded: added to `Standing`, `Minute`, `Quarter` and `Breakdown`,
    and deleted. Sums and tally rows together are the number of the messages, at every instant.

    `parts` is JSON: the delta of each value of each dimension, `{"tag": {"vip": -3}, …}`. A client who moves is a
    delta of 0 with parts.
    """

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="+", db_index=False)
    minute = models.DateTimeField()
    state = models.CharField(max_length=10, choices=MessageState.choices)
    reason = models.CharField(max_length=20, choices=MessageReason.choices)
    delta = models.BigIntegerField()
    parts = models.TextField()

    class Meta:
        indexes = [
            # what is not folded yet of this mailing?
            models.Index(name="tally_of_mailing", fields=["mailing"]),
        ]

    def __str__(self) -> str:
        return f"{self.state} ({self.reason}) {self.delta:+d}"


class Standing(models.Model):
    """How many messages of a mailing are in a state for a reason, but for what is not folded yet."""

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="+", db_index=False)
    state = models.CharField(max_length=10)
    reason = models.CharField(max_length=20)
    number = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(name="standing_once", fields=["mailing", "state", "reason"])]

    def __str__(self) -> str:
        return f"{self.number} {self.state} ({self.reason})"


class Minute(models.Model):
    """By how many the messages of a mailing in a state grew in a minute, but for what is not folded yet."""

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="+", db_index=False)
    state = models.CharField(max_length=10)
    minute = models.DateTimeField()
    number = models.BigIntegerField()

    class Meta:
        constraints = [
            # also answers: the chart of one mailing, and what it did lately
            models.UniqueConstraint(name="minute_once", fields=["mailing", "state", "minute"]),
        ]

    def __str__(self) -> str:
        return f"{self.number:+d} {self.state}"


class Quarter(models.Model):
    """By how many the messages of a mailing in a state for a reason grew in a quarter of an hour, but for what is
    not folded yet.

    Every time zone's day begins with a quarter of an hour: days are sums of these, whichever zone they are of.
    """

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="+", db_index=False)
    state = models.CharField(max_length=10)
    reason = models.CharField(max_length=20)
    minute = models.DateTimeField()  # its first
    number = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="quarter_once", fields=["mailing", "state", "reason", "minute"])
        ]
        indexes = [
            # what happened in these days?
            models.Index(name="quarter_by_time", fields=["minute"]),
        ]

    def __str__(self) -> str:
        return f"{self.number:+d} {self.state} ({self.reason})"


class Breakdown(models.Model):
    """How many messages of a mailing with this operator code, tag or time zone are in a state, but for what is not
    folded yet."""

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="+", db_index=False)
    dimension = models.CharField(max_length=13)
    value = models.CharField(max_length=TAG_LENGTH, blank=True)
    state = models.CharField(max_length=10)
    number = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="breakdown_once", fields=["mailing", "dimension", "value", "state"])
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.state} with {self.dimension} {self.value}"


class Forgotten(models.Model):
    """How many messages of a mailing with this reason, operator code, tag or time zone were forgotten in a state.

    Written in the transaction that deletes them: what is left and what was forgotten are together what the sums
    say, at every instant. `dimension` is a `Dimension` or "reason".
    """

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="+", db_index=False)
    dimension = models.CharField(max_length=13)
    value = models.CharField(max_length=TAG_LENGTH, blank=True)
    state = models.CharField(max_length=10)
    number = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="forgotten_once", fields=["mailing", "dimension", "value", "state"])
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.state} with {self.dimension} {self.value} forgotten"
