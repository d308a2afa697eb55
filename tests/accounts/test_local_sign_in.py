"""Signing in with a local password, where there is no provider."""

import pytest
from django.test import Client as Browser

from accounts.models import JournalEntry, User
from accounts.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.once]
RIGHT = {"login": "olga@example.com", "password": "right-password"}


@pytest.fixture
def olga(db: None) -> User:
    return User.objects.create_user("olga@example.com", "right-password", role=Role.OPERATOR)


def try_in(browser: Browser, **change: str) -> str:
    """Tries to get in; where that leads to, nowhere when it is refused."""
    return browser.post("/sign-in/", {**RIGHT, **change}).headers.get("Location", "")


def test_coming_and_going_are_in_the_journal(olga: User) -> None:
    browser = Browser()

    try_in(browser)
    browser.post("/sign-out/")

    entries = JournalEntry.objects.order_by("id")
    assert [(entry.verb, entry.user, entry.address) for entry in entries] == [
        ("sign_in", olga, "127.0.0.1"),
        ("sign_out", olga, "127.0.0.1"),
    ]


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"login": "eve@example.com"}], ids=str)
def test_a_refusal_is_in_the_journal_without_the_password(
    change: dict[str, str], olga: User, caplog: pytest.LogCaptureFixture
) -> None:
    assert try_in(Browser(), **change) == ""

    entry = JournalEntry.objects.get()
    tried = {**RIGHT, **change}
    assert (entry.verb, entry.user, entry.actor) == ("sign_in_refused", None, tried["login"])
    assert entry.details == {"reason": "password"}
    assert "sign-in refused" in caplog.text
    assert tried["password"] not in caplog.text


def test_a_removed_person_is_refused(olga: User) -> None:
    User.objects.update(is_active=False)

    answer = Browser().post("/sign-in/", RIGHT)

    assert (answer.status_code, "withdrawn" in answer.content.decode()) == (403, True)
    assert JournalEntry.objects.get().details == {"reason": "removed"}


def test_passwords_cannot_be_tried_without_end(olga: User) -> None:
    for number in range(5):
        assert try_in(Browser(), password=f"wrong {number}") == ""

    answer = Browser().post("/sign-in/", RIGHT)

    assert "Location" not in answer.headers
    assert "Too many" in answer.content.decode()


def test_nobody_can_sign_up(olga: User) -> None:
    for address in ("/sign-up/", "/signup/", "/accounts/signup/", "/oidc/oidc/login/", "/sign-in/callback/"):
        assert Browser().post(address, {"email": "eve@example.com", "password1": "a"}).status_code == 404
