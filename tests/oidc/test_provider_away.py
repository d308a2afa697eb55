"""A provider that is away: a page that says so, soon, and nobody is signed in or thrown out by it."""

import json
import socket
from collections.abc import Iterator
from threading import Event

import pytest
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from accounts import oidc
from accounts.models import JournalEntry, User
from accounts.patience import Patience
from tests.oidc.admitted import sees_no_entry
from tests.oidc.conftest import come_back, go, is_in, walk
from tests.oidc.provider import Provider

pytestmark = pytest.mark.django_db
DISCOVERY = "/.well-known/openid-configuration"


def says_away(answer: object) -> bool:
    assert getattr(answer, "status_code") == 503  # noqa: B009  # an answer of the test client
    text = answer.content.decode()  # type: ignore[attr-defined]
    return "Nobody can sign in now" in text and "Try again" in text


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound by us and listened at by nobody."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_provider_that_is_not_there(
    provider: Provider, closed_port: int, settings: Settings, browser: Browser, db: None
) -> None:
    settings.OIDC_ISSUER = f"http://127.0.0.1:{closed_port}"

    answer = browser.post("/sign-in/begin")

    assert says_away(answer)
    sees_no_entry(browser, answer, 503)
    assert browser.get("/sign-in/").status_code == 200


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (404, b"{}"),
        (302, b"{}"),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"null"),
        (200, b"\xff\xfe"),
        (200, b"[" * 100_000),
        (200, b"{}"),
        (200, b'{"issuer": 7}'),
        (200, b" " * (oidc.LARGEST + 1)),
    ],
    ids=lambda answer: f"{answer[0]} {answer[1][:12]!r}",
)
def test_a_provider_that_publishes_nonsense(
    answer: tuple[int, bytes], provider: Provider, browser: Browser, db: None
) -> None:
    provider.answers[DISCOVERY] = answer

    assert says_away(browser.post("/sign-in/begin"))


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "//evil.example"},
        {"authorization_endpoint": ["https://evil.example"]},
        {"authorization_endpoint": 'https://evil.example/"\r\nSet-Cookie: a=b'},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": 7},
    ],
    ids=str,
)
def test_a_provider_whose_addresses_are_none(
    change: dict[str, object], provider: Provider, browser: Browser, db: None
) -> None:
    provider.answers[DISCOVERY] = (200, json.dumps({**provider.configuration(), **change}).encode())

    assert says_away(browser.post("/sign-in/begin"))


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        (DISCOVERY, (500, b"")),
        ("/token", (500, b"{}")),
        ("/token", (200, b"<html>")),
        ("/jwks", (503, b"{}")),
        ("/jwks", (200, b"[]")),
        ("/userinfo", (500, b"{}")),
    ],
)
def test_a_provider_that_goes_away_on_the_way(
    place: str, answer: tuple[int, bytes], provider: Provider, olga: User, browser: Browser
) -> None:
    provider.twist = {"email": None} if place == "/userinfo" else {}
    address = go(browser)
    provider.answers[place] = answer

    answered = come_back(browser, address)

    assert says_away(answered)
    sees_no_entry(browser, answered, 503)
    assert not JournalEntry.objects.exists()


@pytest.mark.parametrize("keys", [b"{}", b'{"keys": 7}', b'{"keys": [7, {"kty": "RSA", "kid": "first"}]}'])
def test_a_provider_without_a_usable_key(keys: bytes, provider: Provider, olga: User, browser: Browser) -> None:
    provider.answers["/jwks"] = (200, keys)

    sees_no_entry(browser, walk(browser))


def test_a_provider_that_does_not_answer_is_not_waited_for(
    provider: Provider, browser: Browser, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(oidc, "READ", 0.2)
    provider.hold = Event()

    # it holds its answer back until it is told to go on: ours says that nobody waited for it
    answer = browser.post("/sign-in/begin")
    provider.hold.set()

    assert says_away(answer)


def test_headers_that_come_letter_by_letter_are_not_waited_for(
    provider: Provider, browser: Browser, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(oidc, "WHOLE", 0.3)
    provider.drips = Event()

    monkeypatch.setattr(oidc, "PATIENCE", Patience(rest_s=3600))
    # it drips until it is told to stop: an answer says that nobody waited for it
    answer = browser.post("/sign-in/begin")
    provider.drips.set()
    provider.drips = None
    again = browser.post("/sign-in/begin")

    assert says_away(answer)
    assert says_away(again)  # it would answer well now, and is not asked yet


def test_the_defaults_of_waiting_are_bounded() -> None:
    assert 0 < oidc.CONNECT <= 5
    assert 0 < oidc.READ <= 10
    assert oidc.WHOLE <= 10


def test_whoever_is_in_stays_in_and_may_go(provider: Provider, olga: User, browser: Browser) -> None:
    walk(browser)
    provider.answers[DISCOVERY] = (500, b"")

    assert is_in(browser)
    assert says_away(browser.post("/sign-in/begin"))
    assert is_in(browser)
    assert browser.post("/sign-out/").context["address"].startswith(f"{provider.issuer}/logout?")
    assert not is_in(browser)
