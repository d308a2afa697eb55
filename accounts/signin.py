"""Who gets in by the sign-in page: what allauth asks us on the way."""

from collections.abc import Mapping
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts import admission, journal, no_entry, oidc, paths, visits
from accounts.admission import NotAdmitted, Reason
from accounts.models import User
from accounts.tokens import NotBelieved
from config.logs import brief, logger

log = logger(__name__)
WAY_OUT = "way_out"  # in the session: where the provider ends its own


def stranger(request: HttpRequest, email: str = "") -> journal.Actor:
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    return journal.stranger(email, address=request.META.get("REMOTE_ADDR") or None, request_id=request_id)


def person(request: HttpRequest) -> journal.Actor:
    """On whose behalf a signed-in person's own deeds are noted."""
    nobody = stranger(request)
    assert isinstance(request.user, User)
    return journal.Actor(user=request.user, address=nobody.address, request_id=nobody.request_id)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Nobody signs up by himself; every coming and going is noted."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str) -> bool:
        return paths.is_own(url)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """With a local password."""
        super().authentication_failed(request, **credentials)
        admission.refuse(stranger(request, str(credentials.get("email", ""))), Reason.PASSWORD)
        log.warning("sign-in refused", reason=str(Reason.PASSWORD))

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        """The password was right, but he was removed."""
        return refuse(request, Reason.REMOVED, user.email)

    def post_login(
        self, request: HttpRequest, user: User, *, signal_kwargs: Mapping[str, Any] | None, **kwargs: Any
    ) -> HttpResponse:
        by_provider = (signal_kwargs or {}).get("sociallogin")
        if by_provider is None:
            request.session[visits.BY_PASSWORD] = True
            journal.record(person(request), "sign_in", user)
        elif by_provider.way_out:
            request.session[WAY_OUT] = by_provider.way_out
        response: HttpResponse = super().post_login(request, user, signal_kwargs=signal_kwargs, **kwargs)
        return response

    def logout(self, request: HttpRequest) -> None:
        if request.user.is_authenticated:
            journal.record(person(request), "sign_out", request.user)
        super().logout(request)


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # as above
    """One provider, from the settings. Whoever is not admitted sees why, and leaves no trace but the journal's."""

    def list_apps(self, request: HttpRequest, **which: Any) -> list[SocialApp]:
        return [oidc.app()] if settings.OIDC else []

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> oidc.Provider:
        return oidc.Provider(request, app=self.get_app(request, provider))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        identity = sociallogin.identity
        try:
            sociallogin.user, sociallogin.account = admission.admit(stranger(request), identity)
        except NotAdmitted as error:
            raise ImmediateHttpResponse(refuse(request, error.reason, identity.email)) from error

    def on_authentication_error(self, request: HttpRequest, provider: Any, **said: Any) -> None:
        """Whatever went wrong before it was known who comes. `said` has a state when the way was begun here."""
        exception, context = said.get("exception"), said.get("extra_context") or {}
        if isinstance(exception, NotBelieved):
            log.warning("the provider's answer is not believed", cause=str(exception))
            raise ImmediateHttpResponse(refuse(request, Reason.NOT_BELIEVED))
        if isinstance(exception, oidc.ProviderAway):
            raise ImmediateHttpResponse(away(request, exception))
        log.warning("sign-in broken off", begun_here=bool(context.get("state")))
        page = no_entry.BROKEN_OFF if context.get("state") else no_entry.NOT_OURS
        raise ImmediateHttpResponse(no_entry.show(request, page))


def refuse(request: HttpRequest, reason: Reason, email: str = "") -> HttpResponse:
    """The page that says why, once journal and log know it, too."""
    admission.refuse(stranger(request, email), reason)
    log.warning("sign-in refused", reason=str(reason))
    return no_entry.show(request, no_entry.PAGES[reason], email=email)


def away(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("the provider is away", error=brief(error))
    return no_entry.show(request, no_entry.AWAY)
