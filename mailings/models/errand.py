"""What a person decided about many messages, on its way through them."""

from django.db import models
from django.db.models import Q

from mailings.models.mailing import Mailing
from mailings.policy import Decision


class Errand(models.Model):
    """A decision about many messages of a mailing, carried out in steps: whoever dies in between, it goes on.

    Walks once over the messages with ids in (`cursor`, `until`]. Those that came into the state after
    `decided_at` are passed over: nobody has seen them yet. `moved` counts; the row goes when it is done.
    """

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="errands")
    decision = models.CharField(max_length=10)
    decided_at = models.DateTimeField()
    cursor = models.BigIntegerField(default=0)
    until = models.BigIntegerField()
    moved = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="errand_decision_is_known", condition=Q(decision__in=[str(one) for one in Decision])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decision} up to message {self.until}"
