"""Every verb in every state of a mailing: the new state, or a refusal that changes nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from accounts.journal import SERVICE, Actor
from accounts.models import JournalEntry, User
from accounts.refusals import Refused
from accounts.roles import Role
from mailings import clock, operations, queue, tally
from mailings.models import Mailing, MailingState, Message
from mailings.operations import NoMatches, Overdue
from mailings.policy import Reason, State, Verdict
from tests.makers import make_client, make_clients, make_jobs, make_mailing, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db

DRAFT, SCHEDULED, RUNNING, PAUSED, FINISHED, CANCELLED = MailingState
Verb = Callable[[Actor, int], object]


def make_in(state: MailingState) -> Mailing:
    """A mailing in that state, with two recipients who wait where it was started."""
    if state == DRAFT:
        make_clients(2)
        return make_mailing(draft=True)
    if state == SCHEDULED:
        make_clients(2)
        return make_mailing()
    mailing = make_running_mailing(clients=2)
    if state == PAUSED:
        operations.pause(SERVICE, mailing.pk)
    elif state == FINISHED:
        operations.finish_done(mailing.ends_at)
    elif state == CANCELLED:
        operations.cancel(SERVICE, mailing.pk)
    return Mailing.objects.get(pk=mailing.pk)


def operator() -> Actor:
    user = User.objects.create_user("operator@example.com", role=Role.OPERATOR)
    return Actor(user=user, address="192.0.2.7", request_id="r-1")


# state afterwards; None: refused
TABLE: dict[Verb, dict[MailingState, MailingState | None]] = {
    operations.launch: {
        DRAFT: SCHEDULED,
        SCHEDULED: None,
        RUNNING: None,
        PAUSED: None,
        FINISHED: None,
        CANCELLED: None,
    },
    operations.pause: {
        DRAFT: None,
        SCHEDULED: None,
        RUNNING: PAUSED,
        PAUSED: None,
        FINISHED: None,
        CANCELLED: None,
    },
    operations.resume: {
        DRAFT: None,
        SCHEDULED: None,
        RUNNING: None,
        PAUSED: RUNNING,
        FINISHED: None,
        CANCELLED: None,
    },
    operations.cancel: {
        DRAFT: CANCELLED,
        SCHEDULED: CANCELLED,
        RUNNING: CANCELLED,
        PAUSED: CANCELLED,
        FINISHED: None,
        CANCELLED: None,
    },
    operations.delete: {
        DRAFT: CANCELLED,
        SCHEDULED: CANCELLED,
        RUNNING: CANCELLED,
        PAUSED: CANCELLED,
        FINISHED: FINISHED,
        CANCELLED: CANCELLED,
    },
    operations.retry_failed: {
        DRAFT: None,
        SCHEDULED: None,
        RUNNING: RUNNING,
        PAUSED: PAUSED,
        FINISHED: None,
        CANCELLED: None,
    },
    operations.duplicate: {state: state for state in MailingState},
}
CELLS = [(verb, state, after) for verb, row in TABLE.items() for state, after in row.items()]
CELL_IDS = [f"{getattr(verb, '__name__', '')} {state}" for verb, state, _ in CELLS]


@pytest.mark.parametrize(("verb", "state", "after"), CELLS, ids=CELL_IDS)
def test_every_verb_in_every_state(verb: Verb, state: MailingState, after: MailingState | None) -> None:
    mailing = make_in(state)
    actor = operator()
    before = (Mailing.objects.values().get(), list(Message.objects.values()), JournalEntry.objects.count())

    if after is None:
        with pytest.raises(Refused, match=r"[a-z]{3}"):
            verb(actor, mailing.pk)
        unchanged = (Mailing.objects.values().get(), list(Message.objects.values()), JournalEntry.objects.count())
        assert unchanged == before
        return
    verb(actor, mailing.pk)

    assert Mailing.objects.get(pk=mailing.pk).state == after
    entry = JournalEntry.objects.exclude(user=None).get()
    assert (entry.verb, entry.subject_type) == (getattr(verb, "__name__", ""), "mailing")
    assert (entry.user, str(entry.address), entry.request_id) == (actor.user, "192.0.2.7", "r-1")
    assert entry.subject_id == (
        mailing.pk if verb is not operations.duplicate else Mailing.objects.latest("id").pk
    )
    assert tally.differences() == []


@pytest.mark.parametrize("verb", TABLE, ids=lambda verb: verb.__name__)
def test_a_deleted_mailing_is_not_there_for_any_verb(verb: Verb) -> None:
    mailing = make_in(RUNNING)
    operations.delete(SERVICE, mailing.pk)

    with pytest.raises(Mailing.DoesNotExist):
        verb(SERVICE, mailing.pk)
    with pytest.raises(Mailing.DoesNotExist):
        operations.change(SERVICE, mailing.pk, name="new")


@pytest.mark.parametrize("verb", TABLE, ids=lambda verb: verb.__name__)
def test_a_mailing_that_never_was_is_not_there_for_any_verb(verb: Verb) -> None:
    with pytest.raises(Mailing.DoesNotExist):
        verb(SERVICE, 12345)


# -- launch --------------------------------------------------------------------------------------------


def test_a_draft_whose_start_is_past_begins_at_once() -> None:
    make_clients(2)
    mailing = make_mailing(draft=True, starts_at=clock.now() - timedelta(minutes=1))

    launched = operations.launch(SERVICE, mailing.pk)

    assert launched.state == RUNNING
    assert launched.audience_until is not None
    assert launched.started_at is not None
    verbs = list(JournalEntry.objects.filter(subject_type="mailing").order_by("id").values_list("verb", flat=True))
    assert verbs == ["create", "launch", "start"]


def test_a_draft_whose_end_is_past_is_not_launched() -> None:
    now = clock.now()
    mailing = make_mailing(draft=True, starts_at=now - timedelta(hours=2), ends_at=now - timedelta(hours=1))
    make_clients(1)

    with pytest.raises(Overdue, match="Overdue mailing"):
        operations.launch(SERVICE, mailing.pk)

    assert Mailing.objects.get().state == DRAFT


def test_a_draft_that_matches_nobody_is_launched_only_when_that_is_meant() -> None:
    make_client(tag="vip", timezone="UTC")
    mailing = make_mailing(draft=True, tags=("nobody",))

    with pytest.raises(NoMatches, match="No matches by filter"):
        operations.launch(SERVICE, mailing.pk)
    assert Mailing.objects.get().state == DRAFT

    assert operations.launch(SERVICE, mailing.pk, allow_empty=True).state == SCHEDULED


# -- the clock's ---------------------------------------------------------------------------------------


def test_only_scheduled_mailings_whose_start_has_come_are_started() -> None:
    now = clock.now()
    due = make_mailing(starts_at=now + timedelta(seconds=5))
    later, draft = make_mailing(), make_mailing(draft=True, starts_at=now)
    cancelled = make_mailing(starts_at=now + timedelta(seconds=5))
    operations.cancel(SERVICE, cancelled.pk)

    assert operations.start_due(now + timedelta(seconds=4)) == 0
    assert operations.start_due(now + timedelta(seconds=5)) == 1
    assert operations.start_due(now + timedelta(seconds=6)) == 0

    states = dict(Mailing.objects.values_list("id", "state"))
    assert states == {due.pk: RUNNING, later.pk: SCHEDULED, draft.pk: DRAFT, cancelled.pk: CANCELLED}


def test_a_mailing_whose_end_passed_while_nothing_ran_is_finished_unsent() -> None:
    make_clients(2)
    mailing = make_mailing()

    assert operations.start_due(mailing.ends_at) == 1

    mailing.refresh_from_db()
    assert (mailing.state, mailing.started_at) == (FINISHED, None)
    assert not Message.objects.exists()
    assert operations.close_ended(mailing.ends_at) == 1


def test_a_deleted_mailing_does_not_start() -> None:
    mailing = make_mailing()
    operations.delete(SERVICE, mailing.pk)

    assert operations.start_due(mailing.starts_at) == 0
    assert not Message.objects.exists()


def test_a_mailing_is_finished_when_nothing_is_open_and_not_before() -> None:
    mailing = make_running_mailing(clients=2)
    now = clock.now()
    first, second = make_jobs(mailing)
    sent = Verdict(State.SENT, Reason.ACCEPTED)

    queue.settle(make_settlements([first], sent), now=now)
    assert operations.finish_done(now) == 0
    queue.settle(make_settlements([second], sent), now=now)
    assert operations.finish_done(now) == 1

    mailing.refresh_from_db()
    assert (mailing.state, mailing.finished_at) == (FINISHED, now)
    assert JournalEntry.objects.filter(verb="finish", subject_id=mailing.pk).count() == 1


def test_a_mailing_with_recipients_still_to_be_added_is_not_finished() -> None:
    make_clients(1)
    mailing = make_mailing(starts_at=clock.now())

    assert operations.finish_done(clock.now()) == 0
    assert Mailing.objects.get(pk=mailing.pk).state == RUNNING


def test_a_mailing_that_holds_unknown_messages_stays_open_until_its_end() -> None:
    mailing = make_running_mailing(clients=1, on_unknown="hold")
    held = Verdict(State.UNKNOWN, Reason.NO_ANSWER)
    queue.settle(make_settlements(make_jobs(mailing), held), now=clock.now())

    assert operations.finish_done(clock.now()) == 0
    assert operations.finish_done(mailing.ends_at) == 1

    assert Message.objects.get().state == State.UNKNOWN


@pytest.mark.parametrize("state", [RUNNING, PAUSED])
def test_at_its_end_a_started_mailing_is_finished_and_what_waits_expires(state: MailingState) -> None:
    mailing = make_in(state)

    assert operations.finish_done(mailing.ends_at - timedelta(microseconds=1)) == 0
    assert operations.finish_done(mailing.ends_at) == 1
    assert operations.close_ended(mailing.ends_at) == 1

    assert set(Message.objects.values_list("state", flat=True)) == {State.EXPIRED}


def test_an_empty_mailing_is_finished_as_soon_as_it_has_started() -> None:
    mailing = make_mailing(starts_at=clock.now(), tags=("nobody",))

    assert mailing.state == RUNNING
    assert operations.finish_done(clock.now()) == 1


# -- resume, delete, retry, duplicate ------------------------------------------------------------------


def test_a_paused_mailing_past_its_end_is_not_resumed() -> None:
    mailing = make_in(PAUSED)
    past = clock.now() - timedelta(seconds=1)
    Mailing.objects.update(starts_at=past - timedelta(hours=1), ends_at=past)

    with pytest.raises(Refused, match="end of the mailing has come"):
        operations.resume(SERVICE, mailing.pk)
    with pytest.raises(Refused, match="sends nothing more: duplicate it for those"):
        operations.retry_failed(SERVICE, mailing.pk)


def test_deleting_hides_a_mailing_and_stops_it() -> None:
    mailing = make_in(RUNNING)

    operations.delete(SERVICE, mailing.pk)
    operations.close_ended(clock.now())

    assert list(Mailing.objects.visible()) == []
    assert set(Message.objects.values_list("state", "reason")) == {(State.CANCELLED, Reason.MAILING_CANCELLED)}


def test_retrying_puts_back_the_failed_only_and_says_how_many() -> None:
    mailing = make_running_mailing(clients=3)
    first, second, _ = make_jobs(mailing)
    now = clock.now()
    queue.settle(make_settlements([first], Verdict(State.FAILED, Reason.REFUSED)), now=now)
    queue.settle(make_settlements([second], Verdict(State.SENT, Reason.ACCEPTED)), now=now)

    operations.retry_failed(SERVICE, mailing.pk)

    states = sorted(Message.objects.values_list("state", flat=True))
    assert states == [State.QUEUED, State.SENDING, State.SENT]
    assert JournalEntry.objects.get(verb="retry_failed").details == {"messages": 1}


def test_a_duplicate_is_a_draft_with_the_same_plan() -> None:
    mailing = make_mailing(name="Spring", tags=("vip",), operator_codes=("900",), on_unknown="hold")

    copy = operations.duplicate(SERVICE, mailing.pk)

    own = {"_state", "id", "state", "created_at", "updated_at"}
    facts = [
        {name: value for name, value in vars(each).items() if name not in own}
        for each in (Mailing.objects.get(pk=copy.pk), Mailing.objects.get(pk=mailing.pk))
    ]
    assert facts[0] == facts[1]
    assert copy.state == DRAFT
    assert JournalEntry.objects.get(verb="duplicate").details == {"source": mailing.pk}


def test_a_duplicate_of_what_is_past_begins_now_and_lasts_as_long() -> None:
    mailing = make_in(FINISHED)
    past = clock.now() - timedelta(days=30)
    Mailing.objects.update(starts_at=past, ends_at=past + timedelta(hours=5))

    copy = operations.duplicate(SERVICE, mailing.pk)

    assert copy.ends_at - copy.starts_at == timedelta(hours=5)
    assert copy.ends_at > clock.now() >= copy.starts_at
    assert operations.launch(SERVICE, copy.pk).state == RUNNING
