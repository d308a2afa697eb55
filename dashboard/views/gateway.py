"""The gateway: what it is like, what it answered lately, and the verbs of those who look after it."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.roles import Role
from dashboard import access, htmx, refusals
from dashboard.forms import StopForm
from mailings import breaker, clock, pace, vitals
from mailings.breaker import Flow
from mailings.gateway import Kind
from mailings.models import Gateway


@access.page()
def panel(request: HttpRequest) -> HttpResponse:
    now = clock.now()
    row = pace.current(now)
    context = {
        "gateway": row,
        "vitals": vitals.take(now),
        "limit": breaker.per_second(pace.condition(row), settings.GATEWAY_RATE),
        "is_checking": is_checking(row),
        "is_there": (row.check_outcome or {}).get("kind") in (Kind.SENT.value, Kind.REFUSED.value),
        "is_set": settings.GATEWAY_IS_SET,
        "is_used": row.flow in (Flow.FLOWING, Flow.RAMPING),
        "may_stop": access.may(request, Role.ADMINISTRATOR),
        "stop_form": StopForm(),
    }
    return htmx.page_or_fragment(request, "gateway/detail.html", "gateway/_detail.html", context)


def is_checking(row: Gateway) -> bool:
    """Whether somebody asked to look and nobody has looked yet."""
    asked, checked = row.check_asked_at, row.checked_at
    return asked is not None and (checked is None or checked < asked)


def _do(request: HttpRequest, deed: Callable[[], object], done: str) -> HttpResponse:
    try:
        deed()
    except refusals.REFUSALS as error:
        messages.error(request, refusals.sentence(error))
    else:
        messages.success(request, done)
    return redirect("gateway")


@access.action(Role.ADMINISTRATOR)
def stop(request: HttpRequest) -> HttpResponse:
    form = StopForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["reason"])))
        return redirect("gateway")
    reason = form.cleaned_data["reason"]
    return _do(
        request, lambda: pace.stop(access.actor(request), reason=reason), _("Sending is stopped for all mailings")
    )


@access.action(Role.ADMINISTRATOR)
def resume(request: HttpRequest) -> HttpResponse:
    return _do(request, lambda: pace.resume(access.actor(request)), _("Sending begins again, at first slowly"))


@access.action()
def check(request: HttpRequest) -> HttpResponse:
    return _do(
        request, lambda: pace.check(access.actor(request)), _("A worker looks whether the gateway is there")
    )
