"""Whoever stands in for the provider, or for the browser, gets nobody in."""

import base64
import json
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
import requests
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from accounts.models import JournalEntry, User
from tests.oidc.admitted import refusal, sees_no_entry
from tests.oidc.conftest import PUBLIC_URL, come_back, go, is_in, walk
from tests.oidc.provider import CLIENT_ID, CLIENT_SECRET, Claims, Provider, key, public_pem, signed

pytestmark = pytest.mark.django_db
HOUR = 3600


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def unsigned(claims: Claims) -> str:
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def by_public_key(claims: Claims) -> str:
    """HS256 with what everybody knows, made by hand: PyJWT refuses to make it."""
    import hashlib
    import hmac

    start = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(claims)}"
    digest = hmac.new(public_pem(), start.encode(), hashlib.sha256).digest()
    return f"{start}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def by_our_secret(claims: Claims) -> str:
    return jwt.encode(claims, CLIENT_SECRET, algorithm="HS256", headers={"kid": "first"})


def by_another_key(claims: Claims) -> str:
    return jwt.encode(claims, key("evil"), algorithm="RS256", headers={"kid": "first"})


def by_a_key_it_brings(claims: Claims) -> str:
    own = jwt.algorithms.RSAAlgorithm.to_jwk(key("evil").public_key(), as_dict=True)
    return jwt.encode(claims, key("evil"), algorithm="RS256", headers={"kid": "evil", "jwk": own})


def changed_after(claims: Claims) -> str:
    head, _, signature = signed({**claims, "email": "eve@example.com"}).split(".")
    return f"{head}.{part(claims)}.{signature}"


def without_signature(claims: Claims) -> str:
    return signed(claims).rpartition(".")[0] + "."


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        by_public_key,
        by_our_secret,
        by_another_key,
        by_a_key_it_brings,
        changed_after,
        without_signature,
        lambda claims: "",
        lambda claims: "not.a.token",
        lambda claims: f"{part({'alg': 'RS256', 'kid': ['first']})}.{part(claims)}.AAAA",
        lambda claims: f"{part({'kid': 'first'})}.{part(claims)}.AAAA",
        lambda claims: f"{part([])}.{part(claims)}.AAAA",
        lambda claims: signed(claims, "next").replace(
            signed(claims, "next").split(".")[0], part({"alg": "RS256"})
        ),
        lambda claims: None,
        lambda claims: {"sub": claims["sub"]},
    ],
)
def test_a_token_with_another_signature_lets_nobody_in(
    forge: Callable[[Claims], str], provider: Provider, olga: User, browser: Browser
) -> None:
    provider.sign = forge

    answer = walk(browser)

    sees_no_entry(browser, answer)
    assert "did not pass the checks" in answer.content.decode()
    assert refusal() == "not_believed"


@pytest.mark.parametrize(
    "twist",
    [
        {"iss": "https://evil.example.com/"},
        {"iss": None},
        {"aud": "another-program"},
        {"aud": ["another-program"]},
        {"aud": [CLIENT_ID, "another-program"]},
        {"aud": None},
        {"azp": "another-program"},
        pytest.param({"exp": int(time.time()) - HOUR}, id="expired an hour ago"),
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1e999},
        pytest.param({"iat": int(time.time()) + HOUR}, id="made in an hour"),
        pytest.param({"nbf": int(time.time()) + HOUR}, id="good in an hour"),
        {"iat": None},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"nonce": ["a", "b"]},
        {"nonce": "\ud800"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\0b"},
        {"sub": "a" * 192},
    ],
    ids=str,
)
def test_a_token_for_another_purpose_lets_nobody_in(
    twist: Claims, provider: Provider, olga: User, browser: Browser
) -> None:
    provider.twist = twist

    sees_no_entry(browser, walk(browser))
    assert refusal() == "not_believed"


def test_a_token_for_several_programs_of_which_it_names_us_is_good(
    provider: Provider, olga: User, browser: Browser
) -> None:
    provider.twist = {"aud": [CLIENT_ID, "https://api.example.com"], "azp": CLIENT_ID}

    walk(browser)

    assert is_in(browser)


def test_clocks_may_differ_by_a_little(provider: Provider, olga: User, browser: Browser) -> None:
    now = int(time.time())
    provider.twist = {"exp": now - 20, "iat": now + 20}

    walk(browser)

    assert is_in(browser)


