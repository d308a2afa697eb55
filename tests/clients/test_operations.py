"""The verbs of the directory, one client at a time."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.journal import SERVICE, Actor
from accounts.models import JournalEntry, User
from accounts.refusals import Invalid
from clients import operations
from clients.models import ZONES, Client
from clients.operations import PhoneTaken
from tests.makers import make_client

pytestmark = pytest.mark.django_db

GOOD: dict[str, Any] = {"phone": "79001234567", "timezone": "Europe/Moscow"}
VERBS = [operations.change, operations.delete, operations.opt_out, operations.allow_again]

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no phone": ({"phone": None}, "phone"),
    "a loose phone": ({"phone": "+79001234567"}, "phone"),
    "Arabic-Indic digits": ({"phone": "٧٩٠٠١٢٣٤٥٦٧"}, "phone"),
    "a phone with a newline": ({"phone": "79001234567\n"}, "phone"),
    "a phone that is a float": ({"phone": 79001234567.0}, "phone"),
    "a phone that is true": ({"phone": True}, "phone"),
    "a phone that is a list": ({"phone": ["79001234567"]}, "phone"),
    "a phone that is endless": ({"phone": 10**5000}, "phone"),
    "another code": ({"operator_code": "901"}, "operator_code"),
    "a code that is a number": ({"operator_code": 900}, "operator_code"),
    "a code that is a list": ({"operator_code": ["900"]}, "operator_code"),
    "no zone": ({"timezone": None}, "timezone"),
    "an empty zone": ({"timezone": ""}, "timezone"),
    "an unknown zone": ({"timezone": "Europe/Atlantis"}, "timezone"),
    "a zone in small letters": ({"timezone": "europe/moscow"}, "timezone"),
    "an abbreviation": ({"timezone": "MSK"}, "timezone"),
    "an offset": ({"timezone": "+03:00"}, "timezone"),
    "a path": ({"timezone": "../../etc/passwd"}, "timezone"),
    "a zone with a NUL": ({"timezone": "UTC\x00"}, "timezone"),
    "a zone that is a list": ({"timezone": []}, "timezone"),
    "a long tag": ({"tag": "a" * 65}, "tag"),
    "a tag with a NUL": ({"tag": "a\x00"}, "tag"),
    "a tag with a surrogate": ({"tag": "\ud800"}, "tag"),
    "a tag that is a number": ({"tag": 1}, "tag"),
    "a tag that is null": ({"tag": None}, "tag"),
    "attributes that are null": ({"attributes": None}, "attributes"),
    "attributes that are a list": ({"attributes": [("a", "b")]}, "attributes"),
    "an attribute that is a number": ({"attributes": {"a": 1}}, "attributes"),
    "an attribute that is null": ({"attributes": {"a": None}}, "attributes"),
    "an attribute that is a map": ({"attributes": {"a": {}}}, "attributes"),
    "an attribute without a name": ({"attributes": {" ": "a"}}, "attributes"),
    "a name that is a number": ({"attributes": {1: "a"}}, "attributes"),
    "an attribute with a NUL": ({"attributes": {"a": "\x00"}}, "attributes"),
    "a name with a NUL": ({"attributes": {"\x00": "a"}}, "attributes"),
    "an attribute with a surrogate": ({"attributes": {"a": "\udfff"}}, "attributes"),
    "a long attribute": ({"attributes": {"a": "b" * 201}}, "attributes"),
    "a long name": ({"attributes": {"a" * 41: "b"}}, "attributes"),
    "too many attributes": ({"attributes": {str(n): "" for n in range(21)}}, "attributes"),
    "an unknown field": ({"surname": "a"}, "surname"),
}


def test_a_client_is_created_with_his_code_derived_and_the_deed_recorded() -> None:
    user = User.objects.create_user("operator@example.com")

    client = operations.create(Actor(user=user), **GOOD, tag="  vip ", attributes={" name ": "Анна"})

    client.refresh_from_db()
    assert (client.phone, client.operator_code, client.timezone) == ("79001234567", "900", "Europe/Moscow")
    assert (client.tag, client.attributes, client.opted_out_at) == ("vip", {"name": "Анна"}, None)
    entry = JournalEntry.objects.get()
    assert (entry.verb, entry.subject_type, entry.subject_id, entry.user) == ("create", "client", client.pk, user)
    assert client.phone not in str(entry.details)
    assert "Анна" not in str(entry.details)


@pytest.mark.parametrize("phone", ["79001234567", 79001234567])
@pytest.mark.parametrize("code", [{}, {"operator_code": None}, {"operator_code": ""}, {"operator_code": "900"}])
def test_a_phone_may_be_a_number_and_the_code_left_out(phone: Any, code: dict[str, Any]) -> None:
    client = operations.create(SERVICE, **{**GOOD, "phone": phone, **code})

    client.refresh_from_db()
    assert (client.phone, client.operator_code) == ("79001234567", "900")


@pytest.mark.parametrize(("values", "field"), BAD.values(), ids=BAD.keys())
def test_a_bad_field_is_named_and_nothing_is_stored(values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        operations.create(SERVICE, **{**GOOD, **values})

    assert list(caught.value.errors) == [field]
    assert str(caught.value)
    assert not Client.objects.exists()
    assert not JournalEntry.objects.exists()


def test_all_bad_fields_are_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        operations.create(SERVICE, phone="1", timezone="?", tag=1, attributes=1)

    assert caught.value.errors.keys() == {"phone", "timezone", "tag", "attributes"}


def test_the_limits_themselves_are_good() -> None:
    attributes = {f"{n:040d}": "ё" * 200 for n in range(20)}

    client = operations.create(SERVICE, **GOOD, tag="ё" * 64, attributes=attributes)

    client.refresh_from_db()
    assert (client.tag, client.attributes) == ("ё" * 64, attributes)


def test_every_zone_of_the_database_can_be_a_clients() -> None:
    assert {"Europe/Moscow", "UTC", "Asia/Kathmandu", "Etc/GMT+12", "America/Argentina/Buenos_Aires"} <= ZONES
    longest = max(ZONES, key=len)

    assert make_client(timezone=longest).timezone == longest
    assert len(longest) <= 64


def test_a_phone_belongs_to_one_client() -> None:
    operations.create(SERVICE, **GOOD)
    other = make_client()

    with pytest.raises(PhoneTaken, match="Phone already exists"):
        operations.create(SERVICE, **GOOD)
    with pytest.raises(PhoneTaken):
        operations.change(SERVICE, other.pk, phone=GOOD["phone"])

    assert Client.objects.count() == 2
    assert Client.objects.get(pk=other.pk).phone == other.phone


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_a_client_who_is_not_there_is_not_there_for_any_verb(verb: Any) -> None:
    with pytest.raises(Client.DoesNotExist):
        verb(SERVICE, 12345)


def test_a_change_touches_what_is_given_and_the_code_follows_the_phone() -> None:
    client = operations.create(SERVICE, **GOOD, tag="vip", attributes={"a": "b"})

    operations.change(SERVICE, client.pk, phone="79019999999")

    changed = Client.objects.get()
    assert (changed.phone, changed.operator_code, changed.tag) == ("79019999999", "901", "vip")
    assert changed.updated_at > client.updated_at
    entry = JournalEntry.objects.get(verb="change")
    assert entry.details["after"] == {"phone": "7901•••••99", "operator_code": "901"}


def test_a_change_of_nothing_is_no_deed() -> None:
    client = operations.create(SERVICE, **GOOD)

    same = operations.change(SERVICE, client.pk, **GOOD)

    assert same.updated_at == client.updated_at
    assert not JournalEntry.objects.filter(verb="change").exists()


@pytest.mark.parametrize(("values", "field"), BAD.values(), ids=BAD.keys())
def test_a_bad_change_changes_nothing(values: dict[str, Any], field: str) -> None:
    client = operations.create(SERVICE, **GOOD)
    before = Client.objects.values().get()

    with pytest.raises(Invalid) as caught:
        operations.change(SERVICE, client.pk, **{"tag": "new", **values})

    assert list(caught.value.errors) == [field]
    assert Client.objects.values().get() == before


def test_opting_out_and_allowing_again_are_deeds_once() -> None:
    client = make_client()

    first = operations.opt_out(SERVICE, client.pk).opted_out_at
    assert first is not None
    assert operations.opt_out(SERVICE, client.pk).opted_out_at == first
    assert operations.allow_again(SERVICE, client.pk).opted_out_at is None
    assert operations.allow_again(SERVICE, client.pk).opted_out_at is None

    verbs = list(JournalEntry.objects.order_by("id").values_list("verb", flat=True))
    assert verbs == ["create", "opt_out", "allow_again"]


def test_a_change_keeps_the_opt_out() -> None:
    client = make_client()
    operations.opt_out(SERVICE, client.pk)

    operations.change(SERVICE, client.pk, tag="new")

    assert Client.objects.get().opted_out_at is not None


def test_a_deleted_client_is_gone_and_his_phone_free() -> None:
    client = operations.create(SERVICE, **GOOD)

    operations.delete(SERVICE, client.pk)

    assert not Client.objects.exists()
    assert JournalEntry.objects.get(verb="delete").subject_id == client.pk
    assert GOOD["phone"] not in str(list(JournalEntry.objects.values()))
    assert operations.create(SERVICE, **GOOD).pk != client.pk


@pytest.mark.parametrize(
    "values",
    [{"phone": "89001234567"}, {"phone": "7900123456"}, {"phone": "7900123456x"}, {"operator_code": "901"}],
    ids=str,
)
def test_the_database_itself_keeps_the_rules(values: dict[str, Any]) -> None:
    client = operations.create(SERVICE, **GOOD)

    with pytest.raises(IntegrityError), transaction.atomic():
        Client.objects.filter(pk=client.pk).update(**values)
