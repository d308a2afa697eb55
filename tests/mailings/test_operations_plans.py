"""Planning and changing mailings, line by line of the rules; after a refusal nothing is stored."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django_q.models import OrmQ

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from accounts.refusals import Invalid, Refused
from mailings import clock, operations, queue
from mailings.models import TEXT_LENGTH, Mailing, MailingState, Message
from mailings.operations import NoMatches, Overdue
from mailings.plans import Plan, plan_of
from mailings.windows import Window
from tests.makers import make_client, make_clients, make_jobs, make_mailing, make_plan, make_running_mailing

pytestmark = pytest.mark.django_db

DRAFT, SCHEDULED, RUNNING, PAUSED, FINISHED, CANCELLED = MailingState
NOON = datetime(2027, 3, 10, 12, tzinfo=UTC)


def nothing_is_stored() -> bool:
    rows = (Mailing.objects, Message.objects, OrmQ.objects, JournalEntry.objects.filter(subject_type="mailing"))
    return not any(manager.exists() for manager in rows)


# -- create --------------------------------------------------------------------------------------------


def test_a_mailing_planned_ahead_waits_for_its_start() -> None:
    make_clients(1, tag="vip")
    plan = make_plan(tags=("vip",), send_from=time(10), send_until=time(20), name="Spring")

    mailing = operations.create(SERVICE, plan)

    stored = Mailing.objects.get(pk=mailing.pk)
    assert (stored.state, stored.started_at, stored.audience_until) == (SCHEDULED, None, None)
    assert plan_of(stored) == plan
    assert stored.window == Window(time(10), time(20))
    assert not OrmQ.objects.exists()


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(seconds=1), timedelta(days=400)], ids=str)
def test_a_mailing_whose_start_is_past_begins_at_once_and_rings(ago: timedelta) -> None:
    (client,) = make_clients(1)

    mailing = operations.create(SERVICE, make_plan(starts_at=clock.now() - ago), everyone=True)

    stored = Mailing.objects.get(pk=mailing.pk)
    assert (stored.state, stored.audience_until) == (RUNNING, client.pk)
    assert stored.started_at is not None
    assert {task.func() for task in OrmQ.objects.all()} == {
        "mailings.tasks.dispatch",
        "mailings.tasks.materialise",
    }


def test_the_journal_tells_of_the_plan_but_not_the_text() -> None:
    make_clients(1)

    mailing = operations.create(
        SERVICE, make_plan(text="Secret", send_from=time(9), send_until=time(10)), everyone=True
    )

    entry = JournalEntry.objects.get(subject_type="mailing")
    assert (entry.verb, entry.subject_id, entry.actor) == ("create", mailing.pk, "vestnik")
    assert entry.details["text_length"] == 6
    assert entry.details["send_from"] == "09:00:00"
    assert "Secret" not in str(entry.details)


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(seconds=1), timedelta(days=1)], ids=str)
def test_an_overdue_mailing_is_refused_and_leaves_nothing(ago: timedelta) -> None:
    make_clients(1)
    end = clock.now() - ago

    with pytest.raises(Overdue, match="Overdue mailing"):
        operations.create(SERVICE, make_plan(starts_at=end - timedelta(hours=1), ends_at=end), everyone=True)

    assert nothing_is_stored()


@pytest.mark.parametrize("filters", [{"tags": ("nobody",)}, {"operator_codes": ("999",)}], ids=str)
def test_a_mailing_that_matches_nobody_is_refused_and_leaves_nothing(filters: dict[str, Any]) -> None:
    make_client(tag="vip")

    with pytest.raises(NoMatches, match="No matches by filter"):
        operations.create(SERVICE, make_plan(**filters))

    assert nothing_is_stored()
    assert operations.create(SERVICE, make_plan(**filters), allow_empty=True).state == SCHEDULED


def test_clients_who_opted_out_are_nobody() -> None:
    make_client(tag="vip")
    make_clients(1, tag="gone", opted_out_at=clock.now())

    with pytest.raises(NoMatches):
        operations.create(SERVICE, make_plan(tags=("gone",)))


def test_everyone_must_be_said() -> None:
    make_clients(1)

    with pytest.raises(Invalid) as caught:
        operations.create(SERVICE, make_plan())

    assert caught.value.errors.keys() == {"everyone"}
    assert nothing_is_stored()
    with pytest.raises(Invalid):
        operations.create(SERVICE, make_plan(), draft=True)
    assert operations.create(SERVICE, make_plan(), everyone=True).state == SCHEDULED


def test_a_draft_may_be_overdue_and_match_nobody() -> None:
    end = clock.now() - timedelta(days=1)
    plan = make_plan(starts_at=end - timedelta(days=1), ends_at=end, tags=("nobody",))

    mailing = operations.create(SERVICE, plan, draft=True)

    assert (mailing.state, mailing.started_at) == (DRAFT, None)
    assert not OrmQ.objects.exists()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no text": ({"text": ""}, "text"),
    "a blank text": ({"text": " \n\t"}, "text"),
    "a long text": ({"text": "a" * (TEXT_LENGTH + 1)}, "text"),
    "a NUL in the text": ({"text": "a\x00b"}, "text"),
    "a surrogate in the text": ({"text": "a\ud800b"}, "text"),
    "bad braces": ({"text": "{{ name"}, "text"),
    "a long name": ({"name": "a" * 201}, "name"),
    "a NUL in the name": ({"name": "\x00"}, "name"),
    "an end at the start": ({"starts_at": NOON, "ends_at": NOON}, "ends_at"),
    "an end before the start": ({"starts_at": NOON, "ends_at": NOON - timedelta(microseconds=1)}, "ends_at"),
    "a code of two digits": ({"operator_codes": ("90",)}, "operator_codes"),
    "a code of letters": ({"operator_codes": ("9OO",)}, "operator_codes"),
    "a code of Arabic-Indic digits": ({"operator_codes": ("٩٠٠",)}, "operator_codes"),
    "too many codes": ({"operator_codes": ("900",) * 1001}, "operator_codes"),
    "a long tag": ({"tags": ("a" * 65,)}, "tags"),
    "a NUL in a tag": ({"tags": ("good", "\x00")}, "tags"),
    "a surrogate in a tag": ({"tags": ("\udfff",)}, "tags"),
    "too many tags": ({"tags": ("vip",) * 1001}, "tags"),
    "a window without its end": ({"send_from": time(10)}, "send_until"),
    "a window without its beginning": ({"send_until": time(10)}, "send_until"),
    "a window of nothing": ({"send_from": time(10), "send_until": time(10)}, "send_until"),
    "a window with a zone": ({"send_from": time(10, tzinfo=UTC), "send_until": time(11)}, "send_until"),
    "an unknown wish": ({"on_unknown": "guess"}, "on_unknown"),
}


@pytest.mark.parametrize(("fields", "field"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("draft", [False, True], ids=["planned", "draft"])
def test_a_bad_field_is_named_and_nothing_is_stored(fields: dict[str, Any], field: str, draft: bool) -> None:
    make_clients(1)

    with pytest.raises(Invalid) as caught:
        operations.create(SERVICE, make_plan(**fields), draft=draft, everyone=True)

    assert list(caught.value.errors) == [field]
    assert nothing_is_stored()


def test_all_bad_fields_are_named_at_once() -> None:
    plan = Plan(text="", starts_at=NOON, ends_at=NOON, operator_codes=("1",), on_unknown="?")

    with pytest.raises(Invalid) as caught:
        operations.create(SERVICE, plan, everyone=True)

    assert caught.value.errors.keys() == {"text", "ends_at", "operator_codes", "on_unknown"}


@pytest.mark.parametrize("text", ["a", "a" * TEXT_LENGTH, "Привет, {{ name|клиент }}! 😀", "{one} brace"])
def test_a_good_text_is_stored_as_it_is(text: str) -> None:
    mailing = make_mailing(text=text)

    assert Mailing.objects.get(pk=mailing.pk).text == text


@pytest.mark.parametrize(
    "values",
    [
        {"text": ""},
        {"ends_at": NOON, "starts_at": NOON},
        {"send_from": time(1)},
        {"state": "odd"},
        {"started_at": NOON},
    ],
    ids=str,
)
def test_the_database_itself_keeps_the_rules(values: dict[str, Any]) -> None:
    mailing = make_mailing()

    with pytest.raises(IntegrityError), transaction.atomic():
        Mailing.objects.filter(pk=mailing.pk).update(**values)


# -- change --------------------------------------------------------------------------------------------

ALL_FIELDS: dict[str, Any] = {
    "text": "New",
    "name": "New",
    "ends_at": NOON + timedelta(days=365),
    "send_from": time(8),
    "send_until": time(9),
    "on_unknown": "hold",
    "starts_at": NOON,
    "operator_codes": ("901",),
    "tags": ("vip",),
}
FREE = {name: ALL_FIELDS[name] for name in ("text", "name", "ends_at", "send_from", "send_until", "on_unknown")}


@pytest.mark.parametrize("draft", [True, False], ids=["draft", "scheduled"])
def test_before_the_start_everything_may_be_changed(draft: bool) -> None:
    mailing = make_mailing(draft=draft)

    operations.change(SERVICE, mailing.pk, **ALL_FIELDS)

    stored = plan_of(Mailing.objects.get(pk=mailing.pk))
    assert {name: getattr(stored, name) for name in ALL_FIELDS} == ALL_FIELDS
    entry = JournalEntry.objects.get(verb="change")
    assert (
        entry.details["before"].keys() == entry.details["after"].keys() == {*ALL_FIELDS, "text_length"} - {"text"}
    )


@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_after_the_start_all_but_the_audience_and_the_start_may_be_changed(paused: bool) -> None:
    mailing = make_running_mailing(clients=1)
    if paused:
        operations.pause(SERVICE, mailing.pk)

    operations.change(SERVICE, mailing.pk, **FREE)

    stored = plan_of(Mailing.objects.get(pk=mailing.pk))
    assert {name: getattr(stored, name) for name in FREE} == FREE


@pytest.mark.parametrize("field", ["starts_at", "operator_codes", "tags"])
@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_the_audience_and_the_start_are_fixed_once_started(field: str, paused: bool) -> None:
    mailing = make_running_mailing(clients=1)
    if paused:
        operations.pause(SERVICE, mailing.pk)
    before = Mailing.objects.values().get()

    with pytest.raises(Refused, match="Duplicate it instead"):
        operations.change(SERVICE, mailing.pk, **{"name": "New", field: ALL_FIELDS[field]})

    assert Mailing.objects.values().get() == before
    assert not JournalEntry.objects.filter(verb="change").exists()


def test_fixed_fields_may_be_said_again_as_they_are() -> None:
    make_clients(1, tag="vip")
    mailing = make_running_mailing(tags=("vip",))

    operations.change(SERVICE, mailing.pk, tags=("vip",), starts_at=mailing.starts_at, name="New")

    assert Mailing.objects.get(pk=mailing.pk).name == "New"


@pytest.mark.parametrize("field", ALL_FIELDS)
@pytest.mark.parametrize("over", [FINISHED, CANCELLED])
def test_what_is_over_is_not_changed(field: str, over: MailingState) -> None:
    mailing = make_running_mailing(clients=1)
    Mailing.objects.update(state=over)

    with pytest.raises(Refused, match="duplicate it instead"):
        operations.change(SERVICE, mailing.pk, everyone=True, **{field: ALL_FIELDS[field]} | _whole(field))


def _whole(field: str) -> dict[str, Any]:
    """The other half of a window."""
    return {"send_from": time(8), "send_until": time(9)} if field.startswith("send_") else {}


def test_saying_nothing_new_of_what_is_over_is_no_refusal_and_no_deed() -> None:
    mailing = make_running_mailing(clients=1)
    past = clock.now() - timedelta(days=1)
    Mailing.objects.update(state=FINISHED, starts_at=past - timedelta(days=1), ends_at=past)

    operations.change(SERVICE, mailing.pk, text=mailing.text)

    assert not JournalEntry.objects.filter(verb="change").exists()


def test_unsent_messages_get_the_new_text() -> None:
    mailing = make_running_mailing(clients=2, text="Old")
    (old,) = make_jobs(mailing, 1)

    changed = operations.change(SERVICE, mailing.pk, text="New")

    (new,) = make_jobs(changed)
    assert (old.text, new.text) == ("Old", "New")


def test_moving_the_start_of_a_scheduled_mailing_into_the_past_starts_it() -> None:
    make_clients(1)
    mailing = make_mailing()

    changed = operations.change(SERVICE, mailing.pk, starts_at=clock.now() - timedelta(seconds=1))

    assert changed.state == RUNNING
    assert Mailing.objects.get().started_at is not None


def test_moving_the_start_of_a_draft_into_the_past_starts_nothing() -> None:
    mailing = make_mailing(draft=True)

    assert operations.change(SERVICE, mailing.pk, starts_at=clock.now() - timedelta(seconds=1)).state == DRAFT


def test_a_start_moved_later_sends_nothing_at_the_old_time() -> None:
    make_clients(1)
    mailing = make_mailing()
    old, new = mailing.starts_at, mailing.starts_at + timedelta(hours=2)

    operations.change(SERVICE, mailing.pk, starts_at=new)

    assert operations.start_due(old) == 0
    assert operations.start_due(new - timedelta(microseconds=1)) == 0
    assert operations.start_due(new) == 1


@pytest.mark.parametrize("started", [False, True])
def test_an_end_in_the_past_is_refused(started: bool) -> None:
    mailing = (
        make_running_mailing(clients=1, starts_at=clock.now() - timedelta(hours=1)) if started else make_mailing()
    )
    end = clock.now() - timedelta(minutes=1)
    start = mailing.starts_at if started else end - timedelta(hours=1)

    with pytest.raises(Overdue):
        operations.change(SERVICE, mailing.pk, starts_at=start, ends_at=end)

    assert Mailing.objects.get().ends_at == mailing.ends_at


def test_an_end_moved_earlier_holds_at_the_next_claim() -> None:
    mailing = make_running_mailing(clients=1)

    operations.change(SERVICE, mailing.pk, ends_at=clock.now() + timedelta(minutes=5))

    assert queue.claim(mailing, 1, now=clock.now() + timedelta(minutes=5), lease_s=30) == []


def test_widening_a_filter_to_everyone_must_be_said() -> None:
    mailing = make_mailing(tags=("vip",))

    with pytest.raises(Invalid, match="everyone"):
        operations.change(SERVICE, mailing.pk, tags=())

    assert operations.change(SERVICE, mailing.pk, tags=(), everyone=True).tags == []


def test_a_bad_change_changes_nothing() -> None:
    mailing = make_mailing()
    before = Mailing.objects.values().get()

    with pytest.raises(Invalid):
        operations.change(SERVICE, mailing.pk, name="New", text="{{")

    assert Mailing.objects.values().get() == before
