import pytest
from django.test import Client as Browser

from tests.accounts.test_paths import ELSEWHERE

pytestmark = pytest.mark.once


@pytest.mark.parametrize("address", ["/theme/", "/language/"])
@pytest.mark.parametrize("back", ELSEWHERE)
def test_a_choice_leads_only_to_own_pages(address: str, back: str, stranger: Browser) -> None:
    answer = stranger.post(address, {"theme": "dark", "language": "ru", "next": back})

    assert (answer.status_code, answer["Location"]) == (302, "/")


@pytest.mark.parametrize(
    ("address", "cookie", "value"), [("/theme/", "theme", "dark"), ("/language/", "language", "ru")]
)
def test_a_choice_is_remembered_and_leads_back(address: str, cookie: str, value: str, stranger: Browser) -> None:
    answer = stranger.post(address, {"theme": "dark", "language": "ru", "next": "/clients/?tag=vip"})

    assert answer["Location"] == "/clients/?tag=vip"
    assert answer.cookies[cookie].value == value
    assert answer.cookies[cookie]["httponly"]


@pytest.mark.parametrize(("address", "cookie"), [("/theme/", "theme"), ("/language/", "language")])
@pytest.mark.parametrize("value", ["<script>", "", "de", "ru-RU-x"])
def test_a_choice_that_is_none_is_not_remembered(address: str, cookie: str, value: str, stranger: Browser) -> None:
    answer = stranger.post(address, {"theme": value, "language": value, "next": "/sign-in/"})

    assert answer["Location"] == "/sign-in/"
    assert cookie not in answer.cookies


@pytest.mark.parametrize("address", ["/theme/", "/language/"])
def test_looking_at_a_choice_is_answered_405(address: str, stranger: Browser) -> None:
    assert stranger.get(address).status_code == 405


@pytest.mark.parametrize("back", ELSEWHERE)
def test_signing_in_leads_only_to_own_pages(back: str, operator: Browser) -> None:
    person = {"login": "operator@example.com", "password": "a-password"}

    answer = Browser().post("/sign-in/", {**person, "next": back})

    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_signing_in_leads_where_one_wanted_to_go(operator: Browser) -> None:
    person = {"login": "operator@example.com", "password": "a-password"}

    answer = Browser().post("/sign-in/", {**person, "next": "/clients/?tag=vip"})

    assert (answer.status_code, answer["Location"]) == (302, "/clients/?tag=vip")
