"""What the lists can be narrowed by. All of it lives in the address."""

from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.roles import Role
from clients import phones
from clients import queries as directory
from clients.models import Client
from clients.queries import ClientFilter
from dashboard import access
from mailings import queries
from mailings.models import Mailing, MailingState, Message, MessageReason, MessageState
from mailings.policy import Reason, State

WITHOUT_TAG = "-"
CLIENTS_SOUGHT = 500


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
        return found & sought(text, self.request)

    def by_tag(self, found: QuerySet[Client], name: str, tag: str) -> QuerySet[Client]:
        return found.filter(tag="" if tag == WITHOUT_TAG else tag)

    def by_opt_out(self, found: QuerySet[Client], name: str, value: str) -> QuerySet[Client]:
        return found.filter(opted_out_at__isnull=value == "no")


def sought(text: str, request: HttpRequest) -> QuerySet[Client]:
    """Clients with this part of a phone or of a tag; a whole phone is understood as people write it."""
    try:
        return directory.clients(ClientFilter(phone=phones.normalise(text)))
    except phones.NotAPhone:
        return directory.clients(ClientFilter(q=text, parts_of_phones=access.may(request, Role.OPERATOR)))


class MailingFilters(django_filters.FilterSet):  # type: ignore[misc]
    q = django_filters.CharFilter(label=_("Name or text"), method="search", max_length=200)
    state = django_filters.ChoiceFilter(
        label=_("State"), choices=MailingState.choices, empty_label=_("All"), widget=forms.HiddenInput
    )

    def search(self, found: QuerySet[Mailing], name: str, text: str) -> QuerySet[Mailing]:
        return found.filter(name__icontains=text) | found.filter(text__icontains=text)


class MessageFilters(django_filters.FilterSet):  # type: ignore[misc]
    client = django_filters.CharFilter(label=_("Phone or tag"), method="by_client", max_length=64)
    state = django_filters.ChoiceFilter(label=_("State"), choices=MessageState.choices, empty_label=_("Any state"))
    reason = django_filters.ChoiceFilter(
        label=_("Reason"), choices=MessageReason.choices, empty_label=_("Any reason"), method="by_reason"
    )

    def __init__(self, *args: Any, mailing_id: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mailing_id = mailing_id

    def by_reason(self, found: QuerySet[Message], name: str, reason: str) -> QuerySet[Message]:
        return queries.with_reason(found, Reason(reason), mailing_id=self.mailing_id)

    def take(self, found: QuerySet[Message], rows: int) -> list[Message]:
        """The first rows of a mailing: where they are not of one state anyway, the first of each are looked at."""
        asked = self.form.cleaned_data
        is_one_state = asked.get("state") or asked.get("reason")
        return list(found[:rows]) if is_one_state else queries.first_across_states(found, rows)

    def by_client(self, found: QuerySet[Message], name: str, text: str) -> QuerySet[Message]:
        # the ids first: the database then takes the index over (client, mailing) instead of reading all messages
        ids = sought(text, self.request).values_list("id", flat=True)
        return found.filter(client__in=list(ids[:CLIENTS_SOUGHT]))


class AllMessageFilters(MessageFilters):
    """The messages of all mailings, among whom those in a rare state must be found quickly, too."""

    state = django_filters.ChoiceFilter(
        label=_("State"), choices=MessageState.choices, empty_label=_("Any state"), method="by_state"
    )

    def by_state(self, found: QuerySet[Message], name: str, state: str) -> QuerySet[Message]:
        found = found.filter(state=state)
        few = queries.mailings_with_few(State(state))
        return found if few is None else found.filter(mailing__in=few)

    def take(self, found: QuerySet[Message], rows: int) -> list[Message]:
        """The first rows of all mailings: where one state is asked for, in those that have it."""
        state = self.form.cleaned_data.get("state")
        return queries.first_in_state(found, rows, State(state)) if state else list(found[:rows])


class PeriodFilters(django_filters.FilterSet):  # type: ignore[misc]
    since = django_filters.DateFilter(
        label=_("From"), field_name="starts_at", lookup_expr="date__gte", widget=forms.DateInput({"type": "date"})
    )
    until = django_filters.DateFilter(
        label=_("To"), field_name="starts_at", lookup_expr="date__lte", widget=forms.DateInput({"type": "date"})
    )
