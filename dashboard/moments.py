"""Stories as pages show them: what they are narrowed by, and a mark in the address."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dashboard.forms import ConsoleForm
from dashboard.wording import OUTCOMES
from mailings.gateway import Kind
from mailings.history import Mark, Moment

ROWS = 50
DEEDS, ATTEMPTS = "deeds", "attempts"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Story:
    """A part of a story, newest first, and the addresses (query strings) of its beginning and of what is older."""

    moments: list[Moment]
    newest: str | None
    older: str | None


def cut(request: HttpRequest, take: Callable[[Mark | None, int], list[Moment]], *, rows: int = ROWS) -> Story:
    """The part that the address asks for by `?before=<mark>`; `take` gives so many moments below a mark."""
    mark = _read(request.GET.get("before", ""))
    moments = take(mark, rows + 1)
    older = _link(request, moments[rows - 1].mark) if len(moments) > rows else None
    return Story(moments[:rows], _link(request, None) if mark else None, older)


def _read(text: str) -> Mark | None:
    """A mark as `_link` writes it; None for anything else."""
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        return None
    moved, rank, number = map(int, parts)
    return Mark(EPOCH + timedelta(microseconds=moved), rank, number) if moved < _micros(LATEST) else None


def _link(request: HttpRequest, mark: Mark | None) -> str:
    query = request.GET.copy()
    query.pop("before", None)
    if mark is not None:
        query["before"] = f"{_micros(mark.at)}.{mark.rank}.{mark.id}"
    return f"?{query.urlencode()}"


def _micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


class LogForm(ConsoleForm):
    """What the log of a mailing is narrowed by; all of it lives in the address."""

    show = forms.ChoiceField(
        label=_("Show"),
        required=False,
        choices=[
            ("", _("Everything")),
            (DEEDS, _("What was done")),
            (ATTEMPTS, _("Attempts")),
            *((kind.value, OUTCOMES[kind]) for kind in Kind),
        ],
    )
    message = forms.IntegerField(
        label=_("Number of the message"), required=False, min_value=1, max_value=2**63 - 1, widget=forms.TextInput
    )
    until = forms.DateField(
        label=_("Until the day"), required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["until"].widget.input_type = "date"

    def wanted(self) -> dict[str, Any]:
        """For `history.of_mailing`, by the fields that are right."""
        self.is_valid()
        show, message_id = self.cleaned_data.get("show"), self.cleaned_data.get("message")
        outcomes = tuple(Kind) if show in ("", None, ATTEMPTS) else () if show == DEEDS else (Kind(show),)
        return {
            "outcomes": outcomes,
            "deeds": message_id is None and show in ("", None, DEEDS),
            "message_id": message_id,
        }

    def first(self, mark: Mark | None) -> Mark | None:
        """Where to begin: at the mark, but not later than the day that is asked for."""
        day: date | None = self.cleaned_data.get("until")
        if day is None:
            return mark
        day = min(max(day, date(1970, 1, 1)), date(2999, 12, 30))
        night = Mark(timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min)), 0, 0)
        return night if mark is None else min(mark, night)
