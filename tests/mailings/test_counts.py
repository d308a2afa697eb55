"""The counts and statistics: appended, summed up, read, and held against the messages."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from mailings import clock, queries, queue, tally
from mailings.models import Mailing, Message, Tally
from mailings.policy import Reason, State, Verdict
from mailings.queries import MessageFilter
from tests.makers import make_client, make_jobs, make_mailing, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SENT = Verdict(State.SENT, Reason.ACCEPTED)


def send(mailing: Mailing, number: int, *, now: datetime | None = None) -> None:
    jobs = make_jobs(mailing, number)
    assert queue.settle(make_settlements(jobs, SENT), now=now or clock.now()) == number


def test_every_state_is_counted_also_where_there_is_nothing() -> None:
    mailing, empty = make_running_mailing(clients=5), make_mailing(tags=("nobody",))
    send(mailing, 2)

    counts = tally.counts([mailing.pk, empty.pk])

    assert counts[mailing.pk] == dict.fromkeys(State, 0) | {State.QUEUED: 3, State.SENT: 2}
    assert counts[empty.pk] == dict.fromkeys(State, 0)
    assert tally.counts([]) == {}


def test_what_was_sent_is_told_by_the_minute() -> None:
    mailing = make_running_mailing(clients=6)
    for seconds, number in ((0, 1), (59, 2), (60, 3)):
        send(mailing, number, now=NOON + timedelta(seconds=seconds))

    assert tally.per_minute(mailing.pk, State.SENT) == [(NOON, 3), (NOON + timedelta(minutes=1), 3)]


def test_summing_up_keeps_every_sum_and_leaves_the_present_alone() -> None:
    mailing, other = make_running_mailing(clients=6), make_running_mailing()
    for each in (mailing, other):
        for minute in range(3):
            send(each, 1, now=NOON + timedelta(minutes=minute))
            send(each, 1, now=NOON + timedelta(minutes=minute, seconds=30))
    before = (tally.counts([mailing.pk, other.pk]), tally.per_minute(mailing.pk, State.SENT))
    rows = Tally.objects.count()

    saved = tally.squash(NOON + timedelta(minutes=3, seconds=59))

    assert saved == rows - Tally.objects.count() > 0
    assert (tally.counts([mailing.pk, other.pk]), tally.per_minute(mailing.pk, State.SENT)) == before
    assert Tally.objects.filter(mailing=mailing, state="sent", minute=NOON).count() == 1
    assert Tally.objects.filter(mailing=mailing, state="sent", minute=NOON + timedelta(minutes=2)).count() == 2
    assert tally.differences() == []


def test_summing_up_again_saves_nothing() -> None:
    mailing = make_running_mailing(clients=4)
    send(mailing, 2, now=NOON)
    send(mailing, 2, now=NOON)
    later = clock.now() + timedelta(hours=1)

    tally.squash(later)

    assert tally.squash(later) == 0


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda: Message.objects.filter(state="sent").update(state="queued", sent_at=None), {"sent", "queued"}),
        (lambda: Tally.objects.filter(state="sent").delete(), {"sent"}),
        (lambda: Message.objects.filter(state="queued").delete(), {"queued"}),
        (lambda: Message.objects.filter(state="queued").update(reason="retry_not_sent"), {"queued"}),
    ],
    ids=["a message moved past the doorkeeper", "a lost count", "a lost message", "another reason"],
)
def test_a_ledger_that_does_not_fit_its_tally_is_found_out(damage: object, expected: set[str]) -> None:
    mailing = make_running_mailing(clients=3)
    send(mailing, 1)
    out = StringIO()
    call_command("check_ledger", stdout=out)
    assert "equals" in out.getvalue()
    assert callable(damage)

    damage()

    assert {state for _, state, _, _, _ in tally.differences()} == expected
    with pytest.raises(SystemExit) as caught:
        call_command("check_ledger", stdout=out)
    assert caught.value.code == 1
    assert f"mailing {mailing.pk}" in out.getvalue()


def test_statistics_are_the_messages_in_numbers() -> None:
    make_client(phone="79010000001", tag="vip", timezone="UTC")
    make_client(phone="79020000001", tag="", timezone="UTC")
    mailing = make_running_mailing(clients=0)
    send(mailing, 1)

    found = queries.statistics(mailing.pk)

    assert (found.progress.recipients, found.progress.open, found.progress.done) == (2, 1, 1)
    assert sum(number for _, number in found.sent_per_minute) == 1
    assert {share.value: share.recipients for share in found.by_operator_code} == {"901": 1, "902": 1}
    assert {share.value: share.recipients for share in found.by_tag} == {"vip": 1, "": 1}
    assert [(share.value, share.recipients) for share in found.by_timezone] == [("UTC", 2)]
    assert found.by_reason == {"accepted": 1, "turn": 1}


def test_deleted_mailings_count_nowhere() -> None:
    mailing, other = make_running_mailing(clients=2), make_running_mailing()
    Mailing.objects.filter(pk=mailing.pk).update(deleted_at=clock.now())

    assert queries.overall()[0].recipients == 2
    assert list(queries.mailings()) == [other]
    assert {message.mailing for message in queries.messages(MessageFilter())} == {other}
    with pytest.raises(Mailing.DoesNotExist):
        queries.mailing(mailing.pk)
    with pytest.raises(Message.DoesNotExist):
        queries.message(mailing.messages.earliest("id").pk)
