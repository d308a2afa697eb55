from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from accounts.models import JournalEntry
from mailings import clock, queue
from mailings.models import Mailing, MailingState
from mailings.policy import Reason, State, Verdict
from tests.makers import make_client, make_clients, make_jobs, make_mailing, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db
START = timezone.localtime().replace(second=0, microsecond=0) + timedelta(hours=3)
PICKED = "%Y-%m-%dT%H:%M"  # what a browser's picker sends

PLAN = {
    "text": "Hello, {{ name|friend }}",
    "name": "Greeting",
    "audience": "everyone",
    "begin": "at",
    "starts_at": f"{START:{PICKED}}",
    "ends_at": f"{START + timedelta(days=1):{PICKED}}",
    "send_from": "09:00",
    "send_until": "21:00",
    "on_unknown": "hold",
}
CHOSEN = {**PLAN, "audience": "chosen"}


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["form"].errors)


def test_a_plan_is_saved_as_a_draft_in_the_readers_zone(operator: Browser) -> None:
    answer = operator.post(reverse("mailing_new"), PLAN)

    mailing = Mailing.objects.get()
    assert answer["Location"] == reverse("mailing", args=[mailing.pk])
    assert (mailing.state, mailing.text, mailing.name) == (MailingState.DRAFT, PLAN["text"], "Greeting")
    assert (mailing.starts_at, mailing.ends_at) == (START, START + timedelta(days=1))
    assert (f"{mailing.send_from}", f"{mailing.send_until}") == ("09:00:00", "21:00:00")
    assert (mailing.operator_codes, mailing.tags, mailing.on_unknown) == ([], [], "hold")


def test_at_once_means_now(operator: Browser) -> None:
    before = clock.now().replace(microsecond=0)

    operator.post(reverse("mailing_new"), {**PLAN, "begin": "now", "starts_at": "nonsense"})

    assert before <= Mailing.objects.get().starts_at <= clock.now()


def test_chosen_codes_and_tags_become_the_filter(operator: Browser) -> None:
    operator.post(reverse("mailing_new"), {**CHOSEN, "operator_codes": ["900", "901"], "tags": ["vip", "-"]})

    mailing = Mailing.objects.get()
    assert (mailing.operator_codes, mailing.tags) == (["900", "901"], ["vip", ""])


def test_everyone_must_be_said(operator: Browser) -> None:
    answer = operator.post(reverse("mailing_new"), CHOSEN)

    assert list(errors(answer)) == ["audience"]
    assert not Mailing.objects.exists()


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("text", "", "This field is required."),
        ("text", "   ", "A mailing needs a text"),
        ("text", "x" * 1601, "At most 1600 characters"),
        ("text", "Hello {{ name", "A placeholder is written"),
        ("text", "a\x00b", "Null characters are not allowed."),
        ("name", "n" * 201, "at most 200 characters"),
        ("starts_at", "", "Say when it starts"),
        ("starts_at", "tomorrow", "Enter a valid date/time."),
        ("starts_at", "0001-01-01T00:00", "The year lies between 2000 and 2100"),
        pytest.param(
            "ends_at",
            f"{START - timedelta(hours=1):{PICKED}}",
            "The end must come after the start",
            id="before the start",
        ),
        ("ends_at", "", "This field is required."),
        ("ends_at", "9999-12-31T23:59", "The year lies between 2000 and 2100"),
        ("send_until", "", "A window needs both its beginning and its end"),
        ("send_until", "09:00", "must differ"),
        ("send_from", "25:00", "Enter a valid time."),
        ("on_unknown", "explode", "Select a valid choice."),
        ("begin", "never", "Select a valid choice."),
    ],
)
def test_a_wrong_field_is_named_and_what_was_typed_is_kept(
    field: str, typed: str, sentence: str, operator: Browser
) -> None:
    answer = operator.post(reverse("mailing_new"), {**PLAN, field: typed})

    assert answer.status_code == 422
    assert any(sentence in error for error in errors(answer)[field])
    assert answer.context["form"][field].value() == typed
    assert answer.context["form"]["name"].value() in ("Greeting", typed)
    assert not Mailing.objects.exists()


