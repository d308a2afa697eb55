"""Icons, states, times and phones as the templates of the console write them."""

import re
from datetime import datetime
from functools import cache
from pathlib import Path

from django import template
from django.conf import settings
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

ICONS = Path(settings.BASE_DIR) / "static" / "vendor" / "tabler-icons"


@cache
def _drawing(name: str) -> str:
    """The inside of one vendored icon."""
    text = (ICONS / f"{name}.svg").read_text(encoding="utf-8")
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


@register.filter
def slice_initial(person: object) -> str:
    return str(person)[:1].upper()


@register.filter
def exact(moment: datetime | None) -> SafeString | str:
    """A time as short as it stays clear, with the exact one and its zone in the title."""
    if moment is None:
        return "—"
    local = timezone.localtime(moment)
    shape = "H:i" if local.date() == timezone.localdate() else "j M H:i"
    if local.year != timezone.localdate().year:
        shape = "j M Y H:i"
    return format_html(
        '<time datetime="{}" title="{} {}">{}</time>',
        moment.isoformat(timespec="seconds"),
        formats.date_format(local, "j F Y H:i:s"),
        local.strftime("%z %Z"),
        formats.date_format(local, shape),
    )
