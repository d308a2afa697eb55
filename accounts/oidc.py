"""The OpenID provider: allauth walks the way there and back; what comes back is believed only after our checks.

Authorization code with PKCE and state are allauth's. Ours are the nonce, the check of the ID token (`tokens`), the
check of what the provider publishes about itself, and the bounds of every request.
"""

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import requests
import urllib3
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base import AuthProcess, ProviderException
from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from allauth.socialaccount.providers.oauth2.utils import generate_code_challenge
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import paths
from accounts.models import User
from accounts.patience import NoAnswer, Patience
from accounts.tokens import Identity, NotBelieved, believe, identify

PROVIDER_ID = "oidc"
CONNECT, READ, WHOLE = 3.0, 5.0, 8.0  # seconds
LARGEST = 256 * 1024  # bytes of an answer
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
OPTIONAL = ("userinfo_endpoint", "end_session_endpoint")
PATIENCE = Patience()  # a web process has more threads than this lets wait


class ProviderAway(ProviderException):  # type: ignore[misc]  # allauth has no types
    """The provider cannot be reached, or does not answer as a provider does. The text is for the log."""


def ask(method: str, address: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of the provider's answer, bounded in time and size; redirects are not followed."""
    try:
        return PATIENCE.call(lambda: _ask(method, address, options), within_s=WHOLE)
    except NoAnswer as error:
        raise ProviderAway(str(error)) from error


def _ask(method: str, address: str, options: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The same, but for headers that come letter by letter: each of them begins the time of waiting anew."""
    until = time.monotonic() + WHOLE
    limits: dict[str, Any] = {"timeout": (CONNECT, READ), "stream": True, "allow_redirects": False}
    body = b""
    try:
        with requests.request(method, address, **limits, **options) as response:
            while piece := response.raw.read1(LARGEST, decode_content=True):
                body += piece
                if len(body) > LARGEST or time.monotonic() > until:
                    raise ProviderAway("an answer without end")
        found = json.loads(body)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, RecursionError) as error:
        raise ProviderAway(type(error).__name__) from error
    if not isinstance(found, dict):
        raise ProviderAway("not a JSON object")
    return response.status_code, found


def read(address: str, **options: Any) -> dict[str, Any]:
    status, found = ask("GET", address, **options)
    if status != requests.codes.ok:
        raise ProviderAway(f"status {status}")
    return found


def discover() -> dict[str, Any]:
    """What the provider publishes about itself: the addresses it needs, and those it may have."""
    found = read(f"{settings.OIDC_ISSUER}/.well-known/openid-configuration")
    said = found.get("issuer")
    if not isinstance(said, str) or said.rstrip("/") != settings.OIDC_ISSUER:
        raise ProviderAway("it calls itself by another name than OIDC_ISSUER")
    missing = [name for name in NEEDED if not _is_address(found.get(name))]
    if missing:
        raise ProviderAway(f"no {missing[0]}")
    return {**found, **{name: None for name in OPTIONAL if not _is_address(found.get(name))}}


def _is_address(value: object) -> bool:
    """Plain HTTP only where the provider itself has it, which the settings allow on this machine alone."""
    schemes = ("https://", "http://") if settings.OIDC_ISSUER.startswith("http://") else ("https://",)
    return isinstance(value, str) and value.startswith(schemes) and value.isascii() and value.isprintable()


class Client(OAuth2Client):  # type: ignore[misc]  # allauth has no types
    """Changes the code for a token."""

    def get_redirect_url(self, authorization_url: str, scope: list[str], extra_params: dict[str, str]) -> str:
        address: str = super().get_redirect_url("", scope, extra_params)
        return authorization_url + ("&" if "?" in authorization_url else "?") + address.removeprefix("?")

    def get_access_token(self, code: str, pkce_code_verifier: str | None = None) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback_url,
            "code_verifier": pkce_code_verifier,
        }
        auth = None
        if self.basic_auth:
            auth = (quote(self.consumer_key, safe=""), quote(self.consumer_secret, safe=""))  # RFC 6749, 2.3.1
        else:
            form |= {"client_id": self.consumer_key, "client_secret": self.consumer_secret}
        status, found = ask("POST", self.access_token_url, data=form, auth=auth)
        if status >= requests.codes.server_error:
            raise ProviderAway(f"status {status}")
        if status != requests.codes.ok or not isinstance(found.get("access_token"), str):
            raise NotBelieved(f"no token for the code: status {status}")
        return found


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # as above
    """`nonce` is that of the sign-in which is being finished, known once its state has been found."""

    client_class = Client
    nonce = ""

    @property
    def openid_config(self) -> dict[str, Any]:
        if not hasattr(self, "_openid_config"):
            self._openid_config = discover()
        return self._openid_config

    @property
    def basic_auth(self) -> bool:
        """Not saying which way is saying "basic" (OpenID Connect Discovery 1.0, 3)."""
        taken = self.openid_config.get("token_endpoint_auth_methods_supported")
        return not isinstance(taken, list) or "client_secret_post" not in taken

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return settings.PUBLIC_URL + reverse("sign_in_callback")

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        return SocialToken(token=data["access_token"])

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        config = self.openid_config
        if request.GET.get("iss", config["issuer"]) != config["issuer"]:
            raise NotBelieved("the answer is another provider's")  # RFC 9207
        id_token = kwargs["response"].get("id_token")
        claims = believe(id_token, read(config["jwks_uri"]), issuer=config["issuer"], nonce=self.nonce)
        login = self.get_provider().sociallogin_from_response(request, identify(claims, self._more(claims, token)))
        if config["end_session_endpoint"]:
            login.way_out = {"address": config["end_session_endpoint"], "id_token": id_token}
        return login

    def _more(self, claims: Mapping[str, Any], token: SocialToken) -> dict[str, Any]:
        """Some providers keep the ID token thin and tell the rest on asking."""
        address = self.openid_config["userinfo_endpoint"]
        wanted = {"email", settings.OIDC_ROLES_CLAIM or "email"}
        if not address or wanted <= claims.keys():
            return {}
        found = read(address, headers={"Authorization": f"Bearer {token.token}"})
        if found.get("sub") != claims["sub"]:
            raise NotBelieved("asked again, the provider tells of somebody else")
        return found


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # as above
    oauth2_adapter_class = Adapter

    def get_pkce_params(self) -> dict[str, Any]:
        return dict(generate_code_challenge())

    def redirect_from_request(self, request: HttpRequest) -> HttpResponse:
        """Off to the provider. Nothing of the request goes there; `again` asks it to ask who one is."""
        nonce = secrets.token_urlsafe(32)
        asked = {"nonce": nonce} | ({"prompt": "login"} if "again" in request.POST else {})
        following = paths.own(request.POST.get("next"))
        away: HttpResponse = self.redirect(request, AuthProcess.LOGIN, following, auth_params=asked, nonce=nonce)
        return away

    def sociallogin_from_response(self, request: HttpRequest, response: Identity) -> SocialLogin:
        """Nothing of the answer is kept but issuer and subject, by which the same person is known again."""
        account = SocialAccount(provider=response.issuer, uid=response.subject, extra_data={})
        login = SocialLogin(user=User(email=response.email), account=account, provider=self)
        login.identity = response
        login.way_out = None
        return login


def app() -> SocialApp:
    """The one provider there is, from the settings: what lies in the tables of allauth opens nothing."""
    return SocialApp(
        provider=OpenIDConnectProvider.id,
        provider_id=PROVIDER_ID,
        name=settings.OIDC_NAME,
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
        settings={"server_url": settings.OIDC_ISSUER},
    )


def farewell(way_out: Mapping[str, str], back: str) -> str:
    """The address at which the provider ends its own session and then leads to `back` (RP-initiated logout)."""
    asked = {
        "id_token_hint": way_out["id_token"],
        "client_id": settings.OIDC_CLIENT_ID,
        "post_logout_redirect_uri": back,
    }
    return way_out["address"] + ("&" if "?" in way_out["address"] else "?") + urlencode(asked)
