"""People, API keys and the journal through the API: for administrators."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Http
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys, people
from accounts.journal import SERVICE, Actor, record
from accounts.models import ApiKey, JournalEntry, KeptAnswer, User
from accounts.roles import Role
from mailings.models import Mailing
from tests.api.programs import Program, fields


@pytest.fixture
def administrator(db: None) -> Program:
    return Program(Role.ADMINISTRATOR)


def entry() -> JournalEntry:
    return JournalEntry.objects.latest("id")


def forget_the_journal() -> None:
    """What the application itself cannot do."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_journalentry")


def items(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


# -- people --------------------------------------------------------------------------------------------


def test_a_person_is_invited_with_a_role(administrator: Program) -> None:
    answer = administrator.post("/users", {"email": " Anna@Example.com", "role": "operator", "name": "Anna"})

    shown = answer.json()
    assert answer.status_code == 201
    assert (shown["email"], shown["name"], shown["role"]) == ("anna@example.com", "Anna", "operator")
    assert shown["invited_at"]
    assert shown["signed_in_at"] is None
    assert administrator.get(f"/users/{shown['id']}").json() == shown
    assert (entry().verb, entry().api_key) == ("invite", administrator.key)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"email": "nonsense", "role": "viewer"}, "email"),
        ({"email": "a\u0000@example.com", "role": "viewer"}, "email"),
        ({"email": "a@example.com", "role": "emperor"}, "role"),
        ({"email": "a@example.com", "role": None}, "role"),
        ({"email": "a@example.com", "role": "viewer", "name": "x" * 151}, "name"),
        ({"email": "a@example.com", "role": "viewer", "is_active": True}, "is_active"),
        ({"role": "viewer"}, "email"),
    ],
)
def test_a_bad_invitation_says_why_and_invites_nobody(
    administrator: Program, body: dict[str, object], place: str
) -> None:
    assert fields(administrator.post("/users", body)) == [["body", place]]
    assert not User.objects.exists()


def test_who_is_known_is_not_invited_again(administrator: Program) -> None:
    user = people.invite(SERVICE, "anna@example.com", Role.VIEWER)

    answer = administrator.post("/users", {"email": "ANNA@example.com", "role": "administrator"})
    people.remove(SERVICE, user.pk)
    later = administrator.post("/users", {"email": "anna@example.com", "role": "viewer"})

    assert (answer.status_code, answer.json()) == (409, {"detail": "This person is here already"})
    assert (later.status_code, later.json()) == (409, {"detail": "This person was removed: let them back instead"})


def test_role_and_name_are_changed_and_nothing_else(administrator: Program) -> None:
    user = people.invite(SERVICE, "anna@example.com", Role.VIEWER)

    shown = administrator.patch(f"/users/{user.pk}", {"role": "operator", "name": "Anna"}).json()

    assert (shown["role"], shown["name"]) == ("operator", "Anna")
    assert entry().details == {
        "before": {"name": "", "role": "viewer"},
        "after": {"name": "Anna", "role": "operator"},
    }
    assert fields(administrator.patch(f"/users/{user.pk}", {"email": "other@example.com"})) == [["body", "email"]]
    assert administrator.patch(f"/users/{user.pk}", {}).json() == shown


def test_a_person_is_removed_and_let_back(administrator: Program) -> None:
    user = people.invite(SERVICE, "anna@example.com", Role.OPERATOR)

    removed = administrator.post(f"/users/{user.pk}/remove").json()
    back = administrator.post(f"/users/{user.pk}/let-back").json()

    assert (removed["is_active"], back["is_active"], back["role"]) == (False, True, "operator")


def test_the_last_administrator_stays(administrator: Program) -> None:
    last = people.invite(SERVICE, "anna@example.com", Role.ADMINISTRATOR)

    for answer in (
        administrator.post(f"/users/{last.pk}/remove"),
        administrator.patch(f"/users/{last.pk}", {"role": "viewer"}),
    ):
        assert answer.status_code == 409
        assert answer.json()["detail"].startswith("This is the last administrator")


# -- keys ----------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_lets_in(administrator: Program) -> None:
    until = (timezone.now() + timedelta(days=1)).isoformat()

    made = administrator.post("/api-keys", {"name": "billing", "role": "viewer", "expires_at": until})

    assert made.status_code == 201
    text = made.json()["key"]
    assert keys.find(text) == ApiKey.objects.get(name="billing")
    listed = items(administrator.get("/api-keys"))[0]
    assert listed == {name: value for name, value in made.json().items() if name != "key"} | {
        "last_used_at": listed["last_used_at"]
    }
    assert text.split("_", 2)[2] not in str(list(JournalEntry.objects.values()))


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"name": " ", "role": "viewer"}, "name"),
        ({"name": "x" * 101, "role": "viewer"}, "name"),
        ({"name": "x", "role": "emperor"}, "role"),
        ({"name": "x", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "role": "viewer", "expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
        ({"name": "x", "role": "viewer", "prefix": "0123456789"}, "prefix"),
    ],
)
def test_a_bad_key_says_why_and_is_not_made(administrator: Program, body: dict[str, object], place: str) -> None:
    assert fields(administrator.post("/api-keys", body)) == [["body", place]]
    assert ApiKey.objects.count() == 1


