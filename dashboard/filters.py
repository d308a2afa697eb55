"""What the lists can be narrowed by. All of it lives in the address."""

from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.roles import Role
from clients import queries as directory
from clients.models import Client
from clients.phones import STRICT
from dashboard import access
from mailings.models import Mailing, MailingState, Message, MessageReason, MessageState

WITHOUT_TAG = "-"
BY_PHONE = 500


class ClientFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    q = django_filters.CharFilter(label=_("Phone or tag"), method="search", max_length=64)
    operator_code = django_filters.ChoiceFilter(label=_("Operator code"), empty_label=_("Any code"))
    tag = django_filters.ChoiceFilter(label=_("Tag"), empty_label=_("Any tag"), method="by_tag")
    timezone = django_filters.ChoiceFilter(label=_("Time zone"), empty_label=_("Any zone"))
    opted_out = django_filters.ChoiceFilter(
        label=_("Opt-out"),
        empty_label=_("All clients"),
        choices=[("no", _("May be written to")), ("yes", _("Opted out"))],
        method="by_opt_out",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("operator_code", "timezone"):
            self.filters[name].extra["choices"] = [(value, value) for value in directory.values(name)]
        tags = directory.values("tag")
        self.filters["tag"].extra["choices"] = [(tag or WITHOUT_TAG, tag or _("without a tag")) for tag in tags]

    def search(self, found: QuerySet[Client], name: str, text: str) -> QuerySet[Client]:
        return narrowed_by_phone(found, text, self.request, prefix="", tag="tag")

    def by_tag(self, found: QuerySet[Client], name: str, tag: str) -> QuerySet[Client]:
        return found.filter(tag="" if tag == WITHOUT_TAG else tag)

    def by_opt_out(self, found: QuerySet[Client], name: str, value: str) -> QuerySet[Client]:
        return found.filter(opted_out_at__isnull=value == "no")


def narrowed_by_phone(
    found: QuerySet[Any], text: str, request: HttpRequest, *, prefix: str, tag: str | None = None
) -> QuerySet[Any]:
    """Rows whose client has this part of a phone, as people type it; without digits, this part of a tag.

    A viewer must know the whole phone: by parts he could guess what he may not see.
    """
    digits = "".join(letter for letter in text if letter in "0123456789")
    if not digits:
        return found.filter(**{f"{prefix}{tag}__icontains": text.strip()}) if tag else found.none()
    if len(digits) == 11 and digits.startswith("8"):
        digits = f"7{digits[1:]}"
    if STRICT.fullmatch(digits):
        return found.filter(**{f"{prefix}phone": digits})
    return (
        found.filter(**{f"{prefix}phone__contains": digits})
        if access.may(request, Role.OPERATOR)
        else found.none()
    )


class MailingFilters(django_filters.FilterSet):  # type: ignore[misc]
    q = django_filters.CharFilter(label=_("Name or text"), method="search", max_length=200)
    state = django_filters.ChoiceFilter(
        label=_("State"), choices=MailingState.choices, empty_label=_("All"), widget=forms.HiddenInput
    )

    def search(self, found: QuerySet[Mailing], name: str, text: str) -> QuerySet[Mailing]:
        return found.filter(name__icontains=text) | found.filter(text__icontains=text)


class MessageFilters(django_filters.FilterSet):  # type: ignore[misc]
    phone = django_filters.CharFilter(label=_("Phone"), method="by_phone", max_length=32)
    state = django_filters.ChoiceFilter(label=_("State"), choices=MessageState.choices, empty_label=_("Any state"))
    reason = django_filters.ChoiceFilter(
        label=_("Reason"), choices=MessageReason.choices, empty_label=_("Any reason")
    )

    def by_phone(self, found: QuerySet[Message], name: str, text: str) -> QuerySet[Message]:
        matching = narrowed_by_phone(Client.objects.order_by("id"), text, self.request, prefix="")
        # the ids first: the database then takes the index over (client, mailing) instead of reading all messages
        return found.filter(client__in=list(matching.values_list("id", flat=True)[:BY_PHONE]))


class PeriodFilters(django_filters.FilterSet):  # type: ignore[misc]
    since = django_filters.DateFilter(
        label=_("From"), field_name="starts_at", lookup_expr="date__gte", widget=forms.DateInput({"type": "date"})
    )
    until = django_filters.DateFilter(
        label=_("To"), field_name="starts_at", lookup_expr="date__lte", widget=forms.DateInput({"type": "date"})
    )
