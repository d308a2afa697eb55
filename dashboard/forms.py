"""The form of a client, and what all forms share."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.models import NAME_LENGTH, PERSON_NAME_LENGTH
from accounts.people import EMAIL_LENGTH
from accounts.roles import Role
from clients import phones, queries
from clients.models import TAG_LENGTH, ZONES, Client


class ConsoleForm(forms.Form):
    """Inputs in our look; a wrong one says so to the eye and to a screen reader."""

    use_required_attribute = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            widget = field.widget
            if isinstance(widget, forms.Select):
                widget.attrs.setdefault("class", "form-select")
            elif isinstance(widget, forms.TextInput | forms.Textarea | forms.DateTimeInput | forms.TimeInput):
                widget.attrs.setdefault("class", "form-control")


class PhoneField(forms.CharField):
    """A phone as people write it, made strict: `+7 (900) 123-45-67`, `8 900 …`."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        if not text:
            return text
        try:
            return phones.normalise(text)
        except phones.NotAPhone as error:
            raise forms.ValidationError(
                _("This is no Russian or Kazakh phone: 7 and ten digits, as in +7 900 123-45-67")
            ) from error


class AttributesField(forms.Field):
    """Lines of `name: text`."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> dict[str, str]:
        attributes: dict[str, str] = {}
        for number, line in enumerate((value or "").splitlines(), start=1):
            if not line.strip():
                continue
            name, colon, text = line.partition(":")
            if not colon or not name.strip():
                raise forms.ValidationError(_("Line %(number)d is not “name: text”") % {"number": number})
            if name.strip() in attributes:
                raise forms.ValidationError(_("Line %(number)d repeats a name") % {"number": number})
            attributes[name.strip()] = text.strip()
        return attributes

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{name}: {text}" for name, text in value.items())
        return value


def zone_choices() -> list[Any]:
    """The zones of the directory first: they are the likely ones."""
    used = queries.values("timezone")
    rest = sorted(ZONES - set(used))
    groups = [(_("In the directory"), [(zone, zone) for zone in used])] if used else []
    return [("", _("Choose a time zone")), *groups, (_("All zones"), [(zone, zone) for zone in rest])]


class ClientForm(ConsoleForm):
    phone = PhoneField(
        label=gettext_lazy("Phone"),
        max_length=32,
        widget=forms.TextInput({"type": "tel", "autocomplete": "off", "placeholder": "+7 900 123-45-67"}),
        help_text=gettext_lazy("As you have it: spaces, brackets and a leading 8 are understood."),
    )
    timezone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        help_text=gettext_lazy("The client's own clock decides when messages may come."),
    )
    tag = forms.CharField(
        label=gettext_lazy("Tag"),
        max_length=TAG_LENGTH,
        required=False,
        widget=forms.TextInput({"list": "tags", "autocomplete": "off"}),
        help_text=gettext_lazy("One word or a few that put clients together, as in vip."),
    )
    attributes = AttributesField(
        label=gettext_lazy("Attributes"),
        required=False,
        widget=forms.Textarea({"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy("One “name: text” a line; a mailing's text uses them as {{ name }}."),
    )

    def __init__(self, *args: Any, client: Client | None = None, **options: Any) -> None:
        if client is not None:
            names = ("phone", "timezone", "tag", "attributes")
            options.setdefault("initial", {name: getattr(client, name) for name in names})
        super().__init__(*args, **options)
        zones = self.fields["timezone"]
        assert isinstance(zones, forms.ChoiceField)
        zones.choices = zone_choices()
        self.tags = [tag for tag in queries.values("tag", most=200) if tag]


class PersonForm(ConsoleForm):
    """What an administrator decides of a person."""

    name = forms.CharField(label=pgettext_lazy("person", "Name"), max_length=PERSON_NAME_LENGTH, required=False)
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=Role.choices,
        initial=Role.VIEWER,
        help_text=gettext_lazy(
            "Viewers see everything with phones masked; operators work with clients and mailings; "
            "administrators also look after people, keys and the gateway."
        ),
    )

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])


class InvitationForm(PersonForm):
    """Who may sign in from now on."""

    email = forms.CharField(
        label=gettext_lazy("E-mail"),
        max_length=EMAIL_LENGTH,
        widget=forms.TextInput({"type": "email", "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("The one with which the person signs in."),
    )
    field_order = ("email", "name", "role")


class KeyForm(ConsoleForm):
    """What a program's key is for and what it may do."""

    name = forms.CharField(
        label=gettext_lazy("What it is for"),
        max_length=NAME_LENGTH,
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, initial=Role.VIEWER)
    expires_at = forms.DateTimeField(
        label=gettext_lazy("Until"),
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("From then on it lets nobody in. Leave it empty for a key without an end."),
    )

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])


class StopForm(ConsoleForm):
    """Why sending is stopped."""

    reason = forms.CharField(label=gettext_lazy("Why (for your colleagues)"), max_length=200, required=False)


class ReportChoiceForm(ConsoleForm):
    """Whether one gets the daily report, and in which language."""

    receive = forms.BooleanField(
        label=gettext_lazy("Send me the report every day"),
        required=False,
        widget=forms.CheckboxInput({"class": "form-check-input"}),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language of the e-mail"), choices=settings.LANGUAGES)
