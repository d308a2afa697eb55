"""Everybody's own sessions."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import sessions
from accounts.roles import Role
from dashboard import access
from dashboard.tables import SessionTable


@access.page()
def listing(request: HttpRequest) -> HttpResponse:
    own = request.session.session_key
    rows = list(sessions.of(access.user(request)))
    for row in rows:
        row.is_this = row.session_key == own
    context = {
        "table": SessionTable(rows, request=request),
        "rows": rows,
        "others": sum(not row.is_this for row in rows),
        "place": "sessions",
    }
    return render(request, "settings/sessions.html", context)


@access.action(Role.VIEWER)
def end(request: HttpRequest) -> HttpResponse:
    """The session that the form names; one that is not there, or not one's own, has ended for all one knows."""
    named = request.POST.get("session", "")
    number = int(named) if named.isascii() and named.isdigit() and len(named) < 19 else 0
    try:
        sessions.end(access.actor(request), access.user(request), number)
    except sessions.DoesNotExist:
        messages.info(request, _("That session had ended already"))
    else:
        messages.success(request, _("Ended: that browser is signed out"))
    return redirect("sessions")


@access.action(Role.VIEWER)
def end_others(request: HttpRequest) -> HttpResponse:
    ended = sessions.end_others(access.actor(request), access.user(request), request.session.session_key)
    said = ngettext("%(count)d other session ended", "%(count)d other sessions ended", ended) % {"count": ended}
    messages.success(request, said)
    return redirect("sessions")
