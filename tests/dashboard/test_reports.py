"""The page of the daily report, what people choose, and the letter as it looks."""

import re
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from html.parser import HTMLParser

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils.translation import override
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.roles import Role
from config.mail import Security, Server
from dashboard import letter, story
from mailings import clock, letters, queue, report
from mailings.gateway import Cause
from mailings.models import Letter, LetterState, Subscription
from mailings.policy import Reason, State, Verdict
from mailings.report import Day
from tests.dashboard.conftest import browser_of
from tests.makers import make_jobs, make_letter, make_outcome, make_running_mailing, make_settlements

pytestmark = [pytest.mark.django_db, pytest.mark.once]
HOSTILE = """<script>alert(1)</script>"'&amp; {{ name }} {% now %}"""


@pytest.fixture
def administrator(db: None) -> Browser:
    return browser_of(Role.ADMINISTRATOR)


@pytest.fixture
def with_server(settings: Settings) -> None:
    settings.MAIL_SERVER, settings.EMAIL_FROM = Server("127.0.0.1", 1, Security.NONE), "vestnik@example.com"


def read(browser: Browser, page: str, *args: object) -> str:
    answer = browser.get(reverse(page, args=args))
    assert answer.status_code == 200
    return answer.content.decode()


def press(browser: Browser, deed: str, *args: object, **typed: object) -> str:
    return browser.post(reverse(deed, args=args), typed, follow=True).content.decode()


def yesterday(name: str = "Sale") -> Day:
    """A day with something of everything in it, read as it is kept."""
    day = letters.last_day(clock.now())
    noon = report.begins_at(day, "Europe/Moscow") + timedelta(hours=12)
    mailing = make_running_mailing(clients=9, name=name)
    sent, failed = Verdict(State.SENT, Reason.ACCEPTED), Verdict(State.FAILED, Reason.REFUSED)
    unknown = Verdict(State.UNKNOWN, Reason.NO_ANSWER)
    for number, verdict, cause in ((4, sent, Cause.ACCEPTED), (2, failed, Cause.REFUSED), (1, unknown, Cause.BUG)):
        queue.settle(make_settlements(make_jobs(mailing, number), verdict, make_outcome(cause)), now=noon)
    return letters.read(day, clock.now())


def test_a_day_is_shown_with_all_that_the_letter_says(viewer: Browser) -> None:
    day = yesterday()
    mailing = day.mailings[0]

    for page in (read(viewer, "reports"), read(viewer, "report", day.day)):
        assert "4 sent, 2 failed, 1 to decide" in page
        assert "Refused by the gateway" in page
        assert f"/mailings/{mailing.id}" in page
        assert "Most were sent from 12:00 to 13:00: 4." in page
        assert "No mail server is set" in page
        assert "EMAIL_URL" in page


def test_a_day_that_is_not_over_has_no_page(viewer: Browser) -> None:
    tomorrow = letters.last_day(clock.now()) + timedelta(days=2)

    wrong = (f"{tomorrow}", "2026-02-30", "2999-01-01", f"{tomorrow}/mail")
    for address in wrong:
        assert viewer.get(f"/reports/{address}").status_code == 404


def test_people_choose_whether_and_in_which_language(viewer: Browser) -> None:
    assert "You do not get it by e-mail." in read(viewer, "reports")

    press(viewer, "report_choice", receive="on", language="ru")
    assert Subscription.objects.get().language == "ru"
    assert "You get it every day." in read(viewer, "reports")
    assert 'name="receive" class="form-check-input" id="id_receive" checked' in read(viewer, "report_choice")

    press(viewer, "report_choice", language="ru")
    assert not Subscription.objects.exists()
    assert viewer.post(reverse("report_choice"), {"language": "xx"}).status_code == 422


@pytest.mark.usefixtures("with_server")
def test_everybody_sends_it_to_himself_and_to_nobody_else(viewer: Browser) -> None:
    day = letters.last_day(clock.now())

    page = press(viewer, "report_send", day=day.isoformat(), to="eve@example.com")

    assert "On its way to viewer@example.com" in page
    assert [one.address for one in Letter.objects.all()] == ["viewer@example.com"]
    for wrong in ("", "2999-01-01", "nonsense", "2026-02-30"):
        assert "There is no report of this day" in press(viewer, "report_send", day=wrong)


@pytest.mark.usefixtures("with_server")
def test_whose_address_no_mail_server_takes_is_told_so(viewer: Browser) -> None:
    User.objects.update(email="анна@example.com")

    page = press(viewer, "report_send", day=letters.last_day(clock.now()).isoformat())

    assert "Before the @ of an e-mail only Latin letters" in page
    assert not Letter.objects.exists()


