"""An OpenID provider over HTTP, for tests: strict with whoever asks it, and false to order.

It checks client, secret, redirect address, code and PKCE as a real one does. What it hands out can be changed by
`claims` (the person), `twist` (single claims; None takes one away), `sign` (the whole token), `answers` (a status
and a body instead of its own) and `denies`.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "vestnik:console", "a secret & more, of 32 bytes or so"
OLGA = {"sub": "provider|olga", "email": "Olga@Example.com", "email_verified": True, "name": "Olga Petrova"}

Claims = dict[str, Any]


@cache
def key(kid: str = "first") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem() -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key().public_key().public_bytes(serialization.Encoding.PEM, form)


def signed(claims: Claims, kid: str = "first") -> str:
    return jwt.encode(claims, key(kid), algorithm="RS256", headers={"kid": kid})


@dataclass
class Provider:
    issuer: str = ""
    back: str = ""  # the one address it sends people back to
    claims: Claims = field(default_factory=lambda: dict(OLGA))
    userinfo: Claims | None = None
    twist: Claims = field(default_factory=dict)
    sign: Callable[[Claims], str] = signed
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    denies: str = ""
    hold: Event | None = None  # while it is set and not released, it answers nothing
    drips: Event | None = None  # until it is set, headers come letter by letter
    auth_methods: tuple[str, ...] = ("client_secret_basic", "client_secret_post")
    can_end: bool = True
    detour: str = ""  # another host over which people are sent first
    passed: list[str] = field(default_factory=list)  # hosts of the detour
    asked: list[dict[str, str]] = field(default_factory=list)  # of /authorize
    ended: list[dict[str, str]] = field(default_factory=list)  # of /logout
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def configuration(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "issuer": f"{self.issuer}/",  # as Auth0 writes it
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "token_endpoint_auth_methods_supported": list(self.auth_methods),
        }
        return found | ({"end_session_endpoint": f"{self.issuer}/logout"} if self.can_end else {})

    def keys(self) -> dict[str, Any]:
        """Two, as when one is about to be changed for the other."""
        algorithm = jwt.algorithms.RSAAlgorithm
        return {
            "keys": [
                {**algorithm.to_jwk(key(kid).public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "RS256"}
                for kid in ("next", "first")
            ]
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Where it sends the browser; it has nobody to ask and lets everybody through."""
        self.asked.append(asked)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["redirect_uri"] == self.back
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        if self.denies:
            return f"{self.back}?{urlencode({'error': self.denies, 'state': asked['state']})}"
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return f"{self.back}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], basic: str) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)
        if basic:
            name, _, secret = base64.b64decode(basic.removeprefix("Basic ")).decode().partition(":")
            name, secret, method = unquote(name), unquote(secret), "client_secret_basic"
        else:
            name, secret, method = form.get("client_id", ""), form.get("client_secret", ""), "client_secret_post"
        if (name, secret) != (CLIENT_ID, CLIENT_SECRET) or method not in self.auth_methods:
            return 401, {"error": "invalid_client"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or form.get("redirect_uri") != self.back:
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": "access",
            "token_type": "Bearer",
            "id_token": self.sign(self.id_claims(asked)),
        }

    def id_claims(self, asked: dict[str, str]) -> Claims:
        now = int(time.time())
        standard = {"iss": f"{self.issuer}/", "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        claims = {**standard, **self.claims, "nonce": asked.get("nonce"), **self.twist}
        return {name: value for name, value in claims.items() if value is not None}

    def logout(self, asked: dict[str, str]) -> str:
        self.ended.append(asked)
        return asked["post_logout_redirect_uri"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    provider: Provider  # given by `serve`

    def do_GET(self) -> None:
        place, asked = urlsplit(self.path).path, _fields(urlsplit(self.path).query)
        if self._instead(place):
            return
        provider, host = self.provider, self.headers["Host"]
        if place == "/authorize" and provider.detour and host not in provider.detour:
            self._redirect(f"{provider.detour}{self.path}")
        elif place in ("/authorize", "/logout"):
            provider.passed += [host] if host in provider.detour else []
            way = provider.authorize if place == "/authorize" else provider.logout
            self._redirect(way(asked))
        elif place == "/userinfo" and self.headers["Authorization"] == "Bearer access":
            self._json(200, provider.claims if provider.userinfo is None else provider.userinfo)
        elif place == "/jwks":
            self._json(200, provider.keys())
        else:
            self._json(200 if place == "/.well-known/openid-configuration" else 404, provider.configuration())

    def do_POST(self) -> None:
        form = _fields(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if not self._instead(self.path):
            self._json(*self.provider.token(form, self.headers.get("Authorization", "")))

    def _instead(self, place: str) -> bool:
        if self.provider.hold is not None:
            self.provider.hold.wait(10)
        if self.provider.drips is not None:
            self._drip(self.provider.drips)
            return True
        if place in self.provider.answers:
            self._send(*self.provider.answers[place])
        return place in self.provider.answers

    def _drip(self, enough: Event) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Drip: ")
        while not enough.wait(0.02):
            self.wfile.write(b"x")

    def _redirect(self, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.end_headers()

    def _json(self, status: int, body: Any) -> None:
        self._send(status, json.dumps(body).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        with suppress(OSError):  # whoever asked may have given up
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


def _fields(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, strict_parsing=bool(text)).items()}


@contextmanager
def serve() -> Iterator[Callable[[], Provider]]:
    """Answers on a free port of this machine until the end; each call begins with a new provider."""
    handler = type("HandlerOfOne", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def renew() -> Provider:
        provider = Provider(issuer=f"http://127.0.0.1:{server.server_port}")
        handler.provider = provider  # type: ignore[attr-defined]
        return provider

    try:
        yield renew
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
