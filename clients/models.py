"""The directory."""

from zoneinfo import available_timezones

from django.db import models
from django.db.models.functions import Substr
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

# a folder of the zone database that is not a zone of its own, and names kept for old programs' sake
ZONES = frozenset(name for name in available_timezones() if name != "localtime")
TAG_LENGTH = 64
ATTRIBUTES = 20
ATTRIBUTE_NAME_LENGTH = 40
ATTRIBUTE_LENGTH = 200


class Client(models.Model):
    """Who receives messages. `clients.operations` is the only writer.

    `attributes` maps up to 20 names to texts, for the placeholders of a mailing's text.
    A client with `opted_out_at` is never written to.
    """

    phone = models.CharField(_("phone"), max_length=11, unique=True)
    operator_code = models.CharField(_("operator code"), max_length=3)
    tag = models.CharField(_("tag"), max_length=TAG_LENGTH, blank=True)
    timezone = models.CharField(_("time zone"), max_length=64)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    opted_out_at = models.DateTimeField(_("opted out"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), default=now)
    updated_at = models.DateTimeField(_("changed"), default=now)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="client_phone_is_strict", condition=models.Q(phone__regex=r"^7[0-9]{10}$")
            ),
            models.CheckConstraint(
                name="client_operator_code_is_of_the_phone",
                condition=models.Q(operator_code=Substr("phone", 2, 3)),
            ),
        ]
        indexes = [
            # who has this code, this tag, this zone: in the order of the list
            models.Index(name="client_by_operator_code", fields=["operator_code", "id"]),
            models.Index(name="client_by_tag", fields=["tag", "id"]),
            models.Index(name="client_by_timezone", fields=["timezone", "id"]),
            # how many are in each zone, and how many of them opted out? Answered without looking at the rows
            models.Index(name="client_zone_and_opt_out", fields=["timezone", "opted_out_at"]),
            # who are the few that opted out?
            models.Index(name="client_opted_out", fields=["id"], condition=models.Q(opted_out_at__isnull=False)),
            # whose phone has these digits in it? On PostgreSQL only, see migration 0003 and `queries`
        ]

    def __str__(self) -> str:
        return self.phone
