"""The commands that let people and programs in."""

from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from accounts import keys
from accounts.models import ApiKey, JournalEntry, User
from accounts.roles import Role

pytestmark = pytest.mark.django_db


def said(command: str, *arguments: str) -> str:
    """What it writes to standard output."""
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("role", Role)
def test_a_key_is_printed_alone(role: Role) -> None:
    text = said("create_api_key", "billing", "--role", role)

    assert text.endswith("\n")
    assert len(text.split()) == 1
    found = keys.find(text.strip())
    assert found is not None
    assert (found.name, found.role) == ("billing", role)


def test_what_the_commands_make_is_in_the_journal_without_its_secret() -> None:
    key, password = said("create_api_key", "billing", "--role", "viewer"), said("create_tryout_admin").split()[1]

    entries = list(JournalEntry.objects.order_by("id"))
    assert [(entry.actor, entry.verb, entry.subject_type) for entry in entries] == [
        ("vestnik", "create", "apikey"),
        ("vestnik", "create", "user"),
    ]
    told = str([entry.details for entry in entries])
    assert key.split("_", 2)[2].strip() not in told
    assert password not in told


@pytest.mark.parametrize(
    "arguments",
    [["billing"], ["--role", "viewer"], ["billing", "--role", "emperor"], ["a" * 101, "--role", "viewer"]],
    ids=lambda arguments: " ".join(arguments)[:30],
)
def test_a_bad_order_for_a_key_says_why_and_makes_none(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"\w+ \w+"):
        said("create_api_key", *arguments)

    assert not ApiKey.objects.exists()


def test_the_tryout_administrator_can_sign_in_with_what_is_printed() -> None:
    email, password = said("create_tryout_admin").split()

    user = authenticate(username=email, password=password)

    assert user == User.objects.get()
    assert User.objects.get().role == Role.ADMINISTRATOR


def test_there_is_no_tryout_administrator_where_there_are_people() -> None:
    User.objects.create_user("somebody@example.com")

    assert said("create_tryout_admin") == ""
    assert User.objects.count() == 1


def test_a_second_call_prints_nothing() -> None:
    said("create_tryout_admin")

    assert said("create_tryout_admin") == ""


def test_an_invitation_lets_in_whoever_proves_the_address() -> None:
    text = said("invite", "Olga@Example.com", "--role", "administrator", "--name", "Olga")

    user = User.objects.get()
    assert (user.email, user.role, user.name) == ("olga@example.com", Role.ADMINISTRATOR, "Olga")
    assert user.invited_at is not None
    assert not user.has_usable_password()
    assert text == "olga@example.com may sign in as administrator\n"
    assert JournalEntry.objects.get().verb == "invite"


@pytest.mark.parametrize(
    "arguments", [["nobody", "--role", "viewer"], ["a@example.com"], ["a@example.com", "--role", "king"]]
)
def test_a_bad_invitation_says_why_and_invites_nobody(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"\w+ \w+"):
        said("invite", *arguments)

    assert not User.objects.exists()


def test_nobody_is_invited_twice() -> None:
    said("invite", "olga@example.com", "--role", "viewer")

    with pytest.raises(CommandError, match="here already"):
        said("invite", "OLGA@example.com", "--role", "administrator")

    assert User.objects.get().role == Role.VIEWER