def test_a_key_does_no_more_than_who_made_it_may_by_then(administrator: Program) -> None:
    people.invite(SERVICE, "boris@example.com", Role.ADMINISTRATOR)
    anna = people.invite(SERVICE, "anna@example.com", Role.ADMINISTRATOR)
    hers = Program(Role.VIEWER)
    _, text = keys.create(Actor(user=anna), "hers", Role.ADMINISTRATOR)
    hers.http = Http(headers={"Authorization": f"Bearer {text}"})

    assert administrator.patch(f"/users/{anna.pk}", {"role": "viewer"}).status_code == 200

    assert hers.patch(f"/users/{anna.pk}", {"role": "administrator"}).status_code == 403
    assert hers.post("/api-keys", {"name": "another", "role": "administrator"}).status_code == 403
    assert hers.get("/clients").status_code == 200

    administrator.patch(f"/users/{anna.pk}", {"role": "operator"})
    assert hers.post("/mailings/audience", {"filter": {"tags": ["vip"]}}).status_code == 200
    assert hers.get("/users").status_code == 403


def test_a_revoked_key_lets_nobody_in_from_then_on(administrator: Program, viewer: Program) -> None:
    assert viewer.get("/clients").status_code == 200

    revoked = administrator.delete(f"/api-keys/{viewer.key.pk}")

    assert revoked.json()["revoked_at"]
    assert viewer.get("/clients").status_code == 401
    assert administrator.delete(f"/api-keys/{viewer.key.pk}").json() == revoked.json()


# -- journal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["launch", "change", "change", "invite"]),
        ({"verb": "change"}, ["change", "change"]),
        ({"subject_type": "mailing"}, ["launch", "change"]),
        ({"subject_type": "mailing", "subject_id": 5}, ["launch"]),
        ({"actor": "anna@example.com"}, ["launch", "change"]),
        ({"user": "{user}", "subject_id": 5}, ["launch"]),
        ({"api_key": "{key}"}, ["change"]),
        ({"actor": "anna"}, []),
    ],
    ids=str,
)
def test_the_journal_is_narrowed(administrator: Program, query: dict[str, Any], found: list[str]) -> None:
    user = people.invite(SERVICE, "anna@example.com", Role.ADMINISTRATOR)
    other, _ = keys.create(SERVICE, "billing", Role.OPERATOR)
    forget_the_journal()
    anna = Actor(user=user)
    record(SERVICE, "invite", user)
    record(Actor(api_key=other), "change", user)
    record(anna, "change", Mailing(pk=4))
    record(anna, "launch", Mailing(pk=5))

    asked = {name: str(value).format(user=user.pk, key=other.pk) for name, value in query.items()}

    assert [row["verb"] for row in items(administrator.get("/journal", **asked))] == found


def test_the_journal_is_narrowed_by_time(administrator: Program) -> None:
    user = people.invite(SERVICE, "anna@example.com", Role.VIEWER)
    forget_the_journal()
    noon = timezone.now() - timedelta(days=5)
    for hours in (0, 3, 6):
        JournalEntry.objects.create(
            at=noon + timedelta(hours=hours),
            actor="x",
            verb=f"at_{hours}",
            subject_type="user",
            subject_id=user.pk,
        )

    def between(since_h: float, until_h: float) -> list[str]:
        instants = [(noon + timedelta(hours=hours)).isoformat() for hours in (since_h, until_h)]
        found = items(administrator.get("/journal", **dict(zip(("from", "to"), instants, strict=True))))
        return [row["verb"] for row in found]

    assert between(-1, 10) == ["at_6", "at_3", "at_0"]
    assert between(0, 6) == ["at_3", "at_0"]
    assert between(0.5, 5) == ["at_3"]
    assert between(7, 9) == []
    assert between(-9, -8) == []


def test_the_first_and_the_last_instant_narrow_nothing(administrator: Program) -> None:
    whole = items(administrator.get("/journal"))

    ends = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}

    assert items(administrator.get("/journal", **ends)) == whole


@pytest.mark.parametrize("path", ["/users", "/api-keys", "/journal"])
def test_a_list_takes_as_many_queries_however_long_it_is(administrator: Program, path: str) -> None:
    makers = [people.invite(SERVICE, f"p{number}@example.com", Role.ADMINISTRATOR) for number in range(3)]

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            items(administrator.get(path))
        return len(seen)

    queries()  # the use of the key is noted once
    few = queries()
    for number in range(30):
        people.invite(SERVICE, f"q{number}@example.com", Role.VIEWER)
        keys.create(Actor(user=makers[number % 3]), f"key {number}", Role.VIEWER)

    assert queries() == few
    assert few <= 3


@pytest.mark.parametrize("path", ["/users", "/api-keys", "/journal"])
def test_a_list_is_read_piece_by_piece(administrator: Program, path: str) -> None:
    for number in range(5):
        people.invite(SERVICE, f"q{number}@example.com", Role.VIEWER)
        keys.create(SERVICE, f"key {number}", Role.VIEWER)
    whole = [row["id"] for row in items(administrator.get(path, limit=200))]

    pieces: list[int] = []
    cursor = ""
    while cursor is not None:
        answer = administrator.get(path, limit=2, cursor=cursor)
        pieces += [row["id"] for row in items(answer)]
        cursor = answer.json()["next"]

    assert pieces == whole
    assert len(set(whole)) == len(whole) >= 5


def test_the_text_of_a_key_is_not_kept_to_be_given_again(administrator: Program) -> None:
    administrator.http.defaults["HTTP_IDEMPOTENCY_KEY"] = "once"
    body = {"name": "billing", "role": "viewer"}

    first, second = administrator.post("/api-keys", body), administrator.post("/api-keys", body)

    assert (first.status_code, second.status_code) == (201, 409)
    assert first.json()["key"].split("_", 2)[2] not in str(list(KeptAnswer.objects.values()))
