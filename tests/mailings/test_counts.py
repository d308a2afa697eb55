"""The counts and statistics: appended, summed up, read, and held against the messages."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from accounts.journal import SERVICE
from clients import operations as directory
from mailings import clock, operations, queries, queue, tally
from mailings.models import Breakdown, Mailing, Message, Minute, Standing, Tally
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


def test_what_happened_is_told_by_the_quarter_of_an_hour_and_by_reason() -> None:
    mailing, deleted = make_running_mailing(clients=6), make_running_mailing()
    for minutes, number in ((0, 1), (14, 2), (15, 3)):
        send(mailing, number, now=NOON + timedelta(minutes=minutes))
    send(deleted, 3, now=NOON)
    operations.delete(SERVICE, deleted.pk)

    by_quarter = tally.grown_by_quarter(NOON, NOON + timedelta(minutes=30))
    by_reason = tally.grown_by_reason(NOON, NOON + timedelta(minutes=15))

    assert {at: counts[State.SENT] for at, counts in by_quarter.items()} == {
        NOON: 3,
        NOON + timedelta(minutes=15): 3,
    }
    assert by_reason.keys() == {mailing.pk}
    assert by_reason[mailing.pk][State.SENT, Reason.ACCEPTED] == 3
    assert tally.grown_by_reason(NOON - timedelta(minutes=15), NOON) == {}


def told(mailing: Mailing) -> tuple[object, ...]:
    """Everything that is read of a mailing's counts."""
    return (
        queries.statistics(mailing.pk),
        tally.counts([mailing.pk]),
        tally.per_minute(mailing.pk, State.SENT),
        tally.grown_since(NOON, [mailing.pk]),
        tally.grown_by_quarter(NOON, NOON + timedelta(days=1)),
        tally.grown_by_reason(NOON, NOON + timedelta(days=1)),
        tally.mailings_with(State.SENT),
        queries.overall(),
    )


@pytest.mark.parametrize("rows", [1, 3, 900])
def test_folding_changes_nothing_that_is_read(rows: int) -> None:
    mailing, other = make_running_mailing(clients=6), make_running_mailing()
    for each in (mailing, other):
        for minute in range(3):
            send(each, 1, now=NOON + timedelta(minutes=minute))
            send(each, 1, now=NOON + timedelta(minutes=minute, seconds=30))
    before = [told(each) for each in (mailing, other)]

    while tally.fold(rows):
        assert [told(each) for each in (mailing, other)] == before
        assert tally.differences() == []

    assert not Tally.objects.exists()
    assert Minute.objects.filter(mailing=mailing, state="sent").count() == 3
    assert Standing.objects.get(mailing=mailing, state="sent", reason="accepted").number == 6


def test_what_was_folded_grows_with_what_comes_later() -> None:
    mailing = make_running_mailing(clients=4)
    for _ in range(2):
        send(mailing, 2, now=NOON)
        tally.fold()

    assert Standing.objects.get(mailing=mailing, state="sent").number == 4
    assert Breakdown.objects.get(mailing=mailing, dimension="timezone", state="sent").number == 4
    assert tally.fold() == 0
    assert tally.differences() == []


def test_a_client_who_moves_is_counted_in_his_new_zone() -> None:
    client, _ = make_client(timezone="UTC"), make_client(timezone="UTC")
    mailing = make_running_mailing()

    directory.change(SERVICE, client.pk, timezone="Asia/Tokyo")

    shares = queries.statistics(mailing.pk).by_timezone
    assert {share.value: share.recipients for share in shares} == {"UTC": 1, "Asia/Tokyo": 1}
    assert tally.differences() == []


def test_who_was_sent_to_stays_counted_in_the_zone_he_left() -> None:
    client = make_client(timezone="UTC")
    mailing = make_running_mailing(clients=0)
    send(mailing, 1)

    directory.change(SERVICE, client.pk, timezone="Asia/Tokyo")
    directory.delete(SERVICE, client.pk)

    assert [(share.value, share.by_state[State.SENT]) for share in queries.statistics(mailing.pk).by_timezone] == [
        ("UTC", 1)
    ]
    assert tally.differences() == []


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda: Message.objects.filter(state="sent").update(state="queued", sent_at=None), {"sent", "queued"}),
        (lambda: Standing.objects.filter(state="sent").delete(), {"sent"}),
        (lambda: Message.objects.filter(state="queued").delete(), {"queued"}),
        (lambda: Message.objects.filter(state="queued").update(reason="retry_not_sent"), {"queued"}),
        (lambda: Message.objects.filter(state="queued").update(tag="another"), {"queued"}),
        (lambda: Breakdown.objects.filter(state="sent", dimension="tag").update(number=2), {"sent"}),
        (lambda: Minute.objects.filter(state="sent").delete(), {"sent"}),
    ],
    ids=[
        "a message moved past the doorkeeper",
        "a lost count",
        "a lost message",
        "another reason",
        "another tag",
        "a wrong breakdown",
        "a lost minute",
    ],
)
def test_a_ledger_that_does_not_fit_its_tally_is_found_out(damage: object, expected: set[str]) -> None:
    mailing = make_running_mailing(clients=3)
    send(mailing, 1)
    tally.fold()
    out = StringIO()
    call_command("check_ledger", stdout=out)
    assert "equals" in out.getvalue()
    assert callable(damage)

    damage()

    assert {difference.state for difference in tally.differences()} == expected
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
