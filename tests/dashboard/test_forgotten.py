"""Pages of a mailing whose attempts or messages are not kept any more."""

import pytest
from django.test import Client as Browser
from django.urls import reverse
from pytest_django.fixtures import Settings

from mailings.models import Mailing
from tests.makers import forget, make_finished_mailing

pytestmark = pytest.mark.django_db


def read(browser: Browser, name: str, pk: int, query: str = "") -> str:
    return browser.get(reverse(name, args=[pk]) + query).content.decode()


@pytest.fixture
def forgotten(settings: Settings) -> Mailing:
    settings.KEEP_MESSAGES_DAYS = 10
    mailing = make_finished_mailing(days=11)
    forget()
    return mailing


def test_the_page_of_a_mailing_keeps_its_numbers_and_says_what_is_forgotten(
    operator: Browser, forgotten: Mailing
) -> None:
    page = read(operator, "mailing", forgotten.pk)

    assert "of 12 recipients done" in page
    assert "its messages, on" in page
    assert "not_sent" not in page


def test_its_recipients_are_those_in_doubt_and_the_page_says_why(operator: Browser, forgotten: Mailing) -> None:
    whole = read(operator, "mailing_recipients", forgotten.pk)
    sent = read(operator, "mailing_recipients", forgotten.pk, "?state=sent")

    assert "but for those that wait for a decision" in whole
    assert [pk for pk in forgotten.messages.values_list("pk", flat=True) if f'href="/messages/{pk}' in whole] != []
    assert whole.count("<tr") == 2
    assert "Nothing left to list" in sent


def test_its_log_says_that_attempts_are_missing(operator: Browser, forgotten: Mailing) -> None:
    page = read(operator, "mailing_log", forgotten.pk)

    assert "The attempts of this mailing were forgotten on" in page
    assert "forgot what was old" in page


def test_its_message_in_doubt_can_be_decided_about_in_the_console(operator: Browser, forgotten: Mailing) -> None:
    page = operator.post(
        reverse("mailing_unknown", args=[forgotten.pk]), {"decision": "failed"}, follow=True
    ).content.decode()
    forget()

    assert "may have been sent" not in page
    assert forgotten.messages.count() == 0


def test_a_message_says_that_its_attempts_are_forgotten(operator: Browser, settings: Settings) -> None:
    settings.KEEP_ATTEMPTS_DAYS = 10
    message = make_finished_mailing(days=11).messages.filter(state="sent").first()
    forget()

    page = read(operator, "message", message.pk if message else 0)

    assert "Attempts: 1" in page
    assert "forgotten on" in page


def test_a_message_in_doubt_still_tells_its_attempts(operator: Browser, forgotten: Mailing) -> None:
    message = forgotten.messages.get()

    page = read(operator, "message", message.pk)

    assert "Attempt 1: no clear answer" in page
    assert "forgotten on" not in page
