"""What is old is forgotten in small steps: the sums stay, and nobody misses anything."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_q.models import Task
from pytest_django.fixtures import Settings

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from accounts.refusals import Refused
from mailings import clock, operations, queries, queue, tally, tasks
from mailings.models import (
    Attempt,
    Breakdown,
    Forgetting,
    Forgotten,
    Lease,
    Mailing,
    MailingZone,
    Message,
    Minute,
    Standing,
)
from mailings.policy import Decision, Reason, State, Verdict
from mailings.queue import forgetting
from tests.makers import (
    finish,
    forget,
    make_clients,
    make_finished_mailing,
    make_jobs,
    make_running_mailing,
    make_settlements,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """So that a handful of messages takes several."""
    monkeypatch.setattr(forgetting, "FORGOTTEN", 3)
    settings.KEEP_ATTEMPTS_DAYS, settings.KEEP_MESSAGES_DAYS, settings.KEEP_DELETED_DAYS = 10, 20, 5


def states_of(mailing: Mailing) -> list[str]:
    return sorted(mailing.messages.values_list("state", flat=True))


def test_attempts_go_first_and_the_messages_stay() -> None:
    mailing = make_finished_mailing(days=11)

    forget()

    mailing.refresh_from_db()
    assert list(Attempt.objects.values_list("message__state", flat=True)) == ["unknown"]
    assert mailing.messages.count() == 12
    assert mailing.attempts_forgotten_at is not None
    assert mailing.messages_forgotten_at is None
    assert tally.differences() == []


def test_messages_go_later_and_the_statistics_say_what_they_said() -> None:
    mailing = make_finished_mailing(days=21)
    before, overall = queries.statistics(mailing.pk), queries.overall()[0]

    forget()

    assert states_of(mailing) == ["unknown"]
    assert Attempt.objects.count() == 1
    assert queries.statistics(mailing.pk) == before
    assert queries.overall()[0] == overall
    assert tally.differences() == []


def test_the_ledger_is_right_after_every_single_step() -> None:
    mailing = make_finished_mailing(days=21)

    differences = [found for _ in range(50) if forget(steps=1) for found in tally.differences()]

    assert differences == []
    assert not operations.has_to_forget(clock.now())
    assert sum(Forgotten.objects.filter(dimension="reason").values_list("number", flat=True)) == 11
    assert mailing.messages.count() == 1


def test_a_message_that_is_lost_is_not_taken_for_forgotten() -> None:
    mailing = make_finished_mailing(days=21)
    forget(steps=3)

    mailing.messages.filter(state="expired").first().delete()  # type: ignore[union-attr]

    assert {one.state for one in tally.differences()} == {State.EXPIRED}


@pytest.mark.parametrize("days", [0, 9.9])
def test_what_is_not_old_enough_is_kept(days: float) -> None:
    make_finished_mailing(days=days)

    assert not operations.has_to_forget(clock.now())
    assert forget() == 0


def test_zero_days_are_for_ever(settings: Settings) -> None:
    settings.KEEP_ATTEMPTS_DAYS = settings.KEEP_MESSAGES_DAYS = settings.KEEP_DELETED_DAYS = 0
    operations.delete(SERVICE, make_finished_mailing(days=9_000).pk)
    Mailing.objects.update(deleted_at=clock.now() - timedelta(days=9_000))

    assert forget() == 0


@pytest.mark.parametrize("state", ["running", "paused", "closing"])
def test_a_mailing_that_is_not_over_is_never_touched(state: str) -> None:
    mailing = make_running_mailing(clients=4)
    queue.settle(make_settlements(make_jobs(mailing, 2), Verdict(State.SENT, Reason.ACCEPTED)), now=clock.now())
    long_ago = clock.now() - timedelta(days=900)
    if state == "closing":
        operations.finish_done(mailing.ends_at)
        Mailing.objects.update(finished_at=long_ago)
    else:
        Mailing.objects.update(started_at=long_ago, state=state, finished_at=long_ago)

    assert forget() == 0
    assert (Message.objects.count(), Attempt.objects.count()) == (4, 2)


def test_a_draft_for_the_rest_keeps_the_messages_it_needs() -> None:
    mailing = make_finished_mailing(days=21)
    draft = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)

    kept = forget()
    operations.delete(SERVICE, draft.pk)
    finish(draft)
    forget()

    assert kept == 0
    assert states_of(mailing) == ["unknown"]


def test_nobody_duplicates_for_a_rest_that_is_forgotten() -> None:
    mailing = make_finished_mailing(days=19)
    rest = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)
    operations.cancel(SERVICE, rest.pk)
    finish(rest)
    Mailing.objects.filter(pk=mailing.pk).update(finished_at=clock.now() - timedelta(days=21))
    forget()

    for source, only_not_sent in ((mailing, True), (rest, False)):
        with pytest.raises(Refused, match="forgotten"):
            operations.duplicate(SERVICE, source.pk, only_not_sent=only_not_sent)
    assert operations.duplicate(SERVICE, mailing.pk).rest_of is None


def test_a_message_in_doubt_is_decided_about_and_then_forgotten() -> None:
    mailing = make_finished_mailing(days=21, unknown=5)
    forget()

    decided = operations.decide(SERVICE, mailing.pk, Decision.SENT)
    forget()

    assert decided.messages == 5
    assert (mailing.messages.count(), Attempt.objects.count()) == (0, 0)
    assert tally.counts([mailing.pk])[mailing.pk][State.SENT] == 12
    assert tally.differences() == []


def test_whoever_names_a_forgotten_message_is_told_so() -> None:
    mailing = make_finished_mailing(days=21)
    gone = mailing.messages.filter(state="sent").first()
    forget()

    with pytest.raises(Refused, match="forgotten"):
        operations.decide(SERVICE, mailing.pk, Decision.SENT, [gone.pk if gone else 0])


def test_a_deleted_mailing_goes_altogether_after_a_while() -> None:
    mailing, other = make_finished_mailing(days=6), make_finished_mailing(days=0)
    operations.delete(SERVICE, mailing.pk)
    Mailing.objects.filter(pk=mailing.pk).update(deleted_at=clock.now() - timedelta(days=6))
    tally.fold()

    forget()

    assert list(Mailing.objects.all()) == [other]
    for model in (Message, Standing, Minute, Breakdown, MailingZone):
        assert set(model._default_manager.values_list("mailing", flat=True)) == {other.pk}
    assert not Forgotten.objects.exists()
    assert tally.differences() == []


def test_of_a_deleted_mailing_that_another_is_named_after_the_row_stays() -> None:
    mailing = make_finished_mailing(days=6)
    rest = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)
    operations.cancel(SERVICE, rest.pk)
    finish(rest)
    operations.delete(SERVICE, mailing.pk)
    Mailing.objects.filter(pk=mailing.pk).update(deleted_at=clock.now() - timedelta(days=6))

    forget()

    assert Mailing.objects.filter(pk=mailing.pk).exists()
    assert mailing.messages.count() == 0
    assert not operations.has_to_forget(clock.now())


def test_the_journal_says_once_what_is_gone() -> None:
    mailing = make_finished_mailing(days=21)

    forget()

    entry = JournalEntry.objects.get(verb="forget")
    assert (entry.subject_id, entry.actor) == (mailing.pk, "vestnik")
    assert entry.details == {"what": "messages", "messages": 11, "attempts": 9}
    assert not Forgetting.objects.exists()


def test_whoever_comes_after_a_kill_goes_on_where_it_was() -> None:
    mailing = make_finished_mailing(days=21)
    forget(steps=3)
    here = Forgetting.objects.get()

    forget(steps=1)

    there = Forgetting.objects.get()
    assert (here.state, here.messages) == ("sent", 6)
    assert (there.state, there.messages) == ("sent", 7)
    assert mailing.messages.filter(id__lte=here.cursor, state="sent").count() == 0


def test_the_task_forgets_and_gives_its_lease_back() -> None:
    mailing = make_finished_mailing(days=21)

    steps = tasks.forget()

    assert steps > 3
    assert states_of(mailing) == ["unknown"]
    assert Lease.objects.get(name="forget").until <= clock.now()


def test_a_second_task_leaves_it_to_the_first() -> None:
    make_finished_mailing(days=21)
    Lease.objects.create(
        name="forget", holder="another", until=clock.now() + timedelta(seconds=30), rung_at=clock.now()
    )

    assert tasks.forget() == 0
    assert Message.objects.count() == 12


def test_the_command_says_what_would_go_and_then_does_it() -> None:
    mailing = make_finished_mailing(days=21)
    said, done = StringIO(), StringIO()

    call_command("forget", "--dry-run", stdout=said)
    kept = mailing.messages.count()
    call_command("forget", stdout=done)

    line = f"mailing {mailing.pk}, its messages: 11 messages, 9 attempts; 1 in doubt stay\n"
    assert said.getvalue() == f"{line}11 messages and 9 attempts would be forgotten.\n"
    assert done.getvalue() == f"{line}11 messages and 9 attempts forgotten.\n"
    assert (kept, mailing.messages.count()) == (12, 1)


def test_results_of_tasks_are_kept_for_days(settings: Settings) -> None:
    settings.KEEP_TASKS_DAYS = 3
    for name, days in (("old", 4), ("new", 2)):
        for success in (True, False):
            ended = timezone.now() - timedelta(days=days)
            Task.objects.create(
                id=f"{name}{success}", name=name, func="f", started=ended, stopped=ended, success=success
            )

    tasks.chores()

    assert set(Task.objects.values_list("name", flat=True)) == {"new"}


def test_clients_who_are_deleted_meanwhile_are_no_hindrance() -> None:
    mailing = make_finished_mailing(days=21)
    forget(steps=2)
    clients = [client for client in mailing.messages.values_list("client", flat=True) if client is not None]

    operations.stop_clients(clients, "deleted")
    make_clients(2)
    forget()

    assert states_of(mailing) == ["unknown"]
    assert tally.differences() == []
