"""The log of a mailing, and the stories of a message and a client."""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts import keys
from accounts.journal import SERVICE, Actor
from accounts.models import User
from accounts.roles import Role
from clients import operations as directory
from mailings import clock, operations, queue
from mailings.gateway import Cause
from mailings.models import Attempt, Mailing, Message
from mailings.policy import Reason, State, Verdict
from tests.dashboard.conftest import browser_of
from tests.makers import make_jobs, make_outcome, make_running_mailing, make_settlements

pytestmark = [pytest.mark.django_db, pytest.mark.once]
SENT = Verdict(State.SENT, Reason.ACCEPTED)
REFUSED = Verdict(State.FAILED, Reason.REFUSED)


def told(number: int, *, refused: int = 0) -> Mailing:
    """A mailing with so many attempts, the first of them refused, and a pause before the end."""
    mailing = make_running_mailing(number)
    jobs = make_jobs(mailing)
    bad = make_outcome(Cause.REFUSED, http_status=400, detail="bad number 79001234567")
    queue.settle(make_settlements(jobs[:refused], REFUSED, bad), now=clock.now())
    queue.settle(make_settlements(jobs[refused:], SENT), now=clock.now())
    operations.pause(SERVICE, mailing.pk)
    return mailing


def read(browser: Browser, mailing: Mailing, **asked: str | int) -> Any:  # what the page was made of
    return browser.get(reverse("mailing_log", args=[mailing.pk]), asked).context["story"]


def test_the_pages_of_a_log_tell_everything_once_and_the_newest_first(viewer: Browser) -> None:
    mailing = told(120)
    make_running_mailing()

    story = read(viewer, mailing)
    marks = [moment.mark for moment in story.moments]
    while story.older:
        page = viewer.get(reverse("mailing_log", args=[mailing.pk]) + story.older)
        story = page.context["story"]
        marks += [moment.mark for moment in story.moments]

    assert marks == sorted(set(marks), reverse=True)
    assert len(marks) == 120 + 3  # created, started, paused


@pytest.mark.parametrize(
    ("show", "deeds", "attempts"),
    [("", 3, 7), ("deeds", 3, 0), ("attempts", 0, 7), ("refused", 0, 2), ("sent", 0, 5), ("unknown", 0, 0)],
)
def test_a_log_is_narrowed_by_what_happened(show: str, deeds: int, attempts: int, viewer: Browser) -> None:
    mailing = told(7, refused=2)

    moments = read(viewer, mailing, show=show).moments

    assert sum(moment.entry is not None for moment in moments) == deeds
    assert sum(moment.attempt is not None for moment in moments) == attempts


def test_a_log_is_narrowed_by_a_message_of_this_mailing_and_by_a_day(viewer: Browser) -> None:
    mailing, other = told(3), told(0)
    message = Message.objects.filter(mailing=mailing).latest("id")

    assert [moment.attempt.message_id for moment in read(viewer, mailing, message=message.pk).moments] == [
        message.pk
    ]
    assert read(viewer, other, message=message.pk).moments == []
    assert read(viewer, mailing, until="2020-01-01").moments == []
    assert len(read(viewer, mailing, until="2990-01-01").moments) == 6


@pytest.mark.parametrize("mark", ["x", "1.2", "-1.0.0", "999999999999999999.0.1", "1.1." + "9" * 30, "٣.1.1"])
def test_a_mark_that_is_none_shows_the_newest(mark: str, viewer: Browser) -> None:
    mailing = told(1)

    assert len(read(viewer, mailing, before=mark).moments) == 4


@pytest.mark.parametrize("number", [1, 60])
def test_the_queries_of_a_log_do_not_grow(
    number: int, viewer: Browser, django_assert_max_num_queries: Any
) -> None:
    mailing = told(number)

    with django_assert_max_num_queries(12):
        read(viewer, mailing)


def test_a_viewer_reads_an_answer_with_its_phones_masked_and_no_address(
    viewer: Browser, operator: Browser
) -> None:
    address = reverse("mailing_log", args=[told(1, refused=1).pk])

    assert "79001234567" not in viewer.get(address).content.decode()
    assert "79001234567" in operator.get(address).content.decode()


@pytest.mark.parametrize(("role", "is_shown"), [(Role.VIEWER, 0), (Role.OPERATOR, 0), (Role.ADMINISTRATOR, 1)])
def test_only_administrators_read_who_did_it(role: Role, is_shown: bool) -> None:
    boss = Actor(user=User.objects.create(email="boss@example.com", role=Role.OPERATOR))
    program = Actor(api_key=keys.create(boss, name="Their CRM", role=Role.OPERATOR, expires_at=None)[0])
    mailing = make_running_mailing(1)
    message = Message.objects.get()
    assert message.client_id is not None
    operations.pause(boss, mailing.pk)
    operations.resume(program, mailing.pk)
    directory.change(boss, message.client_id, tag="new")
    reader = browser_of(role)

    for address in (f"/mailings/{mailing.pk}/log", f"/messages/{message.pk}", f"/clients/{message.client_id}"):
        page = reader.get(address).content.decode()

        assert ("boss@example.com" in page) == is_shown, address
        assert ("a person" in page) != is_shown, address
        assert "key Their CRM" not in page or is_shown, address


def test_everybody_reads_what_he_did_himself(operator: Browser) -> None:
    mailing = make_running_mailing(1)
    operations.pause(Actor(user=User.objects.get()), mailing.pk)

    assert "a person" not in operator.get(reverse("mailing_log", args=[mailing.pk])).content.decode()


def test_a_message_tells_through_what_it_waited(viewer: Browser) -> None:
    mailing = make_running_mailing(1)
    operations.pause(SERVICE, mailing.pk)
    operations.resume(SERVICE, mailing.pk)
    queue.settle(make_settlements(make_jobs(mailing), SENT), now=clock.now())
    operations.cancel(SERVICE, mailing.pk)
    message = Message.objects.get()

    moments = viewer.get(reverse("message", args=[message.pk])).context["moments"]

    assert [moment.entry.verb if moment.entry else moment.attempt.number for moment in moments] == [
        "pause",
        "resume",
        1,
    ]


def test_a_client_s_page_tells_his_messages_and_changes_in_the_order_of_time(viewer: Browser) -> None:
    message = Message.objects.get(mailing=told(1))
    assert message.client_id is not None
    directory.opt_out(SERVICE, message.client_id)

    story = viewer.get(reverse("client", args=[message.client_id])).context["story"]

    assert [moment.entry.verb if moment.entry else moment.message for moment in story.moments] == [
        "opt_out",
        message,
    ]


def test_every_attempt_knows_the_mailing_of_its_message() -> None:
    mailing = told(2)

    assert set(Attempt.objects.values_list("mailing", "message__mailing")) == {(mailing.pk, mailing.pk)}
