import re
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import JournalEntry
from clients.models import Client
from mailings.models import Message
from mailings.policy import State
from tests.makers import make_client, make_clients, make_running_mailing

pytestmark = pytest.mark.django_db

FIELDS = {
    "phone": "+7 900 123-45-67",
    "timezone": "Asia/Omsk",
    "tag": "vip",
    "attributes": "name: Anna\ncity: Omsk",
}


@pytest.mark.parametrize("typed", ["+7 (900) 123-45-67", "8 900 123 45 67", "79001234567", "900 1234567"])
def test_a_phone_is_stored_in_its_strict_form_however_it_was_typed(typed: str, operator: Browser) -> None:
    answer = operator.post(reverse("client_new"), {**FIELDS, "phone": typed})

    client = Client.objects.get()
    assert answer["Location"] == reverse("client", args=[client.pk])
    assert (client.phone, client.operator_code) == ("79001234567", "900")
    assert (client.timezone, client.tag) == ("Asia/Omsk", "vip")
    assert client.attributes == {"name": "Anna", "city": "Omsk"}


def test_adding_a_client_is_journalled_with_who_did_it(operator: Browser) -> None:
    operator.post(reverse("client_new"), FIELDS)

    entry = JournalEntry.objects.get(verb="create")
    assert (entry.actor, entry.address) == ("operator@example.com", "127.0.0.1")


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("phone", "+1 212 555 0100", "This is no Russian or Kazakh phone"),
        ("phone", "", "This field is required."),
        ("phone", "٧٩٠٠١٢٣٤٥٦٧", "This is no Russian or Kazakh phone"),
        ("timezone", "Mars/Olympus", "Select a valid choice"),
        ("timezone", "", "This field is required."),
        ("tag", "t" * 65, "at most 64 characters"),
        ("tag", "a\x00b", "Null characters are not allowed"),
        ("attributes", "just words", "Line 1 is not “name: text”"),
        ("attributes", "a: 1\na: 2", "Line 2 repeats a name"),
        ("attributes", "a: " + "x" * 201, "At most 200 characters"),
        ("attributes", "\n".join(f"a{n}: 1" for n in range(21)), "at most 20 names"),
        ("attributes", "a: \x00", "cannot be stored"),
    ],
)
def test_a_wrong_field_is_named_and_what_was_typed_is_kept(
    field: str, typed: str, sentence: str, operator: Browser
) -> None:
    answer = operator.post(reverse("client_new"), {**FIELDS, field: typed})

    assert answer.status_code == 422
    assert any(sentence in error for error in answer.context["form"].errors[field])
    assert answer.context["form"][field].value() == typed
    assert not Client.objects.exists()


def test_a_phone_that_is_taken_is_refused_beside_its_field(operator: Browser) -> None:
    make_client(phone="79001234567")

    answer = operator.post(reverse("client_new"), FIELDS)

    assert answer.context["form"].errors == {"phone": ["Phone already exists"]}
    assert 'value="+7 900 123-45-67"' in answer.content.decode()
    assert Client.objects.count() == 1


def test_extra_fields_of_a_form_change_nothing(operator: Browser) -> None:
    operator.post(
        reverse("client_new"), {**FIELDS, "opted_out_at": "2020-01-01", "id": "77", "operator_code": "999"}
    )

    client = Client.objects.get()
    assert (client.opted_out_at, client.operator_code) == (None, "900")


def test_a_client_is_changed(operator: Browser) -> None:
    client = make_client(tag="old", attributes={"name": "Oleg"})

    page = operator.get(reverse("client_edit", args=[client.pk]))
    operator.post(reverse("client_edit", args=[client.pk]), {**FIELDS, "tag": "new", "attributes": ""})

    assert "name: Oleg" in page.content.decode()
    client.refresh_from_db()
    assert (client.phone, client.tag, client.attributes) == ("79001234567", "new", {})


def test_a_client_is_deleted_after_a_page_that_says_what_is_stopped(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)
    client = Client.objects.get()

    page = operator.get(reverse("client_review_delete", args=[client.pk]))
    operator.post(reverse("client_delete", args=[client.pk]))

    assert "1 waiting message is not sent." in page.content.decode()
    assert not Client.objects.exists()
    assert Message.objects.get(mailing=mailing).state == State.CANCELLED


