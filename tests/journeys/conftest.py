"""A real browser at a real server. Every page it opens must be free of errors and of policy violations."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client as Visitor
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from accounts.roles import Role

# Playwright keeps an event loop in this thread, which makes Django refuse to speak to the database
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
EMAIL, PASSWORD = "operator@example.com", "right-password"

OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/journeys/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, f"a browser is needed on PATH: one of {', '.join(NAMES)}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def listen(page: Page, complaints: list[str], refused: int) -> None:
    """Adds whatever the page complains of, but for answers with the status `refused`, which it calls failed."""

    def heard(message: ConsoleMessage) -> None:
        is_told = f"status of {refused}" in message.text
        # htmx says so, too, of a part that it did not take over, which is right only when all is wrong
        is_told |= refused >= 500 and f"Error Code {refused}" in message.text
        if message.type in ("error", "warning") and not is_told:
            complaints.append(f"{message.location.get('url')}: {message.text}")

    def asked(dialog: Dialog) -> None:
        complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", heard)
    page.on("dialog", asked)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))


@pytest.fixture
def open_page(chromium: Browser, live_server: LiveServer) -> Iterator[OpenPage]:
    """Opens a tab of a new visitor: `open_page(width=360, locale="ru")`. What it complains of fails the test."""
    call_command("createcachetable")
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_one(
        *,
        width: int = 1280,
        script: bool = True,
        locale: str = "en",
        theme: str = "light",
        refused: int = 422,
        **more: Any,
    ) -> Page:
        """`refused` is the status of a refusal that is expected: 422 is a form with a mistake in it."""
        size = {"width": width, "height": 800}
        context = chromium.new_context(
            base_url=live_server.url,
            viewport=size,  # type: ignore[arg-type]  # a dictionary of these two
            java_script_enabled=script,
            locale=locale,
            **more,
        )
        contexts.append(context)
        context.add_cookies([{"name": "theme", "value": theme, "url": live_server.url}])
        page = context.new_page()
        listen(page, complaints, refused)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


def sign_in(page: Page, *, password: str = PASSWORD) -> None:
    page.goto("/")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture(autouse=True)
def nobody_was_here(transactional_db: None) -> None:
    """Sign-ins are counted by the minute, in a table that no model has: nothing empties it between tests."""
    cache.clear()


@pytest.fixture
def operator(transactional_db: None) -> User:
    return User.objects.create_user(EMAIL, PASSWORD, name="Olga", role=Role.OPERATOR)


@pytest.fixture
def signed_in(open_page: OpenPage, operator: User, live_server: LiveServer) -> OpenPage:
    """Opens a tab of an operator who has signed in: by the same form, but without waiting for its page."""

    def open_one(**options: Any) -> Page:
        agent = {"user-agent": options["user_agent"]} if "user_agent" in options else {}
        visitor = Visitor(headers=agent)
        answer = visitor.post("/sign-in/", {"login": EMAIL, "password": PASSWORD})
        assert answer.status_code == 302
        page = open_page(**options)
        session = visitor.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url, "httpOnly": True}]
        )
        page.goto("/")
        expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()
        return page

    return open_one
