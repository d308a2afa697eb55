"""Whom nobody invited is not let in, whatever a truthful provider says of him."""

from threading import Barrier, Thread

import pytest
from allauth.socialaccount.models import SocialAccount
from django.db import connection
from django.test import Client as Browser
from pytest_django import Settings

from accounts import people
from accounts.journal import SERVICE
from accounts.models import JournalEntry, User
from accounts.roles import Role
from tests.oidc.admitted import refusal, sees_no_entry
from tests.oidc.conftest import come_back, go, is_in, walk
from tests.oidc.provider import OLGA, Provider


def test_asking_that_tells_of_somebody_else_lets_nobody_in(
    provider: Provider, olga: User, browser: Browser
) -> None:
    provider.userinfo = {**OLGA, "sub": "provider|other"}
    provider.claims = {"sub": OLGA["sub"]}

    sees_no_entry(browser, walk(browser))
    assert refusal() == "not_believed"


def test_an_unverified_address_of_the_token_is_not_verified_by_another_place(
    provider: Provider, olga: User, browser: Browser, settings: Settings
) -> None:
    settings.OIDC_ROLES_CLAIM = "roles"
    provider.userinfo = {**OLGA, "roles": "operator"}
    provider.twist = {"email_verified": None}

    sees_no_entry(browser, walk(browser))
    assert refusal() == "unverified"


@pytest.mark.parametrize(
    ("twist", "reason", "words"),
    [
        ({"email": "eve@example.com"}, "not_invited", "eve@example.com has not been invited"),
        ({"email_verified": False}, "unverified", "has not verified your e-mail"),
        ({"email_verified": None}, "unverified", "has not verified your e-mail"),
        ({"email_verified": "false"}, "unverified", "has not verified your e-mail"),
        ({"email_verified": 1}, "unverified", "has not verified your e-mail"),
        ({"email_verified": "yes"}, "unverified", "has not verified your e-mail"),
        ({"email": ["olga@example.com"]}, "no_email", "did not tell your e-mail"),
        ({"email": ""}, "no_email", "did not tell your e-mail"),
        ({"email": "olga@example.com\0"}, "no_email", "did not tell your e-mail"),
        ({"email": "olga@\ud800.com"}, "no_email", "did not tell your e-mail"),
        ({"email": "olga@example.com, eve@example.com"}, "no_email", "did not tell your e-mail"),
        ({"email": "<b>@example.com"}, "no_email", "did not tell your e-mail"),
    ],
)
def test_others_see_why_they_may_not_and_leave_nothing(
    twist: dict[str, object], reason: str, words: str, provider: Provider, olga: User, browser: Browser
) -> None:
    provider.twist = twist

    answer = walk(browser)

    sees_no_entry(browser, answer)
    assert words in answer.content.decode()
    assert refusal() == reason
    assert User.objects.count() == 1


def test_a_removed_person_does_not_get_in(provider: Provider, olga: User, browser: Browser) -> None:
    User.objects.update(is_active=False)

    answer = walk(browser)

    sees_no_entry(browser, answer)
    assert "withdrawn" in answer.content.decode()
    assert refusal() == "removed"


def test_a_person_removed_later_does_not_get_in_again(provider: Provider, olga: User, browser: Browser) -> None:
    walk(browser)
    User.objects.update(is_active=False)

    assert not is_in(browser)
    assert walk(Browser()).status_code == 403
    assert refusal() == "removed"


def test_who_is_here_without_an_invitation_is_not_invited(provider: Provider, browser: Browser, db: None) -> None:
    User.objects.create_user("olga@example.com", "a-password", role=Role.ADMINISTRATOR)

    sees_no_entry(browser, walk(browser))
    assert refusal() == "not_invited"


def test_another_account_with_the_same_address_does_not_get_in(provider: Provider, olga: User) -> None:
    walk(Browser())
    provider.claims["sub"] = "provider|another"
    browser = Browser()

    answer = walk(browser)

    assert answer.status_code == 403
    assert "another account" in answer.content.decode()
    assert not is_in(browser)
    assert refusal() == "other_account"
    assert SocialAccount.objects.count() == 1


def test_an_address_that_only_looks_like_an_invited_one_does_not_get_in(
    provider: Provider, olga: User, browser: Browser
) -> None:
    User.objects.update(email="kira@example.com")
    provider.twist = {"email": "\u212aira@example.com"}  # the Kelvin sign: k in lower case

    sees_no_entry(browser, walk(browser))
    assert refusal() == "no_email"


def test_the_same_account_gets_in_whatever_its_address_is_by_now(provider: Provider, olga: User) -> None:
    walk(Browser())
    provider.claims["email"] = "married@example.com"
    browser = Browser()

    walk(browser)

    assert is_in(browser)
    assert SocialAccount.objects.get().user == olga


def test_but_not_with_an_address_that_is_not_verified(provider: Provider, olga: User) -> None:
    walk(Browser())
    provider.claims["email_verified"] = False

    assert walk(Browser()).status_code == 403
    assert refusal() == "unverified"


def test_the_same_subject_of_another_issuer_is_somebody_else(
    provider: Provider, olga: User, settings: Settings
) -> None:
    walk(Browser())
    SocialAccount.objects.update(provider="https://former.example.com")
    browser = Browser()

    assert walk(browser).status_code == 403
    assert not is_in(browser)
    assert refusal() == "other_account"


def test_who_was_removed_and_let_back_comes_with_another_account_and_not_with_the_first(
    provider: Provider, olga: User
) -> None:
    walk(Browser())
    people.remove(SERVICE, olga.pk)
    assert walk(Browser()).status_code == 403
    assert refusal() == "removed"
    people.let_back(SERVICE, olga.pk)
    provider.claims["sub"] = "provider|another"
    browser = Browser()

    walk(browser)

    assert is_in(browser)
    assert SocialAccount.objects.get().uid == "provider|another"
    assert JournalEntry.objects.get(verb="remove").details["untied"] == 1
    provider.claims["sub"] = OLGA["sub"]
    assert walk(Browser()).status_code == 403
    assert refusal() == "other_account"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("subjects", "expected"),
    [(("one", "two"), [302, 403]), (("one", "one"), [302, 302])],
    ids=["two", "one twice"],
)
def test_who_comes_twice_at_once_with_one_address_is_let_in_if_it_is_one(
    subjects: tuple[str, str], expected: list[int], provider: Provider, olga: User
) -> None:
    browsers = [Browser(), Browser()]
    addresses = [go(browser) for browser in browsers]
    left, sign, start = iter(subjects), provider.sign, Barrier(2)
    provider.sign = lambda claims: sign({**claims, "sub": next(left)})
    statuses: list[int] = []

    def come(browser: Browser, address: str) -> None:
        start.wait()
        statuses.append(come_back(browser, address).status_code)
        connection.close()

    threads = [Thread(target=come, args=pair) for pair in zip(browsers, addresses, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == expected
    assert SocialAccount.objects.count() == 1
