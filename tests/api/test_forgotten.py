"""What the API tells of a mailing whose messages are not kept any more."""

import pytest
from pytest_django.fixtures import Settings

from mailings.models import Mailing
from tests.api.programs import Program
from tests.makers import forget, make_finished_mailing


@pytest.fixture
def forgotten(db: None, settings: Settings) -> Mailing:
    settings.KEEP_MESSAGES_DAYS = 10
    mailing = make_finished_mailing(days=11)
    forget()
    return mailing


def test_its_list_holds_those_in_doubt_and_says_since_when(operator: Program, forgotten: Mailing) -> None:
    listed = operator.get(f"/mailings/{forgotten.pk}/messages").json()
    shown = operator.get(f"/mailings/{forgotten.pk}").json()

    assert [one["state"] for one in listed["items"]] == ["unknown"]
    assert listed["messages_forgotten_at"] == shown["messages_forgotten_at"] is not None


def test_its_numbers_stay(operator: Program, forgotten: Mailing) -> None:
    shown = operator.get(f"/mailings/{forgotten.pk}").json()
    statistics = operator.get(f"/mailings/{forgotten.pk}/statistics").json()

    assert shown["recipients"] == statistics["recipients"] == 12
    assert sum(share["recipients"] for share in statistics["by_timezone"]) == 12


def test_nobody_duplicates_it_for_its_rest(operator: Program, forgotten: Mailing) -> None:
    refused = operator.post(f"/mailings/{forgotten.pk}/duplicate", {"only": "not_sent"})

    assert refused.status_code == 409
    assert "forgotten" in refused.json()["detail"]
