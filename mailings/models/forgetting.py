"""What is being forgotten, step by step."""

from django.db import models
from django.db.models import Q

from mailings.models.mailing import Mailing


class Matter(models.TextChoices):
    """What of a mailing is forgotten: more and more."""

    ATTEMPTS = "attempts"
    MESSAGES = "messages"
    MAILING = "mailing"


class Forgetting(models.Model):
    """A walk over the messages of one mailing that forgets a step of them at a time.

    It goes through one state after the other, in the order of the ids: `state` and `cursor` say how far it came,
    so that whoever is killed is followed by somebody who goes on there. `messages` and `attempts` count what is
    gone; the row goes when it is done.
    """

    mailing = models.OneToOneField(Mailing, on_delete=models.CASCADE, related_name="forgetting")
    matter = models.CharField(max_length=8, choices=Matter.choices)
    state = models.CharField(max_length=10, blank=True)
    cursor = models.BigIntegerField(default=0)
    messages = models.BigIntegerField(default=0)
    attempts = models.BigIntegerField(default=0)
    begun_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(name="forgetting_matter_is_known", condition=Q(matter__in=Matter.values)),
        ]

    def __str__(self) -> str:
        return f"{self.matter} up to {self.state} {self.cursor}"
