"""Who may open a page, and the things that pages show.

Every view carries one of the three decorators; a test compares with the URL resolver.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import quote

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.journal import Actor
from accounts.models import ApiKey, User
from accounts.roles import Role, allows
from clients.models import Client
from dashboard import htmx
from mailings.models import Mailing, Message

View = Callable[..., HttpResponseBase]


def page(needs: Role = Role.VIEWER) -> Callable[[View], View]:
    """A view that only shows."""
    return _guard(needs, ["GET", "HEAD"])


def form(needs: Role = Role.OPERATOR) -> Callable[[View], View]:
    """A view that shows a form, takes it, and shows it again when something in it is wrong."""
    return _guard(needs, ["GET", "HEAD", "POST"])


def action(needs: Role = Role.OPERATOR) -> Callable[[View], View]:
    """A view that does something: POST only, anything else answers 405."""
    return _guard(needs, ["POST"])


def _guard(needs: Role, methods: list[str]) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_sign_in(request)
            if not may(request, needs):
                raise PermissionDenied
            response = _shown(view, request, *args, **kwargs)
            patch_vary_headers(response, ["HX-Request"])
            patch_cache_control(response, no_store=True)
            return response

        allowed = require_http_methods(methods)(guarded)
        # read by the table of all routes
        allowed.needs, allowed.methods = needs, tuple(methods)  # type: ignore[attr-defined]
        return cast(View, allowed)

    return decorate


def _shown(view: View, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """The view's answer; what somebody else deleted a moment ago is no page."""
    try:
        return view(request, *args, **kwargs)
    except (Client.DoesNotExist, Mailing.DoesNotExist) as error:
        raise Http404 from error


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    back = request.get_full_path() if request.method == "GET" else "/"
    if htmx.wants_fragment(request):
        return htmx.leave_for(resolve_url("account_login"))
    return redirect(f"{resolve_url('account_login')}?next={quote(back)}")


def user(request: HttpRequest) -> User:
    """The person behind a guarded view."""
    return cast(User, request.user)


def may(request: HttpRequest, needs: Role = Role.OPERATOR) -> bool:
    return request.user.is_authenticated and allows(user(request).role, needs)


def actor(request: HttpRequest) -> Actor:
    """On whose behalf the operation runs that a view calls."""
    return Actor(
        user=user(request),
        address=request.META.get("REMOTE_ADDR") or None,
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
    )


def person(pk: int) -> User:
    """The person of an address, removed ones too."""
    found = User.objects.filter(pk=pk).first()
    if found is None:
        raise Http404(_("Person not found"))
    return found


def api_key(pk: int) -> ApiKey:
    """The key of an address, revoked ones too."""
    found = ApiKey.objects.select_related("created_by").filter(pk=pk).first()
    if found is None:
        raise Http404(_("API key not found"))
    return found


def client(pk: int) -> Client:
    """The client of an address; the guard has already asked for the role."""
    found = Client.objects.filter(pk=pk).first()
    if found is None:
        raise Http404(_("Client not found"))
    return found


def mailing(pk: int) -> Mailing:
    """The mailing of an address, unless it was deleted."""
    found = Mailing.objects.visible().select_related("rest_of").filter(pk=pk).first()
    if found is None:
        raise Http404(_("Mailing not found"))
    return found


def message(pk: int) -> Message:
    """The message of an address with its mailing and client, unless its mailing was deleted."""
    messages = Message.objects.filter(mailing__deleted_at=None).select_related("mailing", "client")
    found = messages.filter(pk=pk).first()
    if found is None:
        raise Http404(_("Message not found"))
    return found
