"""The settings: people, keys, the journal, one's own sessions, and what the installation is made of."""

import csv
import io
import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import keys, people
from accounts.journal import SERVICE, Actor, record
from accounts.models import ApiKey, JournalEntry, User
from accounts.roles import Role
from config import VERSION
from dashboard import devices, downloads
from mailings.models import Mailing
from tests.dashboard.conftest import browser_of
from tests.makers import make_client

pytestmark = [pytest.mark.django_db, pytest.mark.once]
PASSWORD = "a-password"


@pytest.fixture
def administrator(db: None) -> Browser:
    return browser_of(Role.ADMINISTRATOR)


def read(browser: Browser, page: str, *args: int, **query: str) -> str:
    answer = browser.get(reverse(page, args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def press(browser: Browser, deed: str, *args: int, **typed: object) -> str:
    return browser.post(reverse(deed, args=args), typed, follow=True).content.decode()


def invited(role: Role = Role.OPERATOR, email: str = "anna@example.com") -> User:
    return people.invite(SERVICE, email, role)


def signed_in(email: str, user_agent: str) -> Browser:
    """By the sign-in page, as from a browser of its own."""
    browser = Browser(headers={"user-agent": user_agent})
    browser.post("/sign-in/", {"login": email, "password": PASSWORD})
    assert browser.get("/").status_code == 200
    return browser


# -- people --------------------------------------------------------------------------------------------


def test_the_settings_begin_with_what_one_may_see(administrator: Browser, viewer: Browser) -> None:
    assert administrator.get("/settings/")["Location"] == "/settings/people/"
    assert viewer.get("/settings/")["Location"] == "/settings/sessions/"


def test_a_person_is_invited_changed_removed_and_let_back(administrator: Browser) -> None:
    page = press(administrator, "person_new", email=" Anna@Example.com ", name="Anna", role="viewer")
    anna = User.objects.get(email="anna@example.com")
    assert "Invited" in page

    press(administrator, "person", anna.pk, name="Anna B.", role="operator")
    anna.refresh_from_db()
    assert (anna.name, anna.role) == ("Anna B.", "operator")

    assert "anna@example.com may not sign in any more" in read(administrator, "person_review_remove", anna.pk)
    assert "Removed" in press(administrator, "person_remove", anna.pk)
    assert "Let back" in press(administrator, "person_let_back", anna.pk)
    verbs = JournalEntry.objects.filter(subject_type="user", subject_id=anna.pk).order_by("id")
    assert [entry.verb for entry in verbs] == ["invite", "change", "remove", "let_back"]
    assert {str(entry.user) for entry in verbs} == {"administrator@example.com"}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"email": "nonsense", "role": "viewer"}, "An e-mail is written as"),
        ({"email": "", "role": "viewer"}, "This field is required"),
        ({"email": "new@example.com", "role": "emperor"}, "Select a valid choice"),
        ({"email": "ADMINISTRATOR@example.com", "role": "viewer"}, "This person is here already"),
    ],
)
def test_a_bad_invitation_says_why(administrator: Browser, typed: dict[str, str], said: str) -> None:
    User.objects.update(invited_at=timezone.now())

    answer = administrator.post(reverse("person_new"), typed)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert User.objects.count() == 1


def test_the_last_administrator_is_told_that_he_stays(administrator: Browser) -> None:
    own = User.objects.get()

    assert "Remove yourself?" in read(administrator, "person_review_remove", own.pk)
    assert "This is the last administrator" in press(administrator, "person_remove", own.pk)
    answer = administrator.post(reverse("person", args=[own.pk]), {"role": "viewer", "name": ""})
    assert answer.status_code == 422
    assert User.objects.get().role == Role.ADMINISTRATOR


def test_who_is_removed_is_out_with_his_next_request_and_stays_out_when_let_back(administrator: Browser) -> None:
    anna = User.objects.create_user("anna@example.com", PASSWORD, role=Role.ADMINISTRATOR)
    browser = signed_in("anna@example.com", "Firefox/1 Linux")
    _, text = keys.create(Actor(user=anna), "hers", Role.VIEWER)
    program = Browser(headers={"Authorization": f"Bearer {text}"})
    assert program.get("/api/v1/clients").status_code == 200

    press(administrator, "person_remove", anna.pk)

    assert browser.get("/")["Location"].startswith("/sign-in/")
    assert program.get("/api/v1/clients").status_code == 401
    press(administrator, "person_let_back", anna.pk)
    assert browser.get("/")["Location"].startswith("/sign-in/")
    assert program.get("/api/v1/clients").status_code == 401


