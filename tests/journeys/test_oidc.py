"""Signing in by a provider, in a browser, which holds everything against the policy of the page it comes from."""

import re
import socket
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from accounts.roles import Role
from tests.journeys.conftest import OpenPage
from tests.oidc.conftest import new_provider, use  # noqa: F401
from tests.oidc.provider import Provider


@pytest.fixture
def provider(
    live_server: LiveServer,
    settings: Settings,
    new_provider: Callable[[], Provider],  # noqa: F811
) -> Provider:
    settings.PUBLIC_URL = live_server.url
    provider = new_provider()
    use(settings, provider)
    return provider


@pytest.fixture
def olga(transactional_db: None) -> User:
    return User.objects.create_user("olga@example.com", role=Role.OPERATOR, invited_at=timezone.now())


def barriers(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    return [one["id"] for one in found] + (["sideways"] if wide else [])


def test_the_invited_signs_in_and_out_there_and_back(provider: Provider, olga: User, open_page: OpenPage) -> None:
    page = open_page()

    page.goto("/clients/?tag=vip")
    assert barriers(page) == []
    page.get_by_role("button", name="Sign in with Auth0").click()
    expect(page).to_have_url(re.compile(r"/clients/\?tag=vip$"))

    page.get_by_text("Olga Petrova").first.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in with Auth0")).to_be_visible()
    assert len(provider.ended) == 1

    page.goto("/clients/")
    expect(page).to_have_url(re.compile(r"/sign-in/\?next=/clients/$"))


def test_the_provider_may_send_on_to_hosts_that_nobody_here_knows(
    provider: Provider, olga: User, open_page: OpenPage
) -> None:
    # as when a company's own directory stands behind Auth0: another host, by redirects
    provider.detour = provider.issuer.replace("127.0.0.1", "localhost")
    page = open_page()

    page.goto("/sign-in/")
    page.get_by_role("button", name="Sign in with Auth0").click()

    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()
    assert provider.passed == [provider.detour.removeprefix("http://")]


def test_it_works_without_script(provider: Provider, olga: User, open_page: OpenPage) -> None:
    page = open_page(script=False)

    page.goto("/sign-in/")
    page.get_by_role("button", name="Sign in with Auth0").click()

    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()


def test_who_is_not_invited_reads_why_and_may_come_as_another(
    provider: Provider, olga: User, open_page: OpenPage
) -> None:
    page = open_page(refused=403, width=360, theme="dark", locale="ru")
    provider.claims = {"sub": "provider|eve", "email": "eve@example.com", "email_verified": True}

    page.goto("/sign-in/")
    page.get_by_role("button", name="Войти через Auth0").click()
    expect(page.get_by_role("alert")).to_contain_text("Для eve@example.com нет приглашения")
    assert barriers(page) == []

    provider.claims = {"sub": "provider|olga", "email": "olga@example.com", "email_verified": True}
    page.get_by_role("button", name="Войти под другой учётной записью").click()
    expect(page.get_by_role("heading", name="Обзор", level=1)).to_be_visible()
    assert provider.asked[-1]["prompt"] == "login"


@pytest.fixture
def nobody_there() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_provider_that_is_away_can_be_tried_again(
    provider: Provider, olga: User, open_page: OpenPage, settings: Settings, nobody_there: str
) -> None:
    page = open_page(refused=503)
    settings.OIDC_ISSUER = nobody_there

    page.goto("/sign-in/")
    page.get_by_role("button", name="Sign in with Auth0").click()
    expect(page.get_by_role("heading", name="Nobody can sign in now")).to_be_visible()
    assert barriers(page) == []

    settings.OIDC_ISSUER = provider.issuer
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()
