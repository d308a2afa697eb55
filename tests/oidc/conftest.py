"""A provider that answers, the settings that lead to it, and the way of a browser through it."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import requests
from django.http import HttpResponse
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import Settings

from accounts import oidc
from accounts.models import User
from accounts.patience import Patience
from accounts.roles import Role
from tests.oidc.provider import CLIENT_ID, CLIENT_SECRET, Provider, serve

PUBLIC_URL = "https://vestnik.example.com"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/oidc/" in str(item.path):
            item.add_marker(pytest.mark.once)


def use(settings: Settings, provider: Provider) -> None:
    settings.OIDC, settings.OIDC_ISSUER, settings.OIDC_NAME = True, provider.issuer, "Auth0"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    provider.back = f"{settings.PUBLIC_URL}/sign-in/callback"


@pytest.fixture(scope="session")
def new_provider() -> Iterator[Callable[[], Provider]]:
    with serve() as renew:
        yield renew


@pytest.fixture
def provider(
    settings: Settings, new_provider: Callable[[], Provider], monkeypatch: pytest.MonkeyPatch
) -> Provider:
    settings.PUBLIC_URL = PUBLIC_URL
    monkeypatch.setattr(oidc, "PATIENCE", Patience())  # another test's provider was away
    provider = new_provider()
    use(settings, provider)
    return provider


@pytest.fixture
def olga(db: None) -> User:
    """Invited, and not yet come."""
    return User.objects.create_user("olga@example.com", role=Role.OPERATOR, invited_at=timezone.now())


@pytest.fixture
def browser() -> Browser:
    return Browser()


def go(browser: Browser, **fields: str) -> str:
    """Presses the button; the address that the browser goes to."""
    page = browser.post("/sign-in/begin", fields)
    assert page.status_code == 200, page.content
    address = page.context["address"]
    assert isinstance(address, str)
    return address


def come_back(browser: Browser, address: str) -> HttpResponse:
    """Follows the provider's redirect back."""
    there = requests.get(address, allow_redirects=False, timeout=5)
    back = urlsplit(there.headers["Location"])
    assert f"{back.scheme}://{back.netloc}" == PUBLIC_URL
    return browser.get(f"{back.path}?{back.query}")  # type: ignore[return-value]  # the test client's own kind


def walk(browser: Browser, **fields: str) -> HttpResponse:
    return come_back(browser, go(browser, **fields))


def is_in(browser: Browser) -> bool:
    return browser.get("/gateway/").status_code == 200
