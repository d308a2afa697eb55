"""What every page of the console needs: the theme and the places of the navigation."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.roles import Role
from dashboard import access

THEMES = ("light", "dark", "auto")


@dataclass(frozen=True, slots=True)
class Place:
    """One line of the navigation. It is current on its own address and on all below."""

    label: str | Promise
    icon: str
    address: str
    is_current: bool
    key: str = ""
    only_wide: bool = False


def console(request: HttpRequest) -> dict[str, Any]:
    """For the templates; touches no database, so that pages of errors can be shown without one."""
    theme = request.COOKIES.get(settings.THEME_COOKIE_NAME, "auto")
    return {
        "theme": theme if theme in THEMES else "auto",
        "places": places(request),
        "is_tryout": not settings.OIDC,
        "may_change": lambda: access.may(request, Role.OPERATOR),
        "may_rule": lambda: access.may(request, Role.ADMINISTRATOR),
    }


def places(request: HttpRequest) -> list[Place]:
    here = request.path

    def place(label: str | Promise, icon: str, name: str, key: str) -> Place:
        address = reverse(name)
        is_current = here == address if address == "/" else here.startswith(address)
        return Place(label, icon, address, is_current, key)

    settings, reports = reverse("settings"), reverse("reports")
    return [
        place(_("Dashboard"), "layout-dashboard", "dashboard", "d"),
        place(_("Mailings"), "speakerphone", "mailings", "m"),
        place(_("Clients"), "address-book", "clients", "c"),
        place(_("Messages"), "message-2", "messages", "e"),
        place(_("Statistics"), "chart-bar", "statistics", "s"),
        Place(_("Reports"), "calendar-event", reports, here.startswith(reports), "r", only_wide=True),
        Place(_("Gateway"), "send", reverse("gateway"), here.startswith(reverse("gateway")), "w", only_wide=True),
        Place(_("Settings"), "settings", settings, here.startswith(settings), "t", only_wide=True),
        Place(_("API docs"), "api", "/docs/", is_current=False, only_wide=True),
    ]
