"""How long a sign-in lasts. The person's browser is an operator's, made by Django's test client."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.roles import Role
from mailings import tasks

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user("olga@example.com", "a-password", role=Role.OPERATOR)


@pytest.fixture
def browser(person: User) -> Browser:
    browser = Browser()
    browser.post("/sign-in/", {"login": person.email, "password": "a-password"})
    return browser


def let_pass(browser: Browser, **time: int) -> None:
    """As if what the session knows had happened that much earlier."""
    session = browser.session
    for name in ("signed_in_at", "seen_at"):
        session[name] -= int(timedelta(**time).total_seconds())
    session.save()


def is_in(browser: Browser) -> bool:
    return browser.get("/gateway/").status_code == 200


def test_signing_in_makes_a_new_session(person: User) -> None:
    browser = Browser()
    browser.session.save()  # as a stranger with a session of his own choosing would have
    before = browser.session.session_key

    browser.post("/sign-in/", {"login": person.email, "password": "a-password"})

    assert browser.session.session_key != before
    assert is_in(browser)


def test_a_session_is_dead_after_signing_out(browser: Browser) -> None:
    cookie = browser.cookies["sessionid"].value

    browser.post("/sign-out/")

    thief = Browser()
    thief.cookies["sessionid"] = cookie
    assert not is_in(thief)
    assert not Session.objects.filter(session_key=cookie).exists()


def test_eight_hours_without_a_request_end_it(browser: Browser) -> None:
    let_pass(browser, hours=7, minutes=59)
    assert is_in(browser)

    let_pass(browser, hours=8)
    assert not is_in(browser)


def test_it_goes_on_while_it_is_used_but_not_for_more_than_a_day(browser: Browser) -> None:
    key = browser.session.session_key
    for _ in range(3):
        let_pass(browser, hours=7, minutes=50)
        assert is_in(browser)

    let_pass(browser, minutes=30)
    assert not is_in(browser)
    assert not Session.objects.filter(session_key=key).exists()


def test_the_database_forgets_it_after_eight_hours_too(browser: Browser) -> None:
    let_pass(browser, minutes=2)

    is_in(browser)

    expires = Session.objects.get(session_key=browser.session.session_key).expire_date
    assert abs(expires - timezone.now() - timedelta(hours=8)) < timedelta(minutes=1)


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(browser: Browser) -> None:
    for _ in range(3):
        let_pass(browser, hours=3)
        answer = browser.get("/gateway/", headers={"X-Poll": "1"})

    assert answer.status_code == 302


def test_a_provider_makes_an_end_of_sessions_by_password(browser: Browser, settings: Settings) -> None:
    assert is_in(browser)

    settings.OIDC = True

    assert not is_in(browser)


def test_a_session_that_does_not_know_when_it_began_is_over(browser: Browser) -> None:
    session = browser.session
    del session["signed_in_at"]
    session.save()

    assert not is_in(browser)


def test_a_removed_person_is_a_stranger_at_once(browser: Browser, person: User) -> None:
    assert is_in(browser)

    User.objects.filter(pk=person.pk).update(is_active=False)

    assert not is_in(browser)


def test_a_changed_role_holds_at_the_next_request(browser: Browser, person: User) -> None:
    assert browser.get("/clients/new").status_code == 200

    User.objects.filter(pk=person.pk).update(role=Role.VIEWER)

    assert browser.get("/clients/new").status_code == 403


def test_ones_sessions_are_known_with_when_they_were_last_used(browser: Browser, person: User) -> None:
    session = UserSession.objects.get(user=person)
    assert (session.session_key, session.ip) == (browser.session.session_key, "127.0.0.1")
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))

    let_pass(browser, minutes=1)
    is_in(browser)

    session.refresh_from_db()
    assert timezone.now() - session.last_seen_at < timedelta(minutes=1)


def test_within_a_minute_using_a_session_writes_nothing(browser: Browser) -> None:
    browser.get("/clients/new")  # says that one has signed in, once
    let_pass(browser, seconds=50)

    with CaptureQueriesContext(connection) as queries:
        browser.get("/clients/new")

    assert {query["sql"].split()[0] for query in queries} <= {"SELECT", "WITH"}


def test_sessions_whose_time_is_over_are_forgotten_by_and_by(browser: Browser, person: User) -> None:
    other = Browser()
    other.post("/sign-in/", {"login": person.email, "password": "a-password"})
    ended = other.session.session_key
    Session.objects.filter(session_key=ended).update(expire_date=timezone.now() - timedelta(minutes=1))
    UserSession.objects.filter(session_key=ended).update(last_seen_at=timezone.now() - timedelta(hours=9))

    tasks.chores()

    assert set(Session.objects.values_list("session_key", flat=True)) == {browser.session.session_key}
    assert UserSession.objects.get().session_key == browser.session.session_key
    assert is_in(browser)