def test_without_a_mail_server_sending_says_what_to_set(viewer: Browser) -> None:
    page = press(viewer, "report_send", day=letters.last_day(clock.now()).isoformat())

    assert "No mail server is set: EMAIL_URL" in page
    assert not Letter.objects.exists()


@pytest.mark.usefixtures("with_server")
def test_an_administrator_sees_every_letter_and_sends_one_again(administrator: Browser) -> None:
    unknown = make_letter(state=LetterState.UNKNOWN, detail="the worker was lost")
    Subscription.objects.create(user=User.objects.get(), language="ru")

    page = read(administrator, "reports")
    assert "the worker was lost" in page
    assert "administrator@example.com · Russian" in page
    again = press(administrator, "letter_again", unknown.pk)

    assert "On its way to anna@example.com" in again
    assert administrator.post(reverse("letter_again", args=[unknown.pk + 999])).status_code == 404
    assert Letter.objects.filter(address="anna@example.com", state="queued").count() == 1


def test_others_see_their_own_letters_only(viewer: Browser) -> None:
    make_letter()
    make_letter("viewer@example.com", user=User.objects.get())

    page = read(viewer, "reports")

    assert "anna@example.com" not in page
    assert page.count("viewer@example.com") >= 1
    assert "Send again" not in page


def test_the_letter_is_taken_along_as_a_file(viewer: Browser) -> None:
    day = yesterday()

    answer = viewer.get(reverse("report_mail", args=[day.day]))

    assert answer["Content-Disposition"] == f"attachment; filename=report-{day.day}.eml"
    taken = message_from_bytes(answer.content, policy=policy.default)
    assert "4 sent, 2 failed, 1 to decide" in taken["Subject"]
    body = taken.get_body(("html",))
    assert body is not None
    assert "Why messages were not sent" in body.get_content()


# -- the letter --------------------------------------------------------------------------------------------


class Outside(HTMLParser):
    """What a letter would load from elsewhere, or run, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag in ("script", "img", "link", "iframe", "object", "form") or "src" in said or "background" in said:
            self.loaded.append(tag)
        self.loaded += [name for name in said if name.startswith("on")]
        if tag == "a":
            self.links.append(said["href"] or "")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_letter_loads_nothing_and_its_links_are_whole(language: str, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://vestnik.example.com"

    drawn = letter.draw(yesterday(), language)

    outside = Outside(drawn.html)
    assert outside.loaded == []
    assert outside.links
    assert {link for link in outside.links if not link.startswith("https://vestnik.example.com/")} == set()
    assert "url(" not in drawn.html
    assert "@import" not in drawn.html
    assert set(re.findall(r"https?://[^\s\"<]+", drawn.text)) == set(outside.links)


def test_a_letter_speaks_its_reader_s_language_whatever_is_spoken_around(settings: Settings) -> None:
    day = yesterday()
    with override("ru"):
        english = letter.draw(day, "en")
    with override("en"):
        russian = letter.draw(day, "ru")

    assert not re.search("[а-яё]", english.html + english.text)
    assert "По состояниям" in russian.html
    assert "отправлено 4, не отправлено 2, ждёт решения: 1" in russian.subject
    assert "By state" not in russian.html + russian.text


def test_hostile_names_are_words_in_a_letter() -> None:
    drawn = letter.draw(yesterday(HOSTILE), "en")

    assert "<script>" not in drawn.html
    assert "&lt;script&gt;" in drawn.html
    assert HOSTILE in drawn.text
    assert Outside(drawn.html).loaded == []
    assert "\n" not in drawn.subject


def test_a_quiet_day_is_a_short_letter() -> None:
    day = letters.read(letters.last_day(clock.now()), clock.now())

    drawn = letter.draw(day, "en")

    assert drawn.subject.endswith("nothing was sent")
    for said in ("No message was sent on this day.", "No mailing was at work.", "Nothing is planned."):
        assert said in drawn.html
        assert said in drawn.text


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [(112, 100, "+12 %"), (88, 100, "−12 %"), (100, 100, "±0 %"), (5_000, 1, "+499,900 %")],
)
def test_a_change_is_told_in_percent(now: int, before: int, said: str) -> None:
    assert story.change(now, before) == said


def test_a_gateway_that_failed_once_was_not_wholly_there() -> None:
    gateway = report.GatewayDay(1_000_000, 999_999, 50, 100, 200, 0)

    facts = story._gateway(gateway, None)

    assert facts[0].number == "99.99 %"


def test_of_many_mailings_the_largest_are_told_and_the_rest_counted() -> None:
    day = yesterday()
    many = replace(day, mailings=day.mailings * (story.MAILINGS_TOLD + 1_234))

    told = story.tell(many)

    assert len(told.mailings) == story.MAILINGS_TOLD
    assert told.more_mailings == "and 1,234 more mailings"
