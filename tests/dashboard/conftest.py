"""The cast: an operator, a viewer, a stranger, each at his own browser."""

import pytest
from django.test import Client as Browser

from accounts.models import User
from accounts.roles import Role


def browser_of(role: Role) -> Browser:
    browser = Browser()
    browser.force_login(User.objects.create_user(f"{role.value}@example.com", "a-password", role=role))
    return browser


@pytest.fixture
def operator(db: None) -> Browser:
    return browser_of(Role.OPERATOR)


@pytest.fixture
def viewer(db: None) -> Browser:
    return browser_of(Role.VIEWER)


@pytest.fixture
def stranger(db: None) -> Browser:
    return Browser()
