"""The doors of the sign-in: the page, the way to the provider and back, and the way out."""

from typing import Any

from allauth.account.views import LoginView, LogoutView
from allauth.decorators import rate_limit
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from accounts import oidc, paths, signin

_local_sign_in = LoginView.as_view()
_sign_out_here = LogoutView.as_view()


@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """The one button of the provider; without one the form for a local password, which nothing else takes."""
    if not settings.OIDC:
        local: HttpResponse = _local_sign_in(request)
        return local
    return _button(request)


@require_safe
def _button(request: HttpRequest) -> HttpResponse:
    following = paths.own(request.GET.get("next"))
    if request.user.is_authenticated:
        return redirect(following)
    return render(request, "account/sign_in.html", {"provider": settings.OIDC_NAME, "following": following})


@require_POST
@rate_limit(action="login")  # type: ignore[untyped-decorator]  # allauth has no types
def begin(request: HttpRequest) -> HttpResponse:
    """Off to the provider, with a page between."""
    if not settings.OIDC:
        return redirect("account_login")
    try:
        answer = OAuth2LoginView.adapter_view(oidc.Adapter(request, oidc.PROVIDER_ID))(request)
    except oidc.ProviderAway as error:
        return signin.away(request, error)
    return _leave(request, answer["Location"])


class _Callback(OAuth2CallbackView):  # type: ignore[misc]  # allauth has no types
    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[Any, Any]:
        """As allauth's; the adapter needs the nonce that went out with it."""
        state, refusal = super()._get_state(request, provider)
        self.adapter.nonce = (state or {}).get("nonce", "")
        return state, refusal


@require_GET
@never_cache
def finish(request: HttpRequest) -> HttpResponse:
    """Back from the provider, with a code or with an error."""
    if not settings.OIDC:
        return redirect("account_login")
    try:
        answer: HttpResponse = _Callback.adapter_view(oidc.Adapter(request, oidc.PROVIDER_ID))(request)
    except oidc.ProviderAway as error:
        return signin.away(request, error)
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def sign_out(request: HttpRequest) -> HttpResponse:
    """Here first, so that it holds whatever the provider does; then there, if it can."""
    way_out, was_in = request.session.get(signin.WAY_OUT), request.user.is_authenticated
    answer: HttpResponse = _sign_out_here(request)
    if request.method != "POST" or not settings.OIDC or not was_in:
        return answer
    if way_out:
        return _leave(request, oidc.farewell(way_out, settings.PUBLIC_URL + reverse("account_login")))
    still = _("You are signed out here. At %(provider)s you are still signed in.")
    messages.info(request, still % {"provider": settings.OIDC_NAME})
    return answer


def _leave(request: HttpRequest, address: str) -> HttpResponse:
    """A page that goes on to another host by itself.

    Not a redirect: Chromium holds a form's `form-action` against every further redirect, too, and a provider may
    send people on to hosts that nobody here knows.
    """
    context = {"address": address, "provider": settings.OIDC_NAME, "stay_at": reverse("account_login")}
    response = render(request, "account/leaving.html", context)
    response["Referrer-Policy"], response["Cache-Control"] = "no-referrer", "no-store"
    return response
