"""The tables of the lists; at a narrow width each row becomes a card."""

from collections.abc import Sequence
from typing import Any

import django_tables2 as tables
from django.template.context_processors import csrf
from django.template.loader import get_template
from django.utils.translation import gettext_lazy as _

LEAD = {"td": {"class": "lead-cell"}}
RIGHT = {"td": {"class": "right"}, "th": {"class": "right"}}
WIDE = {"td": {"class": "progress-cell"}}


class Rows(tables.Table):  # type: ignore[misc]  # django-tables2 has no types
    """What all tables share: our look, and an order that is the list's own."""

    css = "rows"

    def __init__(self, rows: Sequence[Any], **options: Any) -> None:
        look = {"template_name": "tables/rows.html", "attrs": {"class": self.css}, "orderable": False}
        super().__init__(rows, **look, **options)


class Cell(tables.Column):  # type: ignore[misc]
    """A column whose cells a template writes, from `record` (the row) and `user` (the reader). Forms have a token.

    The library's own template column runs every context processor for every cell.
    """

    def __init__(self, template: str, label: Any, **options: Any) -> None:
        super().__init__(verbose_name=label, empty_values=(), **options)
        self.template = template

    def render(self, record: Any, table: Any) -> str:
        known = {"record": record, "user": table.request.user, **csrf(table.request)}
        return get_template(self.template).render(known)


def cell(template: str, label: Any, **options: Any) -> Cell:
    return Cell(template, label, **options)


class ClientTable(Rows):
    phone = cell("clients/cells/phone.html", _("Phone"), attrs=LEAD)
    operator_code = tables.Column(_("Operator code"))
    tag = cell("clients/cells/tag.html", _("Tag"))
    timezone = cell("clients/cells/zone.html", _("Time zone"))
    created_at = cell("clients/cells/created.html", _("Added"))


class MailingTable(Rows):
    css = "rows rows-mailings"
    name = cell("mailings/cells/name.html", _("Mailing"), accessor="mailing__name", attrs=LEAD)
    state = cell("mailings/cells/state.html", _("State"), accessor="mailing__state")
    audience = cell("mailings/cells/audience.html", _("Audience"), accessor="mailing__tags")
    period = cell("mailings/cells/period.html", _("Start and end"), accessor="mailing__starts_at")
    progress = cell("mailings/cells/progress.html", _("Progress"), accessor="progress", attrs=WIDE)


class MessageTable(Rows):
    id = cell("messages/cells/id.html", _("Message"), attrs=LEAD)
    client = cell("messages/cells/client.html", _("Client"), accessor="id")
    mailing = cell("messages/cells/mailing.html", _("Mailing"), accessor="id")
    state = cell("messages/cells/state.html", _("State"))
    reason = cell("messages/cells/reason.html", _("Reason"))
    attempts = tables.Column(_("Attempts"), attrs=RIGHT)
    at = cell("messages/cells/at.html", _("Sent or created"), accessor="created_at")


class RecipientTable(MessageTable):
    """The messages of one mailing."""

    class Meta:
        exclude = ("mailing",)


class UnknownTable(RecipientTable):
    """Those of them that a person can decide about: with a box to tick."""

    tick = cell("messages/cells/tick.html", _("Choose"), accessor="id")

    class Meta:
        exclude = ("mailing",)
        sequence = ("tick", "...")


class StatisticsTable(Rows):
    css = "rows rows-mailings"
    name = cell("mailings/cells/name.html", _("Mailing"), accessor="mailing__name", attrs=LEAD)
    state = cell("mailings/cells/state.html", _("State"), accessor="mailing__state")
    recipients = cell("statistics/cells/recipients.html", _("Recipients"), accessor="progress", attrs=RIGHT)
    sent = cell("statistics/cells/sent.html", _("Sent"), accessor="progress", attrs=RIGHT)
    failed = cell("statistics/cells/failed.html", _("Failed"), accessor="progress", attrs=RIGHT)
    other = cell("statistics/cells/other.html", _("Other"), accessor="progress", attrs=RIGHT)
    share = cell("mailings/cells/progress.html", _("Progress"), accessor="progress", attrs=WIDE)


class PersonTable(Rows):
    email = cell("settings/cells/person.html", _("Person"), attrs=LEAD)
    role = cell("settings/cells/role.html", _("Role"))
    state = cell("settings/cells/person_state.html", _("State"), accessor="is_active")
    came = cell("settings/cells/came.html", _("Signed in"), accessor="signed_in_at")
    deeds = cell("settings/cells/person_deeds.html", _("Actions"), accessor="id", attrs=RIGHT)


class KeyTable(Rows):
    name = cell("settings/cells/key.html", _("Key"), attrs=LEAD)
    role = cell("settings/cells/role.html", _("Role"))
    state = cell("settings/cells/key_state.html", _("State"), accessor="revoked_at")
    used = cell("settings/cells/used.html", _("Last use"), accessor="last_used_at")
    made = cell("settings/cells/made.html", _("Made"), accessor="created_at")
    deeds = cell("settings/cells/key_deeds.html", _("Actions"), accessor="id", attrs=RIGHT)


class JournalTable(Rows):
    at = cell("settings/cells/at.html", _("When"))
    actor = cell("settings/cells/actor.html", _("Who"))
    deed = cell("settings/cells/deed.html", _("Did what"), accessor="verb", attrs=LEAD)
    details = cell("settings/cells/details.html", _("Before → after"), accessor="details")


class LetterTable(Rows):
    address = cell("reports/cells/address.html", _("To whom"), attrs=LEAD)
    day = cell("reports/cells/day.html", _("Day"), accessor="report__day")
    occasion = cell("reports/cells/occasion.html", _("Occasion"))
    state = cell("reports/cells/state.html", _("State"))
    at = cell("reports/cells/at.html", _("When"), accessor="created_at")
    deeds = cell("reports/cells/deeds.html", _("Actions"), accessor="id", attrs=RIGHT)


class SessionTable(Rows):
    device = cell("settings/cells/device.html", _("Browser"), accessor="user_agent", attrs=LEAD)
    address = tables.Column(_("Address"), accessor="ip")
    seen = cell("settings/cells/seen.html", _("Last seen"), accessor="last_seen_at")
    begun = cell("settings/cells/begun.html", _("Signed in"), accessor="created_at")
    deeds = cell("settings/cells/session_deeds.html", _("Actions"), accessor="id", attrs=RIGHT)
