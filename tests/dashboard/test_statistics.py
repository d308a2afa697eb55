from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from mailings import clock, queue
from mailings.policy import Reason, State, Verdict
from tests.makers import make_jobs, make_mailing, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db


def test_the_totals_are_those_of_all_mailings(operator: Browser) -> None:
    for _ in range(2):
        mailing = make_running_mailing(clients=2)
        queue.settle(
            make_settlements(make_jobs(mailing, 1), Verdict(State.SENT, Reason.ACCEPTED)), now=clock.now()
        )

    totals = operator.get(reverse("statistics")).context["totals"]

    # the second mailing is for the clients of the first one, too
    assert (totals.recipients, totals.by_state[State.SENT], totals.by_state[State.QUEUED]) == (6, 2, 4)


def test_a_period_takes_whole_days_of_the_readers_zone(operator: Browser) -> None:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
    inside = make_mailing(starts_at=midnight, ends_at=midnight + timedelta(days=1))
    make_mailing(starts_at=midnight - timedelta(seconds=1), ends_at=midnight + timedelta(days=1))
    make_mailing(starts_at=midnight + timedelta(days=1), ends_at=midnight + timedelta(days=3))
    day = f"{midnight:%Y-%m-%d}"

    rows = operator.get(reverse("statistics"), {"since": day, "until": day}).context["page"].rows

    assert [mailing.pk for mailing in rows] == [inside.pk]


def test_a_day_that_is_none_is_said_so_beside_its_field(operator: Browser) -> None:
    page = operator.get(reverse("statistics"), {"since": "yesterday"})

    assert page.context["filters"].form.errors == {"since": ["Enter a valid date."]}
    assert 'value="yesterday"' in page.content.decode()


@pytest.mark.parametrize("number", [1, 5])
def test_the_number_of_queries_does_not_grow_with_the_mailings(
    number: int, operator: Browser, django_assert_num_queries: Any
) -> None:
    for _ in range(number):
        make_running_mailing(clients=1)

    with django_assert_num_queries(6):
        operator.get(reverse("statistics"))
