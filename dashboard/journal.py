"""The journal as people read it: words for verbs and things, and what was before and after."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.models import JournalEntry
from accounts.queries import JournalFilter
from accounts.roles import Role
from dashboard.forms import ConsoleForm
from mailings.models import MailingState, Matter, PauseReason
from mailings.models.gateway import FlowChoice
from mailings.models.mailing import OnUnknownChoice
from mailings.policy import Decision

VERBS = {
    "create": pgettext_lazy("journal", "created"),
    "change": pgettext_lazy("journal", "changed"),
    "delete": pgettext_lazy("journal", "deleted"),
    "opt_out": pgettext_lazy("journal", "opted out"),
    "allow_again": pgettext_lazy("journal", "allowed again"),
    "put_many": pgettext_lazy("journal", "created or updated many"),
    "launch": pgettext_lazy("journal", "launched"),
    "start": pgettext_lazy("journal", "started"),
    "pause": pgettext_lazy("journal", "paused"),
    "resume": pgettext_lazy("journal", "resumed"),
    "cancel": pgettext_lazy("journal", "cancelled"),
    "finish": pgettext_lazy("journal", "finished"),
    "duplicate": pgettext_lazy("journal", "duplicated"),
    "decide": pgettext_lazy("journal", "decided about unknown messages"),
    "retry_failed": pgettext_lazy("journal", "put failed messages back"),
    "finish_errand": pgettext_lazy("journal", "carried a decision to its end"),
    "stop": pgettext_lazy("journal", "stopped sending"),
    "check": pgettext_lazy("journal", "asked for a check"),
    "invite": pgettext_lazy("journal", "invited"),
    "remove": pgettext_lazy("journal", "removed"),
    "let_back": pgettext_lazy("journal", "let back"),
    "revoke": pgettext_lazy("journal", "revoked"),
    "end_session": pgettext_lazy("journal", "ended sessions"),
    "sign_in": pgettext_lazy("journal", "signed in"),
    "sign_in_refused": pgettext_lazy("journal", "was not let in"),
    "sign_out": pgettext_lazy("journal", "signed out"),
    "restore": pgettext_lazy("journal", "held after a backup came back"),
    "forget": pgettext_lazy("journal", "forgot what was old"),
    "send": pgettext_lazy("journal", "sent"),
    "export": pgettext_lazy("journal", "exported"),
}
THINGS = {
    "client": gettext_lazy("Client"),
    "mailing": gettext_lazy("Mailing"),
    "gateway": gettext_lazy("Gateway"),
    "user": gettext_lazy("Person"),
    "apikey": gettext_lazy("API key"),
    "report": gettext_lazy("Daily report"),
    "journalentry": gettext_lazy("Journal"),
}
# what entries tell of; a name that is not here is shown as it is
NAMES = {
    "state": gettext_lazy("state"),
    "name": gettext_lazy("name"),
    "email": gettext_lazy("e-mail"),
    "role": gettext_lazy("role"),
    "phone": pgettext_lazy("journal", "phone"),
    "tag": pgettext_lazy("journal", "tag"),
    "tags": pgettext_lazy("journal", "tags"),
    "operator_code": pgettext_lazy("journal", "operator code"),
    "operator_codes": pgettext_lazy("journal", "operator codes"),
    "timezone": pgettext_lazy("journal", "time zone"),
    "attributes": pgettext_lazy("journal", "attributes"),
    "opted_out": pgettext_lazy("journal", "opted out"),
    "text_length": pgettext_lazy("journal", "letters in the text"),
    "starts_at": pgettext_lazy("journal", "start"),
    "ends_at": pgettext_lazy("journal", "end"),
    "send_from": pgettext_lazy("journal", "window from"),
    "send_until": pgettext_lazy("journal", "window until"),
    "on_unknown": pgettext_lazy("journal", "without a clear answer"),
    "expires_at": pgettext_lazy("journal", "until"),
    "prefix": pgettext_lazy("journal", "prefix"),
    "is_active": pgettext_lazy("journal", "may sign in"),
    "is_revoked": pgettext_lazy("journal", "revoked"),
    "is_deleted": pgettext_lazy("journal", "deleted"),
    "sessions_ended": pgettext_lazy("journal", "sessions ended"),
    "keys_revoked": pgettext_lazy("journal", "keys revoked"),
    "untied": pgettext_lazy("journal", "accounts of the provider untied"),
    "detail": pgettext_lazy("journal", "reason"),
    "reason": pgettext_lazy("journal", "reason"),
    "created": pgettext_lazy("journal", "how many created"),
    "updated": pgettext_lazy("journal", "how many updated"),
    "unchanged": pgettext_lazy("journal", "how many unchanged"),
    "rejected": pgettext_lazy("journal", "how many rejected"),
    "source": pgettext_lazy("journal", "from"),
    "decision": pgettext_lazy("journal", "decision"),
    "messages": pgettext_lazy("journal", "messages"),
    "what": pgettext_lazy("journal", "what"),
    "attempts": pgettext_lazy("journal", "attempts"),
    "ended": pgettext_lazy("journal", "ended"),
    "by": pgettext_lazy("journal", "let in by"),
    "refused": pgettext_lazy("journal", "of these refused"),
    "answers": pgettext_lazy("journal", "answers looked at"),
    "following": pgettext_lazy("journal", "followed later"),
    "day": pgettext_lazy("journal", "day"),
    "to": pgettext_lazy("journal", "to whom"),
    "language": pgettext_lazy("journal", "language"),
    "letters": pgettext_lazy("journal", "letters"),
    "daily_report": pgettext_lazy("journal", "daily report"),
    "named": pgettext_lazy("journal", "named"),
}
# what values of these names are called for a person
DECISIONS = {
    Decision.RESEND.value: pgettext_lazy("journal", "send them again"),
    Decision.SENT.value: pgettext_lazy("journal", "count them as sent"),
    Decision.FAILED.value: pgettext_lazy("journal", "count them as failed"),
    Decision.RETRY.value: pgettext_lazy("journal", "try them again"),
}
MATTERS = {
    Matter.ATTEMPTS.value: pgettext_lazy("journal", "its attempts"),
    Matter.MESSAGES.value: pgettext_lazy("journal", "its messages"),
    Matter.MAILING.value: pgettext_lazy("journal", "all of it"),
}
VALUES: dict[str, dict[str, Any]] = {  # labels are lazy texts
    "state": dict([*MailingState.choices, *FlowChoice.choices]),
    "role": dict(Role.choices),
    "on_unknown": dict(OnUnknownChoice.choices),
    "reason": dict(PauseReason.choices),
    "decision": DECISIONS,
    "what": MATTERS,
}
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}\+00:00")
PAGES = {"client": "client", "mailing": "mailing", "user": "person"}
ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Detail:
    """One line of an entry: what it is about, and what it was before where that was told."""

    name: str
    before: str | None
    after: str


def verb(entry: JournalEntry) -> str:
    return str(VERBS.get(entry.verb, entry.verb))


def thing(entry: JournalEntry) -> str:
    """As in "Mailing № 5"; of the gateway there is only one."""
    word = str(THINGS.get(entry.subject_type, entry.subject_type))
    numbered = entry.subject_id is not None and entry.subject_type != "gateway"
    return f"{word} № {entry.subject_id}" if numbered else word


def address(entry: JournalEntry) -> str | None:
    """Where the thing is shown; it may be gone by now."""
    if entry.subject_type == "gateway":
        return reverse("gateway")
    page = PAGES.get(entry.subject_type)
    return reverse(page, args=[entry.subject_id]) if page and entry.subject_id else None


def details(entry: JournalEntry) -> Iterator[Detail]:
    """Changes first, then whatever else was told."""
    said: dict[str, Any] = dict(entry.details)
    before, after = said.pop("before", None), said.pop("after", None)
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        was, is_now = before or {}, after or {}
        for name in [*was, *(name for name in is_now if name not in was)]:
            told_before = _text(was[name], name) if name in was else None
            yield Detail(_name(name), told_before, _text(is_now.get(name), name))
    elif before is not None or after is not None:
        yield Detail(_("state"), _text(before, "state"), _text(after, "state"))
    for name, value in said.items():
        yield Detail(_name(name), None, _text(value, name))


def _name(name: str) -> str:
    return str(NAMES.get(name) or name.replace("_", " "))


def _text(value: object, name: str = "") -> str:
    if value in (None, "", [], {}):
        return "—"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return "; ".join(_text(part, name) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{_name(inner)} {_text(part, inner)}" for inner, part in value.items())
    text = str(value)
    if _INSTANT.fullmatch(text):
        return formats.date_format(timezone.localtime(datetime.fromisoformat(text)), "j E Y H:i:s")
    return str(VALUES.get(name, {}).get(text, text))


# -- narrowing -----------------------------------------------------------------------------------------


class JournalForm(ConsoleForm):
    """What the journal is narrowed by; all of it lives in the address."""

    who = forms.CharField(label=gettext_lazy("Who, exactly"), max_length=254, required=False)
    verb = forms.ChoiceField(label=gettext_lazy("Did what"), required=False)
    what = forms.ChoiceField(label=gettext_lazy("To what"), required=False)
    number = forms.IntegerField(
        label=gettext_lazy("Its number"), required=False, min_value=1, max_value=2**63 - 1, widget=forms.TextInput
    )
    since = forms.DateField(
        label=gettext_lazy("From"), required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=gettext_lazy("To"), required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, words, anything in (("verb", VERBS, _("Anything")), ("what", THINGS, _("Anything"))):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", anything), *sorted(words.items(), key=lambda choice: str(choice[1]))]
        for name in ("since", "until"):
            self.fields[name].widget.input_type = "date"

    def wanted(self) -> JournalFilter:
        """What is asked for by the fields that are right; a day ends with its last moment."""
        self.is_valid()
        said = self.cleaned_data
        since, until = (_sane(said.get(name)) for name in ("since", "until"))
        return JournalFilter(
            actor=said.get("who") or "",
            verb=said.get("verb") or "",
            subject_type=said.get("what") or "",
            subject_id=said.get("number"),
            since=_morning(since) if since else None,
            until=_morning(until + timedelta(days=1)) if until else None,
        )


def _sane(day: date | None) -> date | None:
    """There are no instants around the first and the last day that a date can be."""
    return day and min(max(day, date(1970, 1, 1)), date(2999, 12, 31))


def _morning(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


# -- taking it along -----------------------------------------------------------------------------------

HEAD = ("at", "actor", "verb", "subject_type", "subject_id", "details", "address", "request_id")


def rows(found: QuerySet[JournalEntry]) -> Iterator[list[object]]:
    """For a file, some hundred at a time: no query stays open while the reader's network is slow."""
    last: int | None = None
    while True:
        piece = list((found.filter(pk__lt=last) if last else found)[:ROWS_AT_ONCE])
        for entry in piece:
            told = json.dumps(entry.details, ensure_ascii=False)
            at = entry.at.isoformat(timespec="seconds")
            yield [at, *(getattr(entry, name) for name in HEAD[1:5]), told, entry.address, entry.request_id]
        if len(piece) < ROWS_AT_ONCE:
            return
        last = piece[-1].pk
