from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from mailings import clock, queue
from mailings.models import Worker
from mailings.policy import Reason, State, Verdict
from tests.makers import make_client, make_jobs, make_mailing, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db


def read(browser: Browser) -> str:
    return browser.get(reverse("dashboard")).content.decode()


def make_worker(*, silent_for: timedelta) -> None:
    now = clock.now()
    Worker.objects.create(id="w", host="here", started_at=now, seen_at=now - silent_for)


def test_an_empty_installation_shows_the_first_steps(operator: Browser) -> None:
    page = read(operator)

    assert "First steps" in page
    assert reverse("client_new") in page
    assert "Running now" not in page


def test_the_first_step_is_done_when_there_are_clients(operator: Browser) -> None:
    make_client()

    assert "Done: there are clients in the directory." in read(operator)


def test_what_runs_is_shown_with_its_numbers_and_can_be_paused(operator: Browser) -> None:
    mailing = make_running_mailing(clients=4, name="Autumn")
    jobs = make_jobs(mailing, 1)
    queue.settle(make_settlements(jobs, Verdict(State.SENT, Reason.ACCEPTED)), now=clock.now())

    answer = operator.get(reverse("dashboard"))

    assert "Autumn" in answer.content.decode()
    assert "1 of 4" in answer.content.decode()
    assert reverse("mailing_pause", args=[mailing.pk]) in answer.content.decode()
    assert {one["state"]: one["number"] for one in answer.context["today"]}["sent"] == 1


def test_a_viewer_sees_what_runs_without_buttons(viewer: Browser) -> None:
    mailing = make_running_mailing(clients=1, name="Autumn")

    page = read(viewer)

    assert "Autumn" in page
    assert reverse("mailing_pause", args=[mailing.pk]) not in page


def test_what_comes_is_shown(operator: Browser) -> None:
    make_mailing(name="Tomorrow's")

    assert "Tomorrow&#x27;s" in read(operator)


def test_a_silent_worker_is_an_incident(operator: Browser) -> None:
    make_worker(silent_for=timedelta(minutes=1))

    assert "The worker is away." in read(operator)


def test_a_living_worker_is_none(operator: Browser) -> None:
    make_worker(silent_for=timedelta(seconds=1))

    assert "The worker is away." not in read(operator)


def test_messages_held_for_a_decision_are_an_incident(operator: Browser) -> None:
    mailing = make_running_mailing(clients=2, on_unknown="hold")
    held = Verdict(State.UNKNOWN, Reason.NO_ANSWER)
    queue.settle(make_settlements(make_jobs(mailing), held), now=clock.now())

    assert "<b>2 messages</b> got no clear answer" in read(operator)


@pytest.mark.parametrize("number", [1, 4])
def test_the_number_of_queries_does_not_grow_with_what_runs(
    number: int, operator: Browser, django_assert_num_queries: Any
) -> None:
    make_client()
    for _ in range(number):
        make_running_mailing()

    with django_assert_num_queries(13):
        read(operator)
