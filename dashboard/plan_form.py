"""The form of a mailing: a plan as a person types it, in the zone of the reader."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clients import queries
from dashboard.forms import ConsoleForm
from mailings import clock
from mailings.models import Mailing, MailingState, OnUnknownChoice
from mailings.operations import STARTED
from mailings.plans import NAME_LENGTH, Filter, Plan

WITHOUT_TAG = "-"
A_DAY = timedelta(days=1)
LOCAL = "%Y-%m-%dT%H:%M"
# what a plan calls otherwise than the form
PLACES = {"everyone": "audience"}
FIXED = ("audience", "operator_codes", "tags", "begin", "starts_at")


class LocalTime(forms.DateTimeInput):
    """The browser's own picker; the time is in the zone that the page names."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(attrs={"class": "form-control"}, format=LOCAL)


class LocalTimeField(forms.DateTimeField):
    widget = LocalTime

    def to_python(self, value: Any) -> datetime | None:
        moment = super().to_python(value)
        if moment is not None and not 2000 <= moment.year <= 2100:
            raise forms.ValidationError(_("The year lies between 2000 and 2100"))
        return moment


class TextField(forms.CharField):
    """A text as it is. Browsers end lines with two characters, which would be sent and counted."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


class Choices(forms.MultipleChoiceField):
    """Any texts: what is typed into an address by hand is judged by the plan's own rules."""

    widget = forms.CheckboxSelectMultiple

    def valid_value(self, value: str) -> bool:
        return len(value) <= 200 and "\x00" not in value


class AudienceForm(forms.Form):
    """Whom a mailing is for. Used alone to count while somebody is choosing."""

    audience = forms.ChoiceField(
        label=gettext_lazy("For whom"),
        required=False,
        choices=[
            ("chosen", gettext_lazy("Clients with the codes and tags chosen below")),
            ("everyone", gettext_lazy("Everyone in the directory")),
        ],
        widget=forms.RadioSelect,
        initial="chosen",
    )
    operator_codes = Choices(label=gettext_lazy("Operator codes"), required=False)
    tags = Choices(label=gettext_lazy("Tags"), required=False)

    def chosen(self) -> Filter | None:
        """The filter as it stands in the form; None while nothing is chosen and "everyone" is not said."""
        if "audience" not in self.fields:
            return None
        if self["audience"].value() == "everyone":
            return Filter()
        codes, tags = (self._values(name) for name in ("operator_codes", "tags"))
        chosen = Filter(codes, tuple("" if tag == WITHOUT_TAG else tag for tag in tags))
        return None if chosen.is_everyone else chosen

    def _values(self, name: str) -> tuple[str, ...]:
        field = self.fields[name]
        assert isinstance(field, Choices)
        return tuple(str(value) for value in self[name].value() or () if field.valid_value(value))


class PlanForm(AudienceForm, ConsoleForm):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=NAME_LENGTH,
        required=False,
        help_text=gettext_lazy("For you and your colleagues; clients do not see it."),
    )
    text = TextField(
        label=gettext_lazy("Text"),
        widget=forms.Textarea({"rows": 6, "data-count": "#typed"}),
        strip=False,
        help_text=gettext_lazy(
            "{{ name }} is filled from each client's attributes; {{ name|dear client }} has a default."
        ),
    )
    begin = forms.ChoiceField(
        label=gettext_lazy("Start"),
        choices=[("now", gettext_lazy("At once")), ("at", gettext_lazy("At this time"))],
        widget=forms.RadioSelect,
        initial="now",
    )
    starts_at = LocalTimeField(label=gettext_lazy("Start time"), required=False)
    ends_at = LocalTimeField(label=gettext_lazy("End"))
    send_from = forms.TimeField(
        label=gettext_lazy("Not before"), required=False, widget=forms.TimeInput({"type": "time"}, format="%H:%M")
    )
    send_until = forms.TimeField(
        label=gettext_lazy("Before"), required=False, widget=forms.TimeInput({"type": "time"}, format="%H:%M")
    )
    on_unknown = forms.ChoiceField(
        label=gettext_lazy("When the gateway gives no clear answer"),
        choices=OnUnknownChoice.choices,
        widget=forms.RadioSelect,
        initial=OnUnknownChoice.RESEND,
    )

    def __init__(self, *args: Any, mailing: Mailing | None = None, **options: Any) -> None:
        options.setdefault("initial", _initial(mailing))
        super().__init__(*args, **options)
        self.mailing = mailing
        if mailing is not None and mailing.rest_of_id is not None:
            audience = self.fields["audience"]
            assert isinstance(audience, forms.ChoiceField)
            audience.choices = [
                ("everyone", _("All who did not get that mailing")),
                ("chosen", _("Only those of them with the codes and tags chosen below")),
            ]
        if mailing is not None and mailing.state in STARTED:
            for name in FIXED:
                del self.fields[name]
        else:
            self._offer("operator_codes")
            self._offer("tags")

    def _offer(self, name: str) -> None:
        """The values of the directory with how many clients have each, and those that are already chosen."""
        column = {"operator_codes": "operator_code", "tags": "tag"}[name]
        counted = {value or WITHOUT_TAG: number for value, number in queries.choices(column)}
        for value in self[name].value() or []:
            counted.setdefault(value, 0)
        field = self.fields[name]
        assert isinstance(field, Choices)
        field.choices = list(counted.items())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("begin") == "at" and cleaned.get("starts_at") is None and "starts_at" not in self.errors:
            self.add_error("starts_at", _("Say when it starts"))
        if cleaned.get("begin") == "now":
            cleaned["starts_at"] = clock.now().replace(microsecond=0)
            self.errors.pop("starts_at", None)
        for name in ("starts_at", "ends_at"):
            cleaned[name] = self._exact(name, cleaned.get(name))
        return cleaned

    def _exact(self, name: str, typed: datetime | None) -> datetime | None:
        """The picker knows minutes only: an untouched time keeps its seconds."""
        kept: datetime | None = getattr(self.mailing, name, None)
        if typed is not None and kept is not None and kept.replace(second=0, microsecond=0) == typed:
            return kept
        return typed

    def changes(self) -> dict[str, Any]:
        """The fields of the plan, by the names that operations know."""
        cleaned = self.cleaned_data
        names = ("name", "text", "ends_at", "send_from", "send_until", "on_unknown")
        changes = {name: cleaned[name] for name in names}
        if "begin" in self.fields:
            wanted = self.chosen() or Filter()
            changes |= {
                "starts_at": cleaned["starts_at"],
                "operator_codes": wanted.operator_codes,
                "tags": wanted.tags,
            }
        return changes

    def plan(self) -> Plan:
        return Plan(**self.changes())

    @property
    def says_everyone(self) -> bool:
        return self.cleaned_data.get("audience") == "everyone"


def _initial(mailing: Mailing | None) -> Mapping[str, Any]:
    if mailing is None:
        start = timezone.localtime(clock.now()).replace(second=0, microsecond=0)
        return {"ends_at": start + A_DAY, "starts_at": (start + timedelta(hours=1)).replace(minute=0)}
    later = mailing.state == MailingState.SCHEDULED or mailing.starts_at > clock.now()
    return {
        **{name: getattr(mailing, name) for name in ("name", "text", "starts_at", "ends_at", "send_from")},
        "send_until": mailing.send_until,
        "on_unknown": mailing.on_unknown,
        "begin": "at" if later else "now",
        "audience": "chosen" if mailing.operator_codes or mailing.tags else "everyone",
        "operator_codes": mailing.operator_codes,
        "tags": [tag or WITHOUT_TAG for tag in mailing.tags],
    }