@pytest.mark.parametrize("code", ["90", "9000", "٩٠٠", "abc", "9" * 300, "9\x000"])
def test_a_code_typed_into_the_request_by_hand_is_judged_by_the_rules(code: str, operator: Browser) -> None:
    answer = operator.post(reverse("mailing_new"), {**CHOSEN, "operator_codes": [code]})

    assert answer.status_code == 422
    assert not Mailing.objects.exists()


def test_lines_are_stored_with_one_character_each(operator: Browser) -> None:
    operator.post(reverse("mailing_new"), {**PLAN, "text": "one\r\ntwo"})

    assert Mailing.objects.get().text == "one\ntwo"


def test_review_and_launch_leads_to_the_review(operator: Browser) -> None:
    make_client(attributes={"name": "Anna"})

    answer = operator.post(reverse("mailing_new"), {**PLAN, "then": "review"}, follow=True)

    page = answer.content.decode()
    assert "Hello, Anna" in page
    assert "Launch for 1 client" in page
    assert Mailing.objects.get().state == MailingState.DRAFT


def test_the_audience_is_counted_while_it_is_chosen(operator: Browser) -> None:
    make_clients(3, tag="vip")
    make_clients(2, tag="new", timezone="Asia/Omsk")

    chosen = operator.get(reverse("mailing_audience"), {"tags": ["vip", "new"]}, HTTP_HX_REQUEST="true")
    everyone = operator.get(reverse("mailing_audience"), {"audience": "everyone"}, HTTP_HX_REQUEST="true")
    nobody = operator.get(reverse("mailing_audience"), {}, HTTP_HX_REQUEST="true")
    nonsense = operator.get(reverse("mailing_audience"), {"operator_codes": "\x00"}, HTTP_HX_REQUEST="true")

    assert chosen.context["measured"].by_zone == {"Europe/Moscow": 3, "Asia/Omsk": 2}
    assert everyone.context["measured"].count == 5
    assert nobody.context["measured"] is None
    assert nonsense.context["measured"] is None


def test_the_form_of_a_mailing_that_waits_shows_it_as_it_is(operator: Browser) -> None:
    make_clients(2, tag="vip")
    mailing = make_mailing(tags=("vip",), starts_at=START, text="As it is")

    page = operator.get(reverse("mailing_edit", args=[mailing.pk]))

    form = page.context["form"]
    assert (form["text"].value(), form["audience"].value(), form["begin"].value()) == ("As it is", "chosen", "at")
    assert form["tags"].value() == ["vip"]
    assert page.context["measured"].count == 2
    assert f'value="{START:{PICKED}}"' in page.content.decode()


def test_saving_an_untouched_form_changes_nothing(operator: Browser) -> None:
    start = START + timedelta(seconds=7)
    mailing = make_mailing(starts_at=start, ends_at=start + timedelta(days=1))
    form = operator.get(reverse("mailing_edit", args=[mailing.pk])).context["form"]
    untouched = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    for name in ("starts_at", "ends_at"):
        untouched[name] = f"{form[name].value():%Y-%m-%dT%H:%M}"

    operator.post(reverse("mailing_edit", args=[mailing.pk]), untouched)

    mailing.refresh_from_db()
    assert mailing.starts_at == start
    assert not JournalEntry.objects.filter(verb="change").exists()


def test_a_running_mailing_gets_another_text_but_no_other_audience(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)
    changes = {**PLAN, "text": "Better", "tags": ["x"], "begin": "now"}

    operator.post(reverse("mailing_edit", args=[mailing.pk]), changes)

    changed = Mailing.objects.get(pk=mailing.pk)
    assert (changed.text, changed.tags, changed.starts_at) == ("Better", [], mailing.starts_at)


def test_a_finished_mailing_is_not_changed_and_says_what_to_do(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)
    operator.post(reverse("mailing_cancel", args=[mailing.pk]))

    answer = operator.post(reverse("mailing_edit", args=[mailing.pk]), {**PLAN, "text": "Too late"})

    assert "duplicate it instead" in answer.context["form"].non_field_errors()[0]
    assert answer.context["form"]["text"].value() == "Too late"


def test_the_list_has_a_tab_for_each_state(operator: Browser) -> None:
    draft, planned = make_mailing(draft=True), make_mailing()

    drafts = operator.get(reverse("mailings"), {"state": "draft"})
    everything = operator.get(reverse("mailings"))

    assert [row.pk for row in drafts.context["page"].rows] == [draft.pk]
    assert [row.pk for row in everything.context["page"].rows] == [planned.pk, draft.pk]
    assert [tab["number"] for tab in everything.context["tabs"]] == [2, 1, 1, 0, 0, 0, 0]