def test_an_opted_out_client_can_be_allowed_again(operator: Browser) -> None:
    client = make_client()

    operator.post(reverse("client_opt_out", args=[client.pk]))
    client.refresh_from_db()
    opted_out_at = client.opted_out_at
    page = operator.get(reverse("client", args=[client.pk])).content.decode()
    operator.post(reverse("client_allow_again", args=[client.pk]))

    client.refresh_from_db()
    assert opted_out_at is not None
    assert "no mailing writes to this client" in page
    assert client.opted_out_at is None


def test_the_card_shows_what_time_it_is_where_he_is(operator: Browser) -> None:
    client = make_client(timezone="Asia/Kamchatka")

    page = operator.get(reverse("client", args=[client.pk])).content.decode()

    assert "Asia/Kamchatka" in page
    assert "(+1200)" in page


@pytest.mark.parametrize(
    ("narrow", "found"),
    [
        ({"q": "1112233"}, {"omsk"}),
        ({"q": "8 (921) 111-22-33"}, {"omsk"}),
        ({"q": "VIP"}, {"omsk"}),
        ({"tag": "vip"}, {"omsk"}),
        ({"tag": "-"}, {"moscow", "gone"}),
        ({"operator_code": "921"}, {"omsk"}),
        ({"timezone": "Europe/Moscow"}, {"moscow", "gone"}),
        ({"opted_out": "yes"}, {"gone"}),
        ({"opted_out": "no", "timezone": "Europe/Moscow"}, {"moscow"}),
        ({"q": "000000"}, set()),
    ],
)
def test_the_directory_is_narrowed_by_the_address(
    narrow: dict[str, str], found: set[str], operator: Browser
) -> None:
    names = {
        "omsk": make_client(phone="79211112233", tag="vip", timezone="Asia/Omsk").pk,
        "moscow": make_client(phone="79009998877").pk,
        "gone": make_client(phone="79009998876").pk,
    }
    operator.post(reverse("client_opt_out", args=[names["gone"]]))

    answer = operator.get(reverse("clients"), narrow)

    assert {row.pk for row in answer.context["page"].rows} == {names[name] for name in found}


@pytest.mark.parametrize("address", ["?opted_out=maybe", "?tag=%00", "?before=x&after=%00", "?before=" + "9" * 30])
def test_nonsense_in_the_address_shows_a_page(address: str, operator: Browser) -> None:
    make_client()

    assert operator.get(reverse("clients") + address).status_code == 200


def test_the_pages_of_the_directory_hold_every_client_once(operator: Browser) -> None:
    made = {client.pk for client in make_clients(120)}
    seen: list[int] = []
    link: str | None = ""

    while link is not None:
        page = operator.get(reverse("clients") + link).context["page"]
        seen += [row.pk for row in page.rows]
        link = page.older

    assert seen == sorted(made, reverse=True)


def test_one_can_page_back_to_the_newest(operator: Browser) -> None:
    make_clients(120)
    first = operator.get(reverse("clients")).context["page"]
    second = operator.get(reverse("clients") + first.older).context["page"]

    again = operator.get(reverse("clients") + second.newer).context["page"]

    assert [row.pk for row in again.rows] == [row.pk for row in first.rows]
    assert again.newer is None


@pytest.mark.parametrize("number", [60, 200])
def test_the_number_of_queries_does_not_grow_with_the_directory(
    number: int, operator: Browser, django_assert_num_queries: Any
) -> None:
    make_clients(number)

    with django_assert_num_queries(7):
        operator.get(reverse("clients"))


def test_hostile_texts_are_shown_literally(operator: Browser) -> None:
    hostile = "<script>alert(1)</script>"
    client = make_client(tag=hostile, attributes={hostile: hostile})

    for page in (
        reverse("clients"),
        reverse("client", args=[client.pk]),
        reverse("client_edit", args=[client.pk]),
    ):
        text = operator.get(page).content.decode()
        assert hostile not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def still(answer: Any) -> str:
    """A page without its times: what time it is where a client is may differ between two requests."""
    return re.sub(r"<time.*?</time>", "", answer.content.decode())


def test_the_directory_gives_htmx_only_its_moving_part(operator: Browser) -> None:
    make_client()

    whole = operator.get(reverse("clients"))
    part = operator.get(reverse("clients"), HTTP_HX_REQUEST="true")
    restored = operator.get(reverse("clients"), HTTP_HX_REQUEST="true", HTTP_HX_HISTORY_RESTORE_REQUEST="true")

    assert part.content.decode().lstrip().startswith('<div id="clients"')
    assert still(part).strip() in still(whole)
    assert "<html" in restored.content.decode()
    assert "HX-Request" in whole["Vary"]
    assert whole["Cache-Control"] == "no-store"
