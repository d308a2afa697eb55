"""Who may do what by the claim of the provider, when the settings name one."""

import pytest
from django.test import Client as Browser
from pytest_django import Settings

from accounts.models import JournalEntry, User
from accounts.roles import Role
from tests.oidc.admitted import refusal, sees_no_entry
from tests.oidc.conftest import is_in, walk
from tests.oidc.provider import Provider

ROLES = "https://vestnik.example.com/roles"


@pytest.mark.parametrize(
    ("claim", "role"),
    [
        ("viewer", Role.VIEWER),
        (["administrator", "viewer"], Role.ADMINISTRATOR),
        (["emperor", "operator", 7, None], Role.OPERATOR),
    ],
)
def test_the_role_is_the_highest_that_the_claim_names(
    claim: object, role: Role, provider: Provider, olga: User, browser: Browser, settings: Settings
) -> None:
    settings.OIDC_ROLES_CLAIM = ROLES
    provider.claims[ROLES] = claim

    walk(browser)

    olga.refresh_from_db()
    assert olga.role == role
    assert is_in(browser)


@pytest.mark.parametrize(
    "claim", [None, [], "emperor", "Viewer", {"viewer": True}, "viewer operator", [["viewer"]]]
)
def test_a_claim_without_a_known_role_lets_nobody_in(
    claim: object, provider: Provider, olga: User, browser: Browser, settings: Settings
) -> None:
    settings.OIDC_ROLES_CLAIM = ROLES
    provider.claims[ROLES] = claim

    answer = walk(browser)

    sees_no_entry(browser, answer)
    assert "no role" in answer.content.decode()
    assert refusal() == "no_role"
    olga.refresh_from_db()
    assert (olga.role, olga.signed_in_at) == (Role.OPERATOR, None)


def test_a_role_changed_at_the_provider_holds_from_the_next_sign_in(
    provider: Provider, olga: User, settings: Settings
) -> None:
    settings.OIDC_ROLES_CLAIM = ROLES
    provider.claims[ROLES] = "administrator"
    walk(Browser())
    provider.claims[ROLES] = ["viewer"]

    walk(Browser())

    olga.refresh_from_db()
    assert olga.role == Role.VIEWER
    change = JournalEntry.objects.filter(verb="change").latest("id")
    assert change.details == {"before": {"role": "administrator"}, "after": {"role": "viewer"}}


def test_without_the_setting_a_claim_of_roles_is_nothing(provider: Provider, olga: User, browser: Browser) -> None:
    provider.claims["roles"] = provider.claims[""] = provider.claims[ROLES] = "administrator"

    walk(browser)

    olga.refresh_from_db()
    assert olga.role == Role.OPERATOR