# -- keys ----------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_revoked(administrator: Browser) -> None:
    assert "No program has a key yet" in read(administrator, "keys")

    answer = administrator.post(reverse("key_new"), {"name": "billing", "role": "operator", "expires_at": ""})
    [text] = re.findall(r"vk_[0-9a-f]{10}_[\w-]{20,}", answer.content.decode())
    key = keys.find(text)

    assert key is not None
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert text.split("_", 2)[2] not in read(administrator, "keys") + read(administrator, "journal")
    assert "billing" in read(administrator, "key_review_revoke", key.pk)
    assert "Revoked" in press(administrator, "key_revoke", key.pk)
    assert keys.find(text) is None


def test_a_key_says_what_has_become_of_it(administrator: Browser) -> None:
    old, _ = keys.create(SERVICE, "old", Role.VIEWER)
    ApiKey.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(days=1))
    keys.revoke(SERVICE, keys.create(SERVICE, "gone", Role.VIEWER)[0].pk)
    keys.create(SERVICE, "good", Role.VIEWER)

    page = read(administrator, "keys")

    assert re.findall(r"</svg>(Valid|Revoked|Expired)</span>", page) == [
        "Valid",
        "Revoked",
        "Expired",
    ]
    assert "by a command" in page


def test_a_key_that_would_be_over_before_it_begins_is_not_made(administrator: Browser) -> None:
    typed = {"name": "late", "role": "viewer", "expires_at": "2020-01-01T00:00"}

    answer = administrator.post(reverse("key_new"), typed)

    assert answer.status_code == 422
    assert "This moment has passed" in answer.content.decode()


# -- journal -------------------------------------------------------------------------------------------


def test_the_journal_tells_what_was_before_and_after_and_leads_there(administrator: Browser) -> None:
    client = make_client(tag="old")
    record(
        Actor(user=User.objects.get(), address="192.0.2.7", request_id="r-1"),
        "change",
        client,
        before={"tag": "old"},
        after={"tag": "<b>new</b>"},
    )

    page = read(administrator, "journal", verb="change")

    assert "old → &lt;b&gt;new&lt;/b&gt;" in page
    assert f'href="/clients/{client.pk}"' in page
    for told in ("administrator@example.com", "192.0.2.7", "r-1"):
        assert told in page


def test_the_journal_speaks_the_readers_language_and_shows_his_times(administrator: Browser) -> None:
    told = {"ends_at": "2026-03-01T09:30:00+00:00", "on_unknown": "hold"}
    record(SERVICE, "pause", Mailing(id=5), before={"state": "running"}, after={"state": "paused"}, **told)

    administrator.post("/language/", {"language": "ru"})
    page = read(administrator, "journal", verb="pause")

    assert "состояние:</span> Идёт → Приостановлена" in page
    assert "1 марта 2026 12:30:00" in page
    assert "hold" not in page.partition("<table")[2]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({}, 3),
        ({"who": "vestnik"}, 2),
        ({"who": "anna@example.com"}, 1),
        ({"verb": "launch"}, 1),
        ({"what": "mailing"}, 2),
        ({"what": "mailing", "number": "5"}, 1),
        ({"since": "2020-01-01", "until": "2099-01-01"}, 3),
        ({"until": "2020-01-01"}, 0),
        ({"since": "2099-01-01"}, 0),
        ({"since": "0001-01-01", "until": "9999-12-31"}, 3),
        ({"number": "nonsense", "since": "nonsense", "verb": "nonsense"}, 3),
    ],
    ids=str,
)
def test_the_journal_is_narrowed_by_the_address(
    administrator: Browser, query: dict[str, str], number: int
) -> None:
    anna = invited()
    record(SERVICE, "start", Mailing(pk=4))
    record(Actor(user=anna), "launch", Mailing(pk=5))

    assert read(administrator, "journal", **query).count("<tr>") == (number + 1 if number else 0)


def test_the_journal_is_taken_along_as_a_file_that_no_spreadsheet_runs(administrator: Browser) -> None:
    for number in range(3):
        record(SERVICE, "finish", Mailing(pk=number + 1))
    record(Actor(user=invited(email="-evil@example.com")), "launch", Mailing(pk=9), after={"name": "=1+1"})

    answer = administrator.post(reverse("journal_export", query={"what": "mailing"}))

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert answer["Content-Disposition"].startswith('attachment; filename="journal-')
    assert answer["Cache-Control"] == "no-store"
    assert [row["verb"] for row in rows] == ["launch", "finish", "finish", "finish"]
    assert rows[0]["actor"] == "'-evil@example.com"
    assert (JournalEntry.objects.latest("id").verb, JournalEntry.objects.latest("id").details["filters"]) == (
        "export",
        {"what": "mailing"},
    )


