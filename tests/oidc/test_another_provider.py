"""With a provider that others have written (oidc-provider-mock, on Authlib): what we call a provider is one."""

import warnings
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from accounts.models import User
from tests.oidc.conftest import PUBLIC_URL, go, is_in

CLAIMS = {"email": "olga@example.com", "email_verified": True, "name": "Olga Petrova"}


@pytest.fixture
def port() -> Iterator[int]:
    # not at the top: what it says of its own libraries when it is imported is no matter of ours
    with warnings.catch_warnings(record=True):
        import oidc_provider_mock as theirs

    olga = theirs.User(sub="olga", claims=CLAIMS)
    with theirs.run_server_in_thread(user_claims=[olga], require_nonce=True) as server:
        yield server.server_port


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_invited_signs_in_and_out(port: int, olga: User, browser: Browser, settings: Settings) -> None:
    settings.PUBLIC_URL = PUBLIC_URL
    settings.OIDC, settings.OIDC_ISSUER = True, f"http://localhost:{port}"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = "console", "a secret"

    there = requests.post(go(browser, next="/clients/"), data={"sub": "olga"}, allow_redirects=False, timeout=5)
    back = urlsplit(there.headers["Location"])
    answer = browser.get(f"{back.path}?{back.query}")

    assert (answer.status_code, answer["Location"]) == (302, "/clients/")
    assert is_in(browser)
    asked = requests.get(browser.post("/sign-out/").context["address"], timeout=5)
    assert asked.status_code == 200
    assert f"{PUBLIC_URL}/sign-in/" in asked.text
    assert not is_in(browser)