def test_a_good_token_of_another_sign_in_is_not_good_here(
    provider: Provider, olga: User, browser: Browser
) -> None:
    kept: list[str] = []

    def sign(claims: Claims) -> str:
        kept.append(signed(claims))
        return kept[0]

    provider.sign = sign
    walk(Browser())

    answer = walk(browser)

    assert answer.status_code == 403
    assert not is_in(browser)
    assert refusal() == "not_believed"


@pytest.mark.parametrize(
    "change", [{"state": "another"}, {"state": ""}, {"code": ""}, {"iss": "https://evil.example"}]
)
def test_an_answer_that_was_tampered_with_lets_nobody_in(
    change: dict[str, str], provider: Provider, olga: User, browser: Browser
) -> None:
    there = requests.get(go(browser), allow_redirects=False, timeout=5).headers["Location"]
    said = {name: values[0] for name, values in parse_qs(urlsplit(there).query).items()}

    answer = browser.get("/sign-in/callback", {name: value for name, value in {**said, **change}.items() if value})

    sees_no_entry(browser, answer, 403 if change.keys() & {"code", "iss"} else 400)


def test_an_answer_in_another_browser_lets_nobody_in(provider: Provider, olga: User, browser: Browser) -> None:
    address = go(Browser())

    answer = come_back(browser, address)

    assert answer.status_code == 400
    assert "begun elsewhere" in answer.content.decode()
    assert not is_in(browser)


def test_an_answer_is_good_once(provider: Provider, olga: User, browser: Browser) -> None:
    there = requests.get(go(browser), allow_redirects=False, timeout=5).headers["Location"]
    browser.get(there.removeprefix(PUBLIC_URL))
    browser.post("/sign-out/")

    answer = browser.get(there.removeprefix(PUBLIC_URL))

    assert answer.status_code == 400
    assert not is_in(browser)


def test_a_code_is_good_once(provider: Provider, olga: User) -> None:
    first, second = Browser(), Browser()
    there = requests.get(go(first), allow_redirects=False, timeout=5).headers["Location"]
    code = parse_qs(urlsplit(there).query)["code"][0]
    first.get(there.removeprefix(PUBLIC_URL))
    state = parse_qs(urlsplit(go(second)).query)["state"][0]

    answer = second.get(f"/sign-in/callback?{urlencode({'code': code, 'state': state})}")

    assert answer.status_code == 403
    assert not is_in(second)


def test_a_stolen_code_is_worthless_in_another_browser(provider: Provider, olga: User) -> None:
    victim, thief = Browser(), Browser()
    there = requests.get(go(victim), allow_redirects=False, timeout=5).headers["Location"]
    code = parse_qs(urlsplit(there).query)["code"][0]
    state = parse_qs(urlsplit(go(thief)).query)["state"][0]

    answer = thief.get(f"/sign-in/callback?{urlencode({'code': code, 'state': state})}")

    assert answer.status_code == 403
    assert not is_in(thief)


@pytest.mark.parametrize("error", ["access_denied", "server_error", "<script>alert(1)</script>"])
def test_a_refusal_of_the_provider_is_a_page(error: str, provider: Provider, olga: User, browser: Browser) -> None:
    provider.denies = error

    answer = walk(browser)

    sees_no_entry(browser, answer)
    assert "did not let you in" in answer.content.decode()
    assert error not in answer.content.decode()


def test_nobody_is_thrown_out_by_a_link_to_the_callback(provider: Provider, olga: User, browser: Browser) -> None:
    walk(browser)

    for query in ("", "?error=access_denied", "?code=a&state=b"):
        assert browser.get(f"/sign-in/callback{query}").status_code == 400
    assert is_in(browser)


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"])
def test_the_way_leads_only_to_own_pages(back: str, provider: Provider, olga: User, browser: Browser) -> None:
    answer = walk(browser, next=back)

    assert answer["Location"] == "/"
    assert 'name="next" value="/"' in Browser().get("/sign-in/", {"next": back}).content.decode()


def test_neither_tokens_nor_codes_nor_secrets_are_told(
    provider: Provider, olga: User, browser: Browser, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    tokens: list[str] = []

    def sign(claims: Claims) -> str:
        tokens.append(by_another_key(claims))
        return tokens[0]

    provider.sign = sign
    address = go(browser)
    state = parse_qs(urlsplit(address).query)["state"][0]

    page = come_back(browser, address).content.decode()

    told = page + caplog.text + json.dumps(list(JournalEntry.objects.values("actor", "details")))
    secrets = [
        tokens[0],
        tokens[0].split(".")[1],
        state,
        CLIENT_SECRET,
        provider.asked[0]["nonce"],
        "provider|olga",
    ]
    assert [secret for secret in secrets if secret in told] == []
    assert "not believed" in caplog.text
