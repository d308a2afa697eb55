"""Browsers and journal entries as the templates of the settings write them."""

from collections.abc import Iterator

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.journal import SERVICE
from accounts.models import ApiKey, JournalEntry, User
from accounts.roles import Role, allows
from dashboard import devices, journal
from dashboard.journal import Detail

register = template.Library()


@register.filter
def device(user_agent: str) -> str:
    return devices.name(user_agent)


@register.filter
def verb(entry: JournalEntry) -> str:
    return journal.verb(entry)


@register.filter
def thing(entry: JournalEntry) -> str:
    return journal.thing(entry)


@register.filter
def thing_address(entry: JournalEntry) -> str | None:
    return journal.address(entry)


@register.filter
def who_for(entry: JournalEntry, reader: User) -> str:
    """Who did it, for one reader: names of people and keys are for administrators, and each one his own."""
    is_his = entry.user_id is not None and entry.user_id == reader.pk
    if is_his or entry.actor == str(SERVICE) or allows(reader.role, Role.ADMINISTRATOR):
        return entry.actor
    return _("a program") if entry.api_key_id is not None else _("a person")


@register.filter
def entry_tone(entry: JournalEntry) -> str:
    """The colour of what was done: what stops something, what lets it go on, and all else."""
    return {"pause": "paused", "cancel": "cancelled", "delete": "cancelled", "opt_out": "cancelled"}.get(
        entry.verb, "running" if entry.verb in ("launch", "start", "resume") else "scheduled"
    )


@register.filter
def told(entry: JournalEntry) -> Iterator[Detail]:
    return journal.details(entry)


@register.filter
def person_state(person: User) -> str:
    """One of removed, invited and here."""
    if not person.is_active:
        return "removed"
    return "invited" if person.signed_in_at is None else "here"


@register.filter
def key_state(key: ApiKey) -> str:
    """One of revoked, expired and valid."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= timezone.now() else "valid"
