"""Who may do what: for every address, asked with every method as everybody."""

from collections.abc import Callable
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.roles import Role
from tests.access import cast, routes
from tests.access.cast import FRAGMENT, Asker
from tests.access.routes import METHODS, Line

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parent.parent.parent

PEOPLE: dict[str, Callable[[], Asker]] = {
    "stranger": cast.stranger,
    **{role.value: partial(cast.person, role) for role in Role},
}
PROGRAMS: dict[str, Callable[[], Asker]] = {
    "stranger": cast.stranger,
    **{f"{role.value}'s key": partial(cast.program, role) for role in Role},
    **{f"{role.value}'s session": partial(cast.person, role) for role in Role},
    **{f"{role.value}'s session without token": partial(cast.person, role, has_token=False) for role in Role},
}


@pytest.fixture
def things(db: None) -> dict[str, Any]:
    return cast.prepare()


def methods_of(lines: list[Line]) -> dict[str, dict[str, Line]]:
    """By address, then by method."""
    found: dict[str, dict[str, Line]] = {}
    for line in lines:
        found.setdefault(line.address, {})[line.method] = line
    return found


# -- the table -----------------------------------------------------------------------------------------


def test_the_table_for_people_is_of_today() -> None:
    assert (ROOT / "docs" / "routes.md").read_text() == routes.table()


def test_every_address_and_method_has_one_line() -> None:
    asked = [str(line) for line in routes.lines()]

    assert len(asked) == len(set(asked))


# -- asking --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", PEOPLE)
def test_each_page_lets_in_whom_the_table_says(who: str, things: dict[str, Any]) -> None:
    """And looking changes nothing, and no page with data is stored."""
    asker = PEOPLE[who]()
    before = cast.everything()

    wrong = [found for line in routes.pages() if (found := mistake(asker, line, things))]

    assert wrong == []
    assert cast.everything() == before


@pytest.mark.parametrize("who", PROGRAMS)
def test_each_call_lets_in_whom_the_table_says(who: str, things: dict[str, Any]) -> None:
    asker = PROGRAMS[who]()
    before = cast.everything()

    wrong = [found for line in routes.calls() if (found := mistake(asker, line, things))]

    assert wrong == []
    assert cast.everything() == before


def mistake(asker: Asker, line: Line, things: dict[str, Any]) -> str | None:
    """What is wrong with the answers to this line, asked for as a page and as a fragment.

    Only what may change something is undone: looking must leave everything as it was.
    """
    address = cast.address(line, things)
    lets_in = line.lets_in(asker.role) and (line.reads or asker.has_token)
    for headers in ({},) if line.is_for_programs else ({}, FRAGMENT):
        with cast.undone() if lets_in and not line.reads else nullcontext():
            answer = asker.ask(line.method, address, headers=headers)
        good = is_an_answer(answer, line) if lets_in else is_a_refusal(answer, asker, line, headers)
        if not good:
            return f"{asker.name} {line} {headers or ''}: {answer.status_code} {answer.content[:200]!r}"
    return None


def is_an_answer(answer: Any, line: Line) -> bool:
    """Neither a refusal nor our fault; what shows something of ours is stored nowhere."""
    to_sign_in = answer.headers.get("Location", "").startswith(reverse("account_login") + "?")
    is_stored = line.needs is not None and "no-store" not in answer.headers.get("Cache-Control", "")
    refuses = answer.status_code >= 500 or answer.status_code in (401, 403, 404, 405)
    return not (refuses or to_sign_in or is_stored)


def is_a_refusal(answer: Any, asker: Asker, line: Line, headers: dict[str, str]) -> bool:
    status, sign_in = answer.status_code, reverse("account_login")
    if asker.role is not None:
        return bool(status == 403 and (not line.is_for_programs or says_why(answer, asker, line)))
    if line.is_for_programs:
        return bool(status == 401 and answer.json() == {"detail": "Unauthorized"} and "WWW-Authenticate" in answer)
    if headers:
        return bool(answer.content == b"" and answer["HX-Redirect"] == sign_in)
    return bool(status == 302 and answer["Location"].startswith(sign_in))


def says_why(answer: Any, asker: Asker, line: Line) -> bool:
    """The role that would do, or that the token is missing."""
    if not asker.has_token and not line.reads:
        return bool(answer.json() == {"detail": "The CSRF token is missing or wrong"})
    return any(answer.json() == {"detail": f"This needs the role {role.value}"} for role in Role)


@pytest.mark.parametrize("who", ["stranger", "administrator"])
def test_any_other_method_is_refused_with_those_that_are_known(who: str, things: dict[str, Any]) -> None:
    asker, before, wrong = PEOPLE[who](), cast.everything(), []

    for known in methods_of(routes.lines()).values():
        address = cast.address(next(iter(known.values())), things)
        for method in set(METHODS) - set(known):
            answer = asker.ask(method, address)
            allowed = {name.strip() for name in answer.headers.get("Allow", "").split(",")}
            if answer.status_code != 405 or allowed != set(known):
                wrong.append(f"{method} {address}: {answer.status_code} {allowed}")

    assert wrong == []
    assert cast.everything() == before


def test_nothing_is_changed_from_a_page_without_its_token(things: dict[str, Any]) -> None:
    asker, before = cast.person(Role.ADMINISTRATOR, has_token=False), cast.everything()

    answers = {
        str(line): asker.ask(line.method, cast.address(line, things)).status_code
        for line in routes.pages()
        if not line.reads
    }

    assert answers
    assert {line: status for line, status in answers.items() if status != 403} == {}
    assert cast.everything() == before


@pytest.mark.django_db
def test_static_files_are_for_everybody(settings: Settings) -> None:
    settings.MIDDLEWARE = ["whitenoise.middleware.WhiteNoiseMiddleware", *configured.MIDDLEWARE]
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True

    asked = {}
    for method in METHODS:
        with closing(cast.stranger().ask(method, "/static/css/base.css")) as answer:
            asked[method] = answer.status_code

    assert asked == {method: 200 if method in routes.SHOWING else 405 for method in METHODS}
