"""The daily report over the API."""

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from accounts import people
from accounts.journal import SERVICE, Actor
from accounts.models import JournalEntry
from accounts.roles import Role
from config.mail import Security, Server
from mailings import clock, letters
from mailings.models import Letter
from tests.api.programs import Program
from tests.makers import make_letter

pytestmark = pytest.mark.once


@pytest.fixture
def with_server(settings: Settings) -> None:
    settings.MAIL_SERVER = Server("127.0.0.1", 25, Security.NONE)


def test_days_that_were_written_are_listed_with_their_letters(viewer: Program) -> None:
    made = make_letter()
    make_letter("boris@example.com", state="unknown")

    [shown] = viewer.get("/reports").json()["items"]

    assert (shown["day"], shown["timezone"]) == (made.report.day.isoformat(), "Europe/Moscow")
    assert shown["letters"] == {"sent": 1, "unknown": 1}
    assert "anna@example.com" not in str(shown)


def test_a_day_is_read_in_numbers_whether_it_was_written_or_not(viewer: Program) -> None:
    day = letters.last_day(clock.now())

    unwritten = viewer.get(f"/reports/{day}").json()
    make_letter()
    written = viewer.get(f"/reports/{day}").json()

    assert {**written, "made_at": ""} == {**unwritten, "made_at": ""}
    assert written["ends"] == {"sent": 0, "failed": 0, "unknown": 0, "expired": 0, "cancelled": 0}
    assert len(written["by_hour"]) == 24


def test_a_day_without_a_report_is_not_found_and_nonsense_is_no_day(viewer: Program) -> None:
    today = letters.last_day(clock.now()) + timedelta(days=1)

    assert viewer.get(f"/reports/{today}").json() == {"detail": "Report not found"}
    assert viewer.get("/reports/2000-01-01").status_code == 404
    for nonsense in ("yesterday", "2026-02-30", "20260101", "1767225600", "٢٠٢٦-٠١-٠١"):
        assert viewer.get(f"/reports/{nonsense}").status_code == 422


@pytest.mark.usefixtures("with_server")
def test_an_administrator_has_it_sent_to_a_person_of_the_console(administrator: Program) -> None:
    anna = people.invite(SERVICE, "anna@example.com", Role.VIEWER)
    letters.choose(Actor(user=anna), "ru")
    path = f"/reports/{letters.last_day(clock.now())}/send"

    answer = administrator.post(path, {"to": "Anna@example.com"})

    assert answer.status_code == 201
    assert {**answer.json(), "id": 0, "day": ""} == {
        "id": 0,
        "day": "",
        "to": "anna@example.com",
        "language": "ru",
        "state": "queued",
    }
    assert Letter.objects.get().user == anna
    assert JournalEntry.objects.get(verb="send").actor == "key a administrator's program"
    assert administrator.post(path, {"to": "eve@example.com"}).json() == {"detail": "Person not found"}
    assert administrator.post(path, {"to": anna.email, "language": "xx"}).status_code == 422
    assert administrator.post("/reports/2999-01-01/send", {"to": anna.email}).status_code == 404


def test_without_a_mail_server_sending_is_refused(administrator: Program) -> None:
    anna = people.invite(SERVICE, "anna@example.com", Role.VIEWER)

    answer = administrator.post(f"/reports/{letters.last_day(clock.now())}/send", {"to": anna.email})

    assert answer.status_code == 409
    assert "EMAIL_URL" in answer.json()["detail"]
