"""The verbs of people and their keys: who stays, who goes, and what goes with him."""

import pytest
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from accounts import keys, people
from accounts.journal import SERVICE, Actor
from accounts.models import ApiKey, JournalEntry, User, WrittenForEver
from accounts.people import Known, LastAdministrator, Outdated
from accounts.refusals import Refused
from accounts.roles import Role
from tests.threads import at_once


def administrator(name: str) -> User:
    return people.invite(SERVICE, f"{name}@example.com", Role.ADMINISTRATOR)


def ruling() -> list[str]:
    rulers = User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).order_by("id")
    return [user.email.partition("@")[0] for user in rulers]


@pytest.mark.django_db
@pytest.mark.parametrize("by_himself", [True, False])
def test_the_last_active_administrator_is_neither_removed_nor_loses_the_role(by_himself: bool) -> None:
    last, gone = administrator("last"), administrator("gone")
    people.remove(SERVICE, gone.pk)
    actor = Actor(user=last) if by_himself else SERVICE

    with pytest.raises(LastAdministrator):
        people.remove(actor, last.pk)
    with pytest.raises(LastAdministrator):
        people.change_role(actor, last.pk, Role.OPERATOR)

    assert ruling() == ["last"]


@pytest.mark.once
@pytest.mark.django_db
def test_with_a_provider_an_administrator_whom_nobody_invited_is_not_counted(settings: Settings) -> None:
    last = administrator("last")
    tried_out = User.objects.create_user("admin@example.com", "a-password", role=Role.ADMINISTRATOR)
    settings.OIDC = True

    with pytest.raises(LastAdministrator):
        people.remove(SERVICE, last.pk)
    with pytest.raises(LastAdministrator):
        people.change_role(SERVICE, last.pk, Role.OPERATOR)
    people.remove(SERVICE, tried_out.pk)

    assert ruling() == ["last"]


@pytest.mark.once
@pytest.mark.django_db
def test_even_an_administrator_whom_nobody_invited_stays_while_there_is_no_other(settings: Settings) -> None:
    tried_out = User.objects.create_user("admin@example.com", "a-password", role=Role.ADMINISTRATOR)
    settings.OIDC = True

    with pytest.raises(LastAdministrator):
        people.remove(SERVICE, tried_out.pk)


@pytest.mark.django_db
def test_who_is_here_uninvited_can_be_invited_once() -> None:
    tried_out = User.objects.create_user("admin@example.com", "a-password", name="Anna", role=Role.ADMINISTRATOR)

    with pytest.raises(LastAdministrator):
        people.invite(SERVICE, "admin@example.com", Role.VIEWER)
    administrator("other")
    user = people.invite(SERVICE, "Admin@example.com", Role.OPERATOR)
    with pytest.raises(Known, match="here already"):
        people.invite(SERVICE, "admin@example.com", Role.ADMINISTRATOR)

    user.refresh_from_db()
    assert (user.pk, user.name, user.role) == (tried_out.pk, "Anna", Role.OPERATOR)
    assert user.invited_at is not None
    told = JournalEntry.objects.filter(verb="invite").latest("id").details
    assert (told["before"]["role"], told["after"]["role"]) == ("administrator", "operator")


@pytest.mark.django_db
def test_who_was_removed_uninvited_is_let_back_before_he_is_invited() -> None:
    tried_out = User.objects.create_user("admin@example.com", role=Role.VIEWER)
    people.remove(SERVICE, tried_out.pk)

    with pytest.raises(Known, match="let them back"):
        people.invite(SERVICE, "admin@example.com", Role.VIEWER)
    people.let_back(SERVICE, tried_out.pk)

    assert people.invite(SERVICE, "admin@example.com", Role.VIEWER).invited_at is not None


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_who_remove_each_other_at_once_one_stays() -> None:
    anna, boris = administrator("anna"), administrator("boris")

    results = at_once(
        lambda: people.remove(Actor(user=anna), boris.pk), lambda: people.remove(Actor(user=boris), anna.pk)
    )

    assert len(ruling()) == 1
    assert [type(result) for result in results if isinstance(result, Exception)] in (
        [Outdated],
        [LastAdministrator],
    )


@pytest.mark.django_db(transaction=True)
def test_of_three_two_who_remove_each_other_at_once_do_not_both_go() -> None:
    anna, boris, _vera = administrator("anna"), administrator("boris"), administrator("vera")

    at_once(
        lambda: people.remove(Actor(user=anna), boris.pk),
        lambda: people.change_role(Actor(user=boris), anna.pk, Role.VIEWER),
    )

    assert len(ruling()) == 2


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_made_while_its_maker_is_removed_does_not_outlive_him() -> None:
    anna, _boris = administrator("anna"), administrator("boris")

    made, _removed = at_once(
        lambda: keys.create(Actor(user=anna), "last minute", Role.VIEWER),
        lambda: people.remove(SERVICE, anna.pk),
    )

    assert isinstance(made, Refused) or keys.find(made[1]) is None
    assert not ApiKey.objects.filter(revoked_at=None).exists()


@pytest.mark.django_db
def test_keys_that_his_keys_have_made_go_with_him() -> None:
    anna, _boris = administrator("anna"), administrator("boris")
    first, _ = keys.create(Actor(user=anna), "first", Role.ADMINISTRATOR)
    keys.create(Actor(api_key=first), "second", Role.VIEWER)
    other, _ = keys.create(SERVICE, "not hers", Role.VIEWER)

    people.remove(SERVICE, anna.pk)

    assert list(ApiKey.objects.filter(revoked_at=None)) == [other]
    told = JournalEntry.objects.get(verb="remove").details
    assert len(told["keys_revoked"]) == 2


@pytest.mark.django_db
def test_a_key_cannot_do_more_than_its_maker() -> None:
    operator = people.invite(SERVICE, "olga@example.com", Role.OPERATOR)

    with pytest.raises(Refused, match="cannot do more"):
        keys.create(Actor(user=operator), "greedy", Role.ADMINISTRATOR)

    assert not ApiKey.objects.exists()


# -- the journal is written once -------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_entry_is_neither_changed_nor_deleted() -> None:
    administrator("anna")
    entry = JournalEntry.objects.get()
    entry.verb = "nothing"

    for deed in (
        entry.save,
        entry.delete,
        JournalEntry.objects.all().delete,
        lambda: JournalEntry.objects.update(verb="nothing"),
        lambda: JournalEntry.objects.bulk_update([entry], ["verb"]),
        lambda: JournalEntry.objects.update_or_create(pk=entry.pk, defaults={"verb": "nothing"}),
    ):
        with pytest.raises(WrittenForEver), transaction.atomic():
            deed()

    assert JournalEntry.objects.get().verb == "invite"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("narrowed", "index"),
    [
        ("subject_type='mailing' AND subject_id=5", "journal_of_subject"),
        ("subject_type='mailing'", "journal_of_kind"),
        ("user_id=5", "journal_of_user"),
        ("api_key_id=5", "journal_of_key"),
        ("actor='vestnik'", "journal_of_actor"),
        ("verb='start'", "journal_of_verb"),
    ],
)
def test_every_question_to_the_journal_has_its_index(narrowed: str, index: str) -> None:
    asked = f"SELECT id FROM accounts_journalentry WHERE {narrowed} ORDER BY id DESC LIMIT 51"
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {asked}")
        else:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute(f"EXPLAIN {asked}")
        plan = str(cursor.fetchall())

    # of an empty table PostgreSQL holds all indexes for equally good
    assert index in plan or connection.vendor == "postgresql"
    assert "journal_of_" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
