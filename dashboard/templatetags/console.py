"""Icons, states, times and phones as the templates of the console write them."""

import re
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import Role, allows
from clients import phones
from dashboard import progress
from dashboard.wording import CAUSES, OUTCOMES, TONES
from mailings import windows
from mailings.breaker import Flow
from mailings.gateway import Cause, Kind
from mailings.models import (
    FLOW_SENTENCES,
    LETTER_SENTENCES,
    STATE_SENTENCES,
    FlowChoice,
    Letter,
    LetterState,
    MailingState,
    MessageReason,
    MessageState,
)
from mailings.policy import State
from mailings.queries import Progress

register = template.Library()

FOLDER = Path(settings.BASE_DIR) / "static" / "vendor" / "tabler-icons"


@cache
def _drawing(name: str) -> str:
    """The inside of one vendored icon."""
    text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    inside = re.sub(r"^.*?<svg[^>]*>|</svg>\s*$|<path stroke=\"none\"[^>]*/>", "", text, flags=re.DOTALL)
    return " ".join(inside.split())


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """An icon beside a word: it is hidden from screen readers."""
    # the drawing comes from our own vendored files
    return format_html(
        '<svg class="icon {}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round" '
        'stroke-linejoin="round" aria-hidden="true" focusable="false">{}</svg>',
        extra,
        mark_safe(_drawing(name)),
    )


ZONES_SHOWN = 8
ICONS = {
    "draft": "file-pencil",
    "scheduled": "calendar-event",
    "running": "send",
    "paused": "player-pause",
    "finished": "circle-check",
    "cancelled": "ban",
    "queued": "hourglass",
    "sending": "send",
    "sent": "circle-check",
    "failed": "circle-x",
    "unknown": "help-circle",
    "expired": "clock-x",
}


@register.simple_tag
def state_icon(state: str) -> SafeString:
    return icon(ICONS[state])


@register.simple_tag
def state(value: str, label: str = "", extra: str = "") -> SafeString:
    """A state of a message or of a mailing: its word, icon and colour."""
    states = {**MessageState._value2member_map_, **MailingState._value2member_map_}
    word = label or states[value].label  # type: ignore[attr-defined]  # both are TextChoices
    return format_html('<span class="state tone-{} {}">{}{}</span>', value, extra, state_icon(value), word)


@register.simple_tag
def letter_state(letter: Letter) -> SafeString:
    """A state of a letter: its word, icon and colour; the sentence is in the title."""
    sentence = LETTER_SENTENCES[LetterState(letter.state)]
    return format_html(
        '<span class="state tone-{}" title="{}">{}{}</span>',
        letter.state,
        sentence,
        state_icon(letter.state),
        letter.get_state_display(),
    )


FLOWS = {
    Flow.FLOWING: ("sent", "circle-check"),
    Flow.RAMPING: ("sending", "progress"),
    Flow.WAITING: ("unknown", "clock-pause"),
    Flow.BROKEN: ("failed", "alert-triangle"),
    Flow.UNAUTHORISED: ("failed", "ban"),
    Flow.STOPPED: ("cancelled", "player-pause"),
}


@register.simple_tag
def flow(value: str, extra: str = "") -> SafeString:
    """How the gateway is used: its word, icon and colour."""
    tone, drawing = FLOWS[Flow(value)]
    word = FlowChoice(value).label
    return format_html('<span class="state tone-{} {}">{}{}</span>', tone, extra, icon(drawing), word)


@register.filter
def flow_sentence(value: str) -> str:
    return str(FLOW_SENTENCES[Flow(value)])


@register.filter
def reason(value: str) -> str:
    return str(MessageReason(value).label)


@register.filter
def state_sentence(value: str) -> str:
    return str(STATE_SENTENCES[State(value)])


@register.filter
def outcome(kind: str) -> str:
    return str(OUTCOMES[Kind(kind)])


@register.filter
def outcome_tone(kind: str) -> str:
    return TONES[Kind(kind)]


@register.filter
def cause(value: str) -> str:
    return str(CAUSES[Cause(value)])


@register.inclusion_tag("_bar.html")
def bar(counted: Progress, extra: str = "") -> dict[str, object]:
    """How far a mailing is: one stroke, divided by states."""
    parts = progress.parts(counted)
    said = ", ".join(f"{part.label}: {progress.number(part.number)}" for part in parts)
    return {"parts": parts, "said": said or _("No recipients yet"), "extra": extra}


@register.filter
def phone_for(phone: str, person: User) -> str:
    """A phone as this person may see it: full for operators, masked for viewers."""
    if not allows(person.role, Role.OPERATOR):
        return phones.masked(phone)
    return f"+{phone[0]} {phone[1:4]} {phone[4:7]}-{phone[7:9]}-{phone[9:]}"


@register.filter
def phones_for(text: str, person: User) -> str:
    """A text of the gateway's as this person may see it: phones inside are masked for viewers."""
    return text if allows(person.role, Role.OPERATOR) else phones.masked_inside(text)


@register.simple_tag
def clock_in(zone: str) -> SafeString:
    """What time it is there now; nothing for a zone that this machine does not know."""
    if not windows.is_known(zone):
        return SafeString("")
    return _moment(timezone.now().astimezone(ZoneInfo(zone)), "H:i")


@register.filter
def wall(local: datetime) -> str:
    """The hour on a wall clock, in the zone that the time already has."""
    return f"{local:%H:%M}"


@register.filter
def first_of_zones(by_zone: dict[str, int]) -> list[tuple[str, int]]:
    """The biggest zones, and the rest as one line."""
    zones = list(by_zone.items())
    if len(zones) <= ZONES_SHOWN:
        return zones
    rest = sum(number for _zone, number in zones[ZONES_SHOWN - 1 :])
    return [*zones[: ZONES_SHOWN - 1], (_("other zones"), rest)]


@register.filter
def others(counted: Progress) -> int:
    """Those that are neither sent nor failed."""
    return counted.recipients - counted.by_state[State.SENT] - counted.by_state[State.FAILED]


@register.filter
def slice_initial(person: object) -> str:
    return str(person)[:1].upper()


@register.filter
def exact(moment: datetime | None) -> SafeString | str:
    """A time as short as it stays clear, with the exact one and its zone in the title."""
    if moment is None:
        return "—"
    local = timezone.localtime(moment)
    today = timezone.localdate()
    # the shapes are translated: a month is shortened otherwise in Russian
    shape = "H:i" if local.date() == today else _("j M H:i") if local.year == today.year else _("j M Y H:i")
    return _moment(local, shape)


@register.filter
def exact_second(moment: datetime) -> SafeString:
    """A time that is near: to the second."""
    local = timezone.localtime(moment)
    return _moment(local, "H:i:s" if local.date() == timezone.localdate() else "j E H:i:s")


def _moment(local: datetime, shape: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{} {}">{}</time>',
        local.isoformat(timespec="seconds"),
        formats.date_format(local, "j E Y H:i:s"),
        local.strftime("%Z (%z)"),
        formats.date_format(local, shape),
    )
