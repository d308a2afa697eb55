"""A request sent again with its Idempotency-Key: nothing is done again, and the first answer comes again."""

import json
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client as Http
from django.utils import timezone

from accounts import idempotency
from accounts.models import ApiKey, JournalEntry, KeptAnswer, User
from accounts.roles import Role
from clients.models import Client
from mailings import tasks
from tests.api.programs import PREFIX, Call, Program, calls, fields
from tests.makers import make_running_mailing
from tests.threads import at_once, no_errors
from tests.web_process import web_server

CLIENT = {"phone": "79001234567", "timezone": "Europe/Moscow"}
OTHER = {"phone": "79007654321", "timezone": "Europe/Moscow"}
POSTS = [call for call in calls() if call.method == "POST"]


def post(program: Program, path: str, body: Any, key: str = "k-1") -> Any:
    headers = {"Idempotency-Key": key}
    return program.http.post(PREFIX + path, body, content_type="application/json", headers=headers)


def is_replayed(answer: Any) -> bool:
    return bool(answer.headers.get("Idempotency-Replayed") == "true")


def made() -> tuple[int, int]:
    return Client.objects.count(), JournalEntry.objects.filter(subject_type="client").count()


# -- the same again ------------------------------------------------------------------------------------


def test_the_same_request_gets_the_first_answer_again(operator: Program) -> None:
    first = post(operator, "/clients", CLIENT)

    second = post(operator, "/clients", CLIENT)

    assert (first.status_code, is_replayed(first)) == (201, False)
    assert (second.status_code, second.content, is_replayed(second)) == (201, first.content, True)
    assert second["Content-Type"] == first["Content-Type"]
    assert second["Cache-Control"] == "no-store"
    assert made() == (1, 1)


def test_the_answer_is_that_of_then_also_when_things_have_changed(operator: Program) -> None:
    first = post(operator, "/clients", CLIENT)
    operator.delete(f"/clients/{first.json()['id']}")

    assert post(operator, "/clients", CLIENT).content == first.content
    assert Client.objects.count() == 0


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/clients", CLIENT, 409),
        ("/clients", {"phone": "1"}, 422),
        ("/clients/999/opt-out", {}, 404),
        ("/mailings", {"text": "x", "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2020-01-02T00:00:00Z"}, 422),
    ],
)
def test_a_refusal_is_kept_too(operator: Program, path: str, body: Any, status: int) -> None:
    operator.post("/clients", CLIENT)
    first = post(operator, path, body)
    Client.objects.all().delete()

    second = post(operator, path, body)

    assert (first.status_code, is_replayed(first)) == (status, False)
    assert (second.status_code, second.content, is_replayed(second)) == (status, first.content, True)


def test_nonsense_instead_of_json_is_answered_alike_again(operator: Program) -> None:
    answers = [post(operator, "/clients", "{") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert [is_replayed(answer) for answer in answers] == [False, True]


@pytest.mark.parametrize("call", POSTS, ids=str)
def test_every_post_takes_a_key(db: None, call: Call) -> None:
    make_running_mailing(1)
    program = Program(Role.ADMINISTRATOR)
    first = post(program, call.address, {})
    entries = JournalEntry.objects.count()

    second = post(program, call.address, {})

    assert first.status_code in call.responses
    assert (second.status_code, second.content, is_replayed(second)) == (first.status_code, first.content, True)
    assert JournalEntry.objects.count() == entries


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_do_not_know_it(operator: Program, method: str) -> None:
    client = operator.post("/clients", CLIENT).json()["id"]
    headers = {"Idempotency-Key": "k-1"}

    operator.http.generic(
        method, f"{PREFIX}/clients/{client}", json.dumps(OTHER), "application/json", headers=headers
    )

    assert not KeptAnswer.objects.exists()


# -- not the same --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/clients", OTHER),
        ("/clients", json.dumps(CLIENT) + " "),
        ("/clients?", CLIENT | {"tag": "x"}),
        ("/clients/batch", CLIENT),
        ("/clients?x=1", CLIENT),
    ],
)
def test_another_request_with_the_key_is_refused(operator: Program, path: str, body: Any) -> None:
    post(operator, "/clients", CLIENT)

    answer = post(operator, path, body)

    assert answer.status_code == 409
    assert answer.json() == {"detail": "This Idempotency-Key was used for another request"}
    assert not is_replayed(answer)
    assert made() == (1, 1)


def test_another_key_is_another_request(operator: Program) -> None:
    post(operator, "/clients", CLIENT)

    assert post(operator, "/clients", CLIENT, "k-2").status_code == 409
    assert post(operator, "/clients", OTHER, "k-3").status_code == 201


def test_others_may_use_the_same_key(operator: Program) -> None:
    post(operator, "/clients", CLIENT)
    user = User.objects.create_user("operator@example.com", role=Role.OPERATOR)
    browser = Http()
    browser.force_login(user)

    other = post(Program(Role.OPERATOR), "/clients", OTHER)
    person = browser.post(
        f"{PREFIX}/clients",
        CLIENT | {"phone": "79005555555"},
        content_type="application/json",
        headers={"Idempotency-Key": "k-1"},
    )

    assert (other.status_code, person.status_code) == (201, 201)
    assert Client.objects.count() == 3
    owners = set(KeptAnswer.objects.values_list("owner", flat=True))
    assert owners == {*(f"key:{key}" for key in ApiKey.objects.values_list("pk", flat=True)), f"user:{user.pk}"}


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "ключ", "a\x7f", "a\x00"])
def test_a_key_that_is_none_is_refused(operator: Program, key: str) -> None:
    answer = operator.http.post(
        f"{PREFIX}/clients", CLIENT, content_type="application/json", HTTP_IDEMPOTENCY_KEY=key
    )

    assert fields(answer) == [["header", "Idempotency-Key"]]
    assert made() == (0, 0)


