"""The journal: who did what, when, from where."""

import pytest

from accounts import keys
from accounts.journal import SERVICE, Actor, record
from accounts.models import JournalEntry, User
from accounts.roles import Role, allows

pytestmark = pytest.mark.django_db


def test_an_entry_says_who_did_what_to_what_from_where() -> None:
    user = User.objects.create_user("Operator@Example.com", role=Role.OPERATOR)

    record(Actor(user=user, address="2001:db8::1", request_id="r" * 80), "change", user, before=1, after=None)

    entry = JournalEntry.objects.get()
    assert (entry.user, entry.actor, entry.verb) == (user, "operator@example.com", "change")
    assert (entry.subject_type, entry.subject_id) == ("user", user.pk)
    assert entry.details == {"before": 1, "after": None}
    assert (entry.address, entry.request_id) == ("2001:db8::1", "r" * 64)


def test_an_entry_outlives_the_key_that_did_it() -> None:
    key, _ = keys.create(SERVICE, "billing", Role.OPERATOR)
    record(Actor(api_key=key), "create", key)

    key.delete()

    entry = JournalEntry.objects.latest("id")
    assert (entry.api_key, entry.actor) == (None, "key billing")


def test_the_service_itself_has_a_name() -> None:
    user = User.objects.create_user("somebody@example.com")

    record(SERVICE, "finish", user)

    assert JournalEntry.objects.get().actor == "vestnik"


def test_each_role_may_do_what_the_one_before_it_may() -> None:
    table = {role: [needed for needed in Role if allows(role, needed)] for role in Role}

    assert table == {
        Role.VIEWER: [Role.VIEWER],
        Role.OPERATOR: [Role.VIEWER, Role.OPERATOR],
        Role.ADMINISTRATOR: list(Role),
    }


@pytest.mark.parametrize("role", ["", "emperor", "VIEWER", "viewer "])
def test_a_role_that_is_none_of_ours_allows_nothing(role: str) -> None:
    assert not any(allows(role, needed) for needed in Role)
