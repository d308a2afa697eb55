"""A program that asks too often is told when to come again; others are not disturbed."""

import pytest
from pytest_django.fixtures import Settings

from accounts import rate
from accounts.roles import Role
from clients.models import Client
from tests.api.programs import PREFIX, Call, Program, calls
from tests.api.test_entrance import browser

pytestmark = [pytest.mark.once, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _slow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.API_RATE = 0.001
    monkeypatch.setattr(rate, "till", rate.Till())  # ids of keys come again in another test


def test_who_asks_too_often_is_told_when_to_come_again(operator: Program) -> None:
    assert operator.get("/clients").status_code == 200

    answer = operator.get("/clients")

    assert answer.status_code == 429
    assert answer.json() == {"detail": "Too many requests with this key: at most 0.001 a second"}
    assert 990 <= int(answer["Retry-After"]) <= 1000


def test_nothing_is_done_then_and_nothing_kept(operator: Program) -> None:
    operator.get("/clients")

    answer = operator.http.post(
        f"{PREFIX}/clients",
        {"phone": "79001234567", "timezone": "Europe/Moscow"},
        content_type="application/json",
        headers={"Idempotency-Key": "k-1"},
    )

    assert answer.status_code == 429
    assert not Client.objects.exists()


def test_another_key_and_a_person_at_the_console_go_on(operator: Program) -> None:
    operator.get("/clients")

    assert Program(Role.VIEWER).get("/clients").status_code == 200
    person, _ = browser(Role.VIEWER)
    for _ in range(3):
        assert person.get(f"{PREFIX}/clients").status_code == 200


def test_a_wrong_key_spends_nothing(operator: Program) -> None:
    wrong = operator.headers["Authorization"][:-1]
    for _ in range(3):
        assert operator.http.get(f"{PREFIX}/clients", headers={"Authorization": wrong}).status_code == 401

    assert operator.get("/clients").status_code == 200


def test_with_no_limit_nobody_waits(operator: Program, settings: Settings) -> None:
    settings.API_RATE = 0

    assert {operator.get("/clients").status_code for _ in range(150)} == {200}


def test_every_call_may_be_one_too_many() -> None:
    program = Program(Role.ADMINISTRATOR)
    program.get("/clients")

    def status(call: Call) -> int:
        return int(program.send(call.method, call.address).status_code)

    assert {str(call): status(call) for call in calls()} == {str(call): 429 for call in calls()}
    assert [str(call) for call in calls() if 429 not in call.responses] == []
