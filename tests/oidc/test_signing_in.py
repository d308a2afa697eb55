"""The way to the provider and back, and the way out."""

from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.utils import timezone

from accounts.models import JournalEntry, User
from accounts.roles import Role
from tests.oidc.conftest import come_back, go, is_in, walk
from tests.oidc.provider import OLGA, Provider


def test_the_invited_gets_in_with_the_role_of_the_invitation(
    provider: Provider, olga: User, browser: Browser
) -> None:
    answer = walk(browser, next="/clients/?tag=vip")

    assert (answer.status_code, answer["Location"]) == (302, "/clients/?tag=vip")
    assert is_in(browser)
    olga.refresh_from_db()
    assert (olga.role, olga.name) == (Role.OPERATOR, "Olga Petrova")
    assert olga.signed_in_at is not None
    account = SocialAccount.objects.get()
    assert (account.user, account.provider, account.uid) == (olga, provider.issuer, "provider|olga")
    assert account.extra_data == {}
    assert JournalEntry.objects.get(verb="sign_in").user == olga


def test_what_goes_to_the_provider_is_ours_alone(provider: Provider, olga: User, browser: Browser) -> None:
    page = browser.post("/sign-in/begin?scope=admin&auth_params=nonce%3Dmine&process=connect", {"next": "/"})

    asked = {name: values[0] for name, values in parse_qs(urlsplit(page.context["address"]).query).items()}
    assert asked.keys() == {
        "client_id",
        "redirect_uri",
        "scope",
        "response_type",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    }
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    assert asked["redirect_uri"] == "https://vestnik.example.com/sign-in/callback"
    assert len(asked["nonce"]) >= 43
    assert browser.session["socialaccount_states"][asked["state"]][0]["process"] == "login"


def test_with_another_account_the_provider_is_told_to_ask(
    provider: Provider, olga: User, browser: Browser
) -> None:
    walk(browser, again="1")

    assert provider.asked[-1]["prompt"] == "login"


@pytest.mark.parametrize("methods", [("client_secret_basic",), ("client_secret_post",), ()])
def test_the_secret_is_shown_the_way_the_provider_wants(
    methods: tuple[str, ...], provider: Provider, olga: User, browser: Browser
) -> None:
    provider.auth_methods = methods or ("client_secret_basic",)

    walk(browser)

    assert is_in(browser)


def test_a_thin_token_is_completed_by_asking(provider: Provider, olga: User, browser: Browser) -> None:
    provider.userinfo = dict(OLGA)
    provider.claims = {"sub": OLGA["sub"]}

    walk(browser)

    assert is_in(browser)


def test_signing_in_makes_a_new_session(provider: Provider, olga: User, browser: Browser) -> None:
    address = go(browser)
    before = browser.session.session_key

    come_back(browser, address)

    assert browser.session.session_key != before
    assert not Session.objects.filter(session_key=before).exists()


def test_signing_in_as_another_ends_the_session_of_the_first(
    provider: Provider, olga: User, browser: Browser
) -> None:
    walk(browser)
    ivan = User.objects.create_user("ivan@example.com", role=Role.VIEWER, invited_at=timezone.now())
    first = browser.session.session_key
    provider.claims = {**OLGA, "sub": "provider|ivan", "email": "ivan@example.com"}

    walk(browser)

    assert browser.session["_auth_user_id"] == str(ivan.pk)
    assert not Session.objects.filter(session_key=first).exists()


def test_a_provider_in_the_tables_of_allauth_opens_nothing(
    provider: Provider, olga: User, browser: Browser
) -> None:
    SocialApp.objects.create(
        provider="openid_connect",
        provider_id="oidc",
        name="Evil",
        client_id="evil",
        settings={"server_url": "https://evil.example"},
    )

    assert go(browser).startswith(f"{provider.issuer}/authorize?")


def test_the_local_form_is_gone_and_refused(provider: Provider, olga: User, browser: Browser) -> None:
    olga.set_password("a-password")
    olga.save()

    page = browser.get("/sign-in/?next=/clients/").content.decode()
    answer = browser.post("/sign-in/", {"login": olga.email, "password": "a-password"})

    assert "Sign in with Auth0" in page
    assert 'name="next" value="/clients/"' in page
    assert "password" not in page.replace("its password", "")
    assert answer.status_code == 405
    assert not is_in(browser)


def test_without_a_provider_there_is_no_way_to_one(browser: Browser, db: None) -> None:
    assert browser.post("/sign-in/begin")["Location"] == "/sign-in/"
    assert browser.get("/sign-in/callback?code=x&state=y")["Location"] == "/sign-in/"
    assert 'name="password"' in browser.get("/sign-in/").content.decode()


def test_the_button_is_pressed_and_not_followed(provider: Provider, browser: Browser, db: None) -> None:
    assert browser.get("/sign-in/begin").status_code == 405
    assert Browser(enforce_csrf_checks=True).post("/sign-in/begin").status_code == 403
    assert browser.post("/sign-in/callback").status_code == 405


def test_who_is_in_need_not_sign_in(provider: Provider, olga: User, browser: Browser) -> None:
    walk(browser)

    answer = browser.get("/sign-in/?next=/clients/")

    assert (answer.status_code, answer["Location"]) == (302, "/clients/")


def test_pressing_too_often_is_slowed_down(provider: Provider, browser: Browser, db: None) -> None:
    answers = [browser.post("/sign-in/begin") for _ in range(21)]

    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert "Too many tries" in answers[-1].content.decode()


def test_signing_out_ends_the_session_here_and_there(provider: Provider, olga: User, browser: Browser) -> None:
    walk(browser)
    cookie = browser.cookies["sessionid"].value

    page = browser.post("/sign-out/")

    address = urlsplit(page.context["address"])
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{provider.issuer}/logout"
    assert asked["post_logout_redirect_uri"] == "https://vestnik.example.com/sign-in/"
    assert asked["client_id"] == "vestnik:console"
    assert asked["id_token_hint"].count(".") == 2
    thief = Browser()
    thief.cookies["sessionid"] = cookie
    assert not is_in(thief)
    assert JournalEntry.objects.latest("id").verb == "sign_out"


def test_signing_out_holds_here_where_the_provider_has_no_way(
    provider: Provider, olga: User, browser: Browser
) -> None:
    provider.can_end = False
    walk(browser)

    answer = browser.post("/sign-out/")

    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/")
    assert "At Auth0 you are still signed in" in browser.get("/sign-in/").content.decode()
    assert not is_in(browser)


def test_looking_at_the_way_out_does_not_take_it(provider: Provider, olga: User, browser: Browser) -> None:
    walk(browser)

    assert browser.get("/sign-out/").status_code == 200
    assert is_in(browser)
