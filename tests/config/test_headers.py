"""What every answer tells a browser: at each address, to a stranger and to an administrator."""

import json
import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Http
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.roles import Role
from tests.access import cast, routes
from tests.access.cast import FRAGMENT
from tests.config.deployed import production, settings_with

pytestmark = [pytest.mark.once, pytest.mark.django_db]
HOST, PROVIDER = "vestnik.example.com", "https://tenant.eu.auth0.com"
OVER_HTTPS = {"X-Forwarded-Proto": "https", "Host": HOST}
ALIKE = re.compile(
    r"SECURE_|SESSION_COOKIE_|CSRF_|LANGUAGE_COOKIE|THEME_COOKIE|HTTPS|PUBLIC|ALLOWED|TRUSTED|CONTENT_S|MIDDLEW"
)
CSP = {
    "default-src": {"'none'"},
    "script-src": {"'self'"},
    "style-src": {"'self'"},
    "img-src": {"'self'", "data:"},
    "font-src": {"'self'"},
    "connect-src": {"'self'"},
    "form-action": {"'self'", PROVIDER},
    "frame-ancestors": {"'none'"},
    "base-uri": {"'none'"},
}


@pytest.fixture
def deployed(settings: Settings, tmp_path: Path) -> None:
    """As in production: behind a proxy on this machine, which ends HTTPS."""
    for name, value in settings_with(**production(tmp_path) | {"TRUSTED_PROXIES": "127.0.0.1"}).items():
        if ALIKE.match(name):
            setattr(settings, name, value)
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True


def answers() -> Iterator[tuple[str, Any]]:
    """At every address, and at some where nothing is: shown, done, refused."""
    things = cast.prepare()
    addresses = {cast.address(line, things) for line in routes.lines()}
    addresses |= {"/nothing", "/api/v1/nothing", "/static/css/base.css", "/static/nothing.css", "/clients/0"}
    http = Http(enforce_csrf_checks=True)  # one for all: to make one takes longer than to ask
    for person in (cast.stranger(), cast.person(Role.ADMINISTRATOR)):
        for address in sorted(addresses):
            for method in ("GET", "POST", "DELETE", "OPTIONS") if person.role else ("GET", "POST"):
                http.cookies = SimpleCookie(person.cookies)
                with cast.undone():
                    answer: Any = http.generic(method, address, headers=person.headers | OVER_HTTPS)
                    yield f"{person.name} {method} {address} {answer.status_code}", answer
                    for close in answer._resource_closers:  # all of answer.close() would close the database
                        close()


def wrong(answer: Any) -> list[str]:
    """What an answer does not tell as it should."""
    policy = {name: set(values) for name, *values in map(str.split, answer["Content-Security-Policy"].split(";"))}
    found = {
        "csp": policy == CSP,
        "sniffing": answer["X-Content-Type-Options"] == "nosniff",
        "referrer": answer["Referrer-Policy"] == "same-origin",
        "opener": answer["Cross-Origin-Opener-Policy"] == "same-origin",
        "frames": answer.get("X-Frame-Options", "DENY") == "DENY",
        "features": "camera=()" in answer["Permissions-Policy"],
        "hsts": answer["Strict-Transport-Security"] == "max-age=31536000",
        "cors": not [name for name in answer.headers if name.startswith("Access-Control-")],
        "cookies": all(
            name.startswith("__Host-")
            and (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"])
            == (True, True, "Lax", "/", "")
            for name, cookie in answer.cookies.items()
        ),
    }
    return [name for name, good in found.items() if not good]


@pytest.mark.usefixtures("deployed")
def test_every_answer_carries_every_header() -> None:
    seen, cookies, statuses = 0, set[str](), set[int]()
    for name, answer in answers():
        kept = "no-store" in answer.get("Cache-Control", "")
        assert wrong(answer) == [], name
        assert kept or "/static/css/" in name, name
        seen, cookies, statuses = seen + 1, cookies | set(answer.cookies), statuses | {answer.status_code}

    assert seen > 300
    assert {200, 302, 401, 403, 404, 405} <= statuses
    assert "__Host-csrftoken" in cookies


@pytest.mark.usefixtures("deployed")
def test_the_cookies_of_a_reader_s_choices_and_of_his_session_are_as_safe() -> None:
    http = Http(headers=OVER_HTTPS, enforce_csrf_checks=False)
    for address, field in (("/theme/", "theme"), ("/language/", "language")):
        answer = http.post(address, {"theme": "dark", "language": "ru"})
        assert f"__Host-{field}" in answer.cookies
        assert wrong(answer) == []
    User.objects.create_user("viewer@example.com", "a password", role=Role.VIEWER)

    answer = http.post("/sign-in/", {"login": "viewer@example.com", "password": "a password"})

    assert answer["Location"] == "/"
    assert {"__Host-sessionid", "__Host-csrftoken"} <= set(answer.cookies)
    assert wrong(answer) == []


@pytest.mark.usefixtures("deployed")
def test_over_http_one_is_sent_to_https_and_gets_no_page() -> None:
    for address in ("/", "/sign-in/", "/api/v1/clients", "/docs/"):
        answer = Http().get(address, headers={"Host": HOST})

        assert (answer.status_code, answer["Location"]) == (301, f"https://{HOST}{address}")
        assert not answer.cookies


@pytest.mark.usefixtures("deployed")
def test_a_foreign_host_and_a_broken_page_are_as_careful() -> None:
    http = Http(raise_request_exception=False, headers=OVER_HTTPS | {"Host": "evil.example"})

    answer = http.get("/sign-in/")

    assert answer.status_code == 400
    assert "Content-Security-Policy" in answer
    assert "evil.example" not in answer.content.decode()


def test_pages_differ_for_htmx_and_say_so() -> None:
    person, things = cast.person(Role.ADMINISTRATOR), cast.prepare()
    for line in routes.pages():
        if line.needs is None or line.method != "GET":
            continue
        for headers in ({}, FRAGMENT):
            answer = person.ask("GET", cast.address(line, things), headers=headers)
            assert "HX-Request" in answer.get("Vary", ""), line
            assert answer["Cache-Control"] == "no-store", line


def test_no_answer_opens_the_api_to_other_sites() -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("GET", "OPTIONS", "POST"):
        answer = Http(headers=asked).generic(method, "/api/v1/clients", headers=asked)

        assert answer.status_code == (405 if method == "OPTIONS" else 401)
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]


def test_htmx_is_told_to_run_nothing_and_to_ask_nobody_else() -> None:
    page = Http().get("/sign-in/").content.decode()
    written = re.search(r"<meta name=\"htmx-config\" content='([^']+)'>", page)

    assert written is not None

    said = json.loads(written[1])
    assert said["allowEval"] is said["allowScriptTags"] is said["includeIndicatorStyles"] is False
    assert said["selfRequestsOnly"] is True
    assert said["historyCacheSize"] == 0