@pytest.mark.parametrize("text", ["=1+1", "+7", "-1", "@x", "\tx", "\rx"])
def test_a_cell_that_begins_like_a_formula_is_a_text(text: str) -> None:
    assert downloads.neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["a;=1+1;b", 'a;"=1+1', "a\t@x", "a\n-1", "a; =1"])
def test_nothing_begins_a_formula_where_another_mark_ends_a_cell(text: str) -> None:
    line = "".join(downloads._lines(["a"], [[text, text]]))

    for mark in ",;\t":
        cells = [cell for row in csv.reader(io.StringIO(line), delimiter=mark) for cell in row]
        assert not [cell for cell in cells if cell.strip().startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize("name", ["who", "verb", "number", "since"])
def test_a_filter_that_is_none_is_none_of_the_file_either(administrator: Browser, name: str) -> None:
    assert administrator.post(reverse("journal_export", query={name: "\0"})).status_code == 200
    assert JournalEntry.objects.latest("id").details["filters"] == {}


def test_an_ordinary_cell_stays_as_it_is() -> None:
    assert [downloads.neutral(value) for value in ("a=1", "", None, 5)] == ["a=1", "", "", "5"]


# -- sessions ------------------------------------------------------------------------------------------


def test_one_sees_and_ends_ones_own_sessions(db: None) -> None:
    for email in ("anna@example.com", "boris@example.com"):
        User.objects.create_user(email, PASSWORD)
    here = signed_in("anna@example.com", "Mozilla/5.0 (X11; Linux x86_64) Gecko Firefox/140.0")
    there = signed_in("anna@example.com", "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36")
    other = signed_in("boris@example.com", "Mozilla/5.0 (iPhone) Version/18 Safari/604")
    ids = {row.user_agent.split("(")[1][:3]: row.pk for row in UserSession.objects.all()}

    page = read(here, "sessions")
    assert "Firefox on Linux" in page
    assert "Chrome on Windows" in page
    assert "iPhone" not in page
    assert page.count("this one") == 1

    assert "had ended already" in press(here, "session_end", session=ids["iPh"])
    assert other.get("/").status_code == 200
    for nonsense in ("", "x", "9" * 18, "9" * 30, "\u0663", "-1"):
        assert "had ended already" in press(here, "session_end", session=nonsense)
    assert "signed out" in press(here, "session_end", session=ids["Win"])
    assert there.get("/").status_code == 302
    assert here.get("/").status_code == 200
    entry = JournalEntry.objects.get(verb="end_session")
    assert (entry.actor, entry.details["ended"][0]["address"]) == ("anna@example.com", "127.0.0.1")


def test_one_ends_all_sessions_but_this(db: None) -> None:
    User.objects.create_user("anna@example.com", PASSWORD)
    others = [signed_in("anna@example.com", "Firefox/1 Linux") for _ in range(2)]
    here = signed_in("anna@example.com", "Firefox/1 Linux")

    page = press(here, "sessions_end_others")

    assert "2 other sessions ended" in page
    assert [browser.get("/").status_code for browser in (here, *others)] == [200, 302, 302]


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537 Chrome/140 Mobile Safari/537", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/18 Safari/605", "Safari on macOS"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 YaBrowser/25.1 Safari/537.36", "Yandex Browser on Windows"),
        ("curl/8.1", "curl/8.1"),
        ("x" * 200, "x" * 60),
        ("", "Unknown device"),
    ],
)
def test_a_device_has_a_name(user_agent: str, name: str) -> None:
    assert devices.name(user_agent) == name


# -- the rest ------------------------------------------------------------------------------------------


def test_the_installation_says_what_it_is_made_of(administrator: Browser) -> None:
    page = read(administrator, "about")

    for told in (VERSION, "Django", "Python", "SQLite" if connection.vendor == "sqlite" else "PostgreSQL"):
        assert told in page
    assert re.search(r"\b20[0-9]{2}[a-z]\b|\b20[0-9]{2}\.[0-9]", page)


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(settings.BASE_DIR) / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION


@pytest.mark.parametrize("name", ["people", "keys", "journal"])
def test_a_list_takes_as_many_queries_however_long_it_is(administrator: Browser, name: str) -> None:
    makers = [invited(Role.ADMINISTRATOR, f"p{number}@example.com") for number in range(3)]
    keys.create(Actor(user=makers[0]), "first", Role.VIEWER)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            read(administrator, name)
        return len(seen)

    few = queries()
    for number in range(30):
        invited(email=f"q{number}@example.com")
        keys.create(Actor(user=makers[number % 3]), f"key {number}", Role.VIEWER)

    assert queries() == few
    assert few <= 4