@pytest.mark.parametrize("key", ["x", "x" * 255, "a b", "'; DROP TABLE accounts_keptanswer; --", "~!@#$%^&*()"])
def test_any_printable_text_is_a_key(operator: Program, key: str) -> None:
    assert post(operator, "/clients", CLIENT, key).status_code == 201
    assert is_replayed(post(operator, "/clients", CLIENT, key))


def test_an_answer_that_shows_a_secret_is_not_kept(db: None) -> None:
    program, wanted = Program(Role.ADMINISTRATOR), {"name": "billing", "role": "viewer"}
    first = post(program, "/api-keys", wanted)

    second = post(program, "/api-keys", wanted)

    assert first.status_code == 201
    assert second.status_code == 409
    assert second.json() == {
        "detail": "Done already by a request with this Idempotency-Key; its answer is shown only once"
    }
    assert ApiKey.objects.filter(name="billing").count() == 1
    kept = KeptAnswer.objects.get()
    assert (kept.status, kept.body) == (201, None)
    assert first.json()["key"] not in str(list(KeptAnswer.objects.values()))


def test_a_refusal_where_a_secret_would_be_shown_is_kept(db: None) -> None:
    program = Program(Role.ADMINISTRATOR)
    first = post(program, "/api-keys", {"name": "", "role": "viewer"})

    second = post(program, "/api-keys", {"name": "", "role": "viewer"})

    assert (second.status_code, second.content, is_replayed(second)) == (422, first.content, True)


# -- what comes before the key -------------------------------------------------------------------------


def test_who_is_not_let_in_any_more_gets_no_answer_again(operator: Program) -> None:
    post(operator, "/clients", CLIENT)

    ApiKey.objects.update(role=Role.VIEWER)
    assert post(operator, "/clients", CLIENT).status_code == 403
    ApiKey.objects.update(revoked_at=timezone.now())
    assert post(operator, "/clients", CLIENT).status_code == 401


def test_who_may_not_do_it_any_more_gets_no_answer_again(db: None) -> None:
    program = Program(Role.ADMINISTRATOR)
    assert post(program, "/gateway/stop", {}).status_code == 200
    ApiKey.objects.update(role=Role.OPERATOR)

    assert post(program, "/gateway/stop", {}).status_code == 403


def test_what_was_refused_at_the_door_is_not_kept(operator: Program) -> None:
    as_form = operator.http.post(f"{PREFIX}/clients", {"phone": "1"}, headers={"Idempotency-Key": "k-1"})
    as_viewer = post(Program(Role.VIEWER), "/clients", CLIENT)
    not_administrator = post(operator, "/gateway/stop", {}, "k-2")

    assert [as_form.status_code, as_viewer.status_code, not_administrator.status_code] == [415, 403, 403]
    assert not KeptAnswer.objects.exists()
    assert post(operator, "/clients", CLIENT).status_code == 201


def test_our_own_fault_is_not_kept_and_leaves_nothing(operator: Program) -> None:
    operator.http.raise_request_exception = False

    def break_the_journal(execute: Any, sql: str, *rest: Any) -> Any:
        if "INSERT INTO" in sql and "accounts_journalentry" in sql:
            raise OperationalError("the disk is full")
        return execute(sql, *rest)

    with connection.execute_wrapper(break_the_journal):
        broken = post(operator, "/clients", CLIENT)

    assert broken.status_code == 500
    assert made() == (0, 0)
    assert not KeptAnswer.objects.exists()
    mended = post(operator, "/clients", CLIENT)
    assert (mended.status_code, is_replayed(mended)) == (201, False)


# -- for a day -----------------------------------------------------------------------------------------


def test_after_a_day_it_is_a_new_request(operator: Program) -> None:
    post(operator, "/clients", CLIENT)
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))

    again, other = post(operator, "/clients", CLIENT), post(operator, "/clients", OTHER)

    assert (again.status_code, is_replayed(again)) == (409, False)
    assert other.json() == {"detail": "This Idempotency-Key was used for another request"}
    assert KeptAnswer.objects.count() == 1


def test_the_chores_forget_what_is_too_old(operator: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "STEP", 2)
    now = timezone.now()
    for number in range(5):
        post(operator, "/clients", CLIENT, f"k-{number}")
    old = KeptAnswer.objects.exclude(key="k-4")
    old.update(created_at=now - timedelta(hours=25))

    tasks.chores()

    assert list(KeptAnswer.objects.values_list("key", flat=True)) == ["k-4"]


# -- many at once --------------------------------------------------------------------------------------


@pytest.mark.processes
def test_a_hundred_at_once_do_it_once_and_get_the_same_answer(database_url: str, tmp_path: Path) -> None:
    headers = Program(Role.OPERATOR).headers | {"Idempotency-Key": "k-1", "Content-Type": "application/json"}

    def send() -> tuple[int, bytes, str | None]:
        wire = HTTPConnection(address, timeout=60)
        wire.request("POST", f"{PREFIX}/clients", json.dumps(CLIENT), headers)
        answer = wire.getresponse()
        content = answer.read()
        wire.close()
        return answer.status, content, answer.headers["Idempotency-Replayed"]

    with web_server(database_url, tmp_path / "web.log", API_RATE="0") as address:
        answers = no_errors(at_once(*[send] * 100))

    assert {(status, content) for status, content, _ in answers} == {(201, answers[0][1])}
    assert sorted(str(replayed) for *_, replayed in answers) == ["None"] + ["true"] * 99
    assert made() == (1, 1)
    assert KeptAnswer.objects.count() == 1