def test_the_list_is_searched_by_name_and_text(operator: Browser) -> None:
    named, worded = make_mailing(name="Autumn"), make_mailing(text="In autumn")
    make_mailing(name="Spring")

    found = operator.get(reverse("mailings"), {"q": "autumn"}).context["page"].rows

    assert {row.pk for row in found} == {named.pk, worded.pk}


@pytest.mark.parametrize("number", [1, 5])
def test_the_number_of_queries_does_not_grow_with_the_mailings(
    number: int, operator: Browser, django_assert_num_queries: Any
) -> None:
    make_clients(2)
    for _ in range(number):
        make_running_mailing()

    with django_assert_num_queries(6):
        operator.get(reverse("mailings"))


def test_rows_move_by_themselves_only_while_something_runs(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)

    running = operator.get(reverse("mailings")).content.decode()
    operator.post(reverse("mailing_cancel", args=[mailing.pk]))
    over = operator.get(reverse("mailings")).content.decode()

    assert 'data-poll="2"' in running
    assert "data-poll" not in over


def test_the_progress_adds_up_and_is_the_part_that_is_polled(operator: Browser) -> None:
    mailing = make_running_mailing(clients=10)
    jobs = make_jobs(mailing, 4)
    queue.settle(make_settlements(jobs[:3], Verdict(State.SENT, Reason.ACCEPTED)), now=clock.now())
    operator.post(reverse("mailing_pause", args=[mailing.pk]))  # or the rate would differ between two requests

    whole = operator.get(reverse("mailing", args=[mailing.pk]))
    part = operator.get(reverse("mailing", args=[mailing.pk]), HTTP_HX_REQUEST="true")

    numbers = {one.state: one.number for one in whole.context["parts"]}
    assert numbers == {"sent": 3, "sending": 1, "queued": 6}
    assert part.content.decode().strip() in whole.content.decode()
    assert 'data-poll="2"' in part.content.decode()


def test_a_page_that_is_over_is_polled_no_more(operator: Browser) -> None:
    mailing = make_running_mailing(clients=1)

    operator.post(reverse("mailing_cancel", args=[mailing.pk]))

    assert "data-poll" not in operator.get(reverse("mailing", args=[mailing.pk])).content.decode()


def test_recipients_are_narrowed_by_state_and_reason(operator: Browser) -> None:
    mailing = make_running_mailing(clients=5)
    jobs = make_jobs(mailing, 2)
    queue.settle(make_settlements(jobs, Verdict(State.FAILED, Reason.REFUSED)), now=clock.now())
    here = reverse("mailing_recipients", args=[mailing.pk])

    failed = operator.get(here, {"state": "failed"}).context["page"].rows
    refused = operator.get(here, {"reason": "refused"}).context["page"].rows
    expired = operator.get(here, {"state": "expired"})

    assert {row.pk for row in failed} == {row.pk for row in refused} == {job.id for job in jobs}
    assert "No such message" in expired.content.decode()


def test_a_deleted_mailing_has_no_page(operator: Browser) -> None:
    mailing = make_mailing()
    operator.post(reverse("mailing_delete", args=[mailing.pk]))

    assert operator.get(reverse("mailing", args=[mailing.pk])).status_code == 404
    assert operator.get(reverse("mailing_recipients", args=[mailing.pk])).status_code == 404
    assert operator.post(reverse("mailing_duplicate", args=[mailing.pk])).status_code == 404


def test_hostile_texts_are_shown_literally(operator: Browser) -> None:
    hostile = "<script>alert(1)</script>"
    make_client(tag=hostile, attributes={"name": hostile})
    mailing = make_mailing(draft=True, name=hostile, text=f"{hostile} {{{{ name }}}}", tags=(hostile,))

    for name in ("mailing", "mailing_edit", "mailing_recipients"):
        assert hostile not in operator.get(reverse(name, args=[mailing.pk])).content.decode()
    for verb in ("launch", "cancel", "delete"):
        assert hostile not in operator.get(reverse("mailing_review", args=[mailing.pk, verb])).content.decode()
    assert hostile not in operator.get(reverse("mailings")).content.decode()
