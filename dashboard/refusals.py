"""Where a "no" of the floors below becomes something to read: beside a field, or on top of the page."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from accounts.refusals import Invalid, Refused
from clients.operations import PhoneTaken
from mailings.operations import NoMatches

REFUSALS = (Invalid, PhoneTaken, NoMatches, Refused)


def sentence(error: Exception) -> str:
    """What went wrong, for the top of a page."""
    if isinstance(error, PhoneTaken):
        return _("Phone already exists")
    if isinstance(error, NoMatches):
        return _("Nobody matches: no client has these codes and tags, or all of them opted out")
    if isinstance(error, Invalid):
        return " ".join(error.errors.values())
    return str(error)


def add_to(form: forms.Form, error: Exception, *, fields: Mapping[str, str] | None = None) -> None:
    """Puts the error beside the field it is about; `fields` says where a name has another field's place."""
    known = {**{name: name for name in form.fields}, **(fields or {})}
    by_field: dict[str, Any] = {}
    if isinstance(error, Invalid):
        by_field = dict(error.errors)
    elif isinstance(error, PhoneTaken):
        by_field = {"phone": sentence(error)}
    elif isinstance(error, NoMatches):
        by_field = {"audience": sentence(error)}
    else:
        by_field = {"": str(error)}
    for name, text in by_field.items():
        form.add_error(known.get(name), text)
