"""The loop, in this process, against the simulator."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.journal import SERVICE
from clients.models import Client
from mailings import bell, clock, dispatch, operations, pace, queue, tally
from mailings.models import Attempt, Lease, Mailing, Message
from mailings.policy import Job, OnUnknown, Reason, State
from tests.gateway_process import GatewayProcess
from tests.makers import make_client, make_clients, make_running_mailing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def line(settings: Settings, gateway: GatewayProcess) -> Iterator[None]:
    """The settings point to the simulator; no right to send is left over from another test."""
    settings.GATEWAY_URL = gateway.url
    settings.GATEWAY_TOKEN = "a-token"
    settings.GATEWAY_TIMEOUT = 10.0
    settings.GATEWAY_CONCURRENCY = 50
    gateway.control(token="a-token")
    yield
    gateway.control(latency=0, faults={}, poison={})


def never() -> bool:
    return False


def run(*, stopping: Callable[[], bool] = never, places: int = 1) -> int:
    return dispatch.run(stopping=stopping, places=places)


def until_finished(*mailings: Mailing, runs: int = 40) -> None:
    """Runs and ticks as the worker does, until the mailings are over and nothing of them is open."""
    for _ in range(runs):
        run()
        now = clock.now()
        queue.recover(now=now, lease_s=dispatch.lease_s(), chance=lambda: 0.0)
        operations.finish_done(now)
        operations.close_ended(now)
        if not Mailing.objects.filter(pk__in=[m.pk for m in mailings]).exclude(state="finished", closing=False):
            return
    raise AssertionError("still not finished")


def by_state(mailing: Mailing) -> dict[State, int]:
    assert tally.differences() == []
    return {state: number for state, number in tally.counts([mailing.pk])[mailing.pk].items() if number}


def test_everything_is_sent_once_with_the_right_text_to_the_right_phone(gateway: GatewayProcess) -> None:
    for name in ("Анна", "Пётр", ""):
        make_client(attributes={"name": name})
    make_clients(200)
    mailing = make_running_mailing(text="Hello, {{ name|you }}!")

    assert run() == 203

    assert by_state(mailing) == {State.SENT: 203}
    sent = {entry["id"]: entry["body"] for entry in gateway.journal()}
    assert len(gateway.journal()) == len(sent) == 203
    for message in mailing.messages.select_related("client"):
        assert message.client is not None
        name = message.client.attributes.get("name") or "you"
        phone = int(message.client.phone)
        assert sent[message.pk] == {"id": message.pk, "phone": phone, "text": f"Hello, {name}!"}
        attempt = message.attempt_log.get()
        assert (attempt.outcome, attempt.http_status, attempt.number) == ("sent", 200, 1)
        assert message.sent_at is not None
        assert attempt.started_at <= message.sent_at


def test_nothing_due_ends_the_run_and_frees_its_place() -> None:
    bell.dispatch(clock.now())

    assert run() == 0

    assert Lease.objects.get(name="dispatch-1").until <= clock.now()


def test_two_runs_never_hold_the_same_place(gateway: GatewayProcess) -> None:
    make_running_mailing(clients=1)
    bell.dispatch(clock.now(), places=2)
    held = clock.now() + timedelta(minutes=1)
    Lease.objects.filter(name="dispatch-1").update(until=held, holder="another")

    assert run(places=1) == 0
    assert run(places=2) == 1
    assert len(gateway.journal()) == 1


def test_500_and_hanging_and_the_end_leave_nothing_open_and_nothing_after_it(
    gateway: GatewayProcess, settings: Settings
) -> None:
    settings.GATEWAY_TIMEOUT = 0.5
    gateway.control(faults={"500": 0.10, "hang": 0.05})
    end = clock.now() + timedelta(seconds=5)
    mailing = make_running_mailing(clients=150, ends_at=end)

    until_finished(mailing)

    found = by_state(mailing)
    assert found.keys() <= {State.SENT, State.EXPIRED, State.UNKNOWN}
    assert sum(found.values()) == 150
    assert found[State.SENT] > 100
    requests = gateway.journal()
    assert max(entry["at"] for entry in requests) < end.timestamp()
    accepted = Counter(entry["id"] for entry in requests if entry["accepted"])
    assert set(accepted.values()) == {1}
    assert accepted.keys() == set(mailing.messages.filter(state=State.SENT).values_list("id", flat=True))
    # every request has its record, and every repeat follows one that was not clearly answered
    attempts = Counter(Attempt.objects.values_list("message_id", flat=True))
    assert attempts == Counter(entry["id"] for entry in requests)
    assert set(Attempt.objects.exclude(outcome="sent").values_list("outcome", flat=True)) == {"unknown"}


def test_with_hold_no_unknown_message_is_sent_again(gateway: GatewayProcess) -> None:
    # far from the half at which the gateway would be left alone, also among the first twenty answers
    gateway.control(faults={"500": 0.1, "reset": 0.05, "garbage": 0.05})
    mailing = make_running_mailing(clients=100, on_unknown="hold")

    run()

    found = by_state(mailing)
    assert found.keys() == {State.SENT, State.UNKNOWN}
    assert len(gateway.journal()) == 100
    assert found[State.SENT] == sum(entry["accepted"] for entry in gateway.journal())


def test_refused_messages_fail_and_keep_what_the_gateway_said(gateway: GatewayProcess) -> None:
    gateway.control(faults={"400": 1})
    mailing = make_running_mailing(clients=3)

    run()

    assert by_state(mailing) == {State.FAILED: 3}
    assert set(mailing.messages.values_list("reason", flat=True)) == {Reason.REFUSED}
    assert '"code": 400' in Attempt.objects.earliest("id").detail


def test_a_gateway_that_is_down_costs_nobody_his_message(gateway: GatewayProcess) -> None:
    mailing = make_running_mailing(clients=20)
    gateway.control(down=True)
    run(stopping=lambda: Attempt.objects.count() >= 20)
    assert by_state(mailing) == {State.QUEUED: 20}

    gateway.control(down=False)
    Message.objects.update(due_at=clock.now())
    pace.resume(SERVICE)
    run()

    assert by_state(mailing) == {State.SENT: 20}
    assert set(Message.objects.values_list("strikes", flat=True)) == {0}


def test_hold_counts_for_what_was_in_flight_when_it_was_said(gateway: GatewayProcess) -> None:
    gateway.control(latency="2s", faults={"500": 1})
    mailing = make_running_mailing(clients=5)

    def hold_once_in_flight() -> bool:
        if gateway.stats()["in_flight"] == 5 and mailing.on_unknown != "hold":
            operations.change(SERVICE, mailing.pk, on_unknown="hold")
            mailing.on_unknown = "hold"
        return False

    run(stopping=hold_once_in_flight)

    assert by_state(mailing) == {State.UNKNOWN: 5}
    assert gateway.stats()["requests"] == 5


def test_one_that_hangs_for_itself_holds_up_nobody(gateway: GatewayProcess, settings: Settings) -> None:
    settings.GATEWAY_CONCURRENCY = 4
    settings.GATEWAY_TIMEOUT = 1.5
    mailing = make_running_mailing(clients=60)
    first = mailing.messages.earliest("id").pk
    gateway.control(poison={str(first): "hang"})

    run(stopping=lambda: mailing.messages.filter(state=State.SENT).count() == 59)

    answers = {entry["id"]: entry["answer"] for entry in gateway.journal()}
    assert answers.pop(first) == "hang"
    assert set(answers.values()) == {200}


def test_two_mailings_share_the_places(gateway: GatewayProcess, settings: Settings) -> None:
    settings.GATEWAY_CONCURRENCY = 20
    gateway.control(latency="30ms")
    make_clients(400)
    make_clients(40, tag="few")
    big, small = make_running_mailing(), make_running_mailing(tags=("few",))

    run()

    owner = dict(Message.objects.values_list("id", "mailing"))
    order = [owner[entry["id"]] for entry in gateway.journal()]
    last_of_small = max(place for place, pk in enumerate(order) if pk == small.pk)
    assert order[: last_of_small + 1].count(big.pk) < 2 * order.count(small.pk)
    assert (by_state(big), by_state(small)) == ({State.SENT: 440}, {State.SENT: 40})


def test_two_mailings_share_a_limit(gateway: GatewayProcess, settings: Settings) -> None:
    settings.GATEWAY_RATE = 50.0
    first, second = make_running_mailing(clients=40), make_running_mailing()

    run()

    owner = dict(Message.objects.values_list("id", "mailing"))
    order = [owner[entry["id"]] for entry in gateway.journal()]
    assert Counter(order) == {first.pk: 40, second.pk: 40}
    assert 12 <= order[:40].count(first.pk) <= 28


def test_a_mailing_that_hangs_does_not_keep_another_from_its_start(
    gateway: GatewayProcess, settings: Settings
) -> None:
    settings.GATEWAY_CONCURRENCY = 40
    make_clients(60)
    hanging = make_running_mailing()
    gateway.control(poison={str(id_): "hang" for id_ in hanging.messages.values_list("id", flat=True)})
    late: list[Mailing] = []

    def launch_another_then() -> bool:
        if not late and gateway.stats()["in_flight"] >= 38:
            make_clients(3, tag="late")
            late.append(make_running_mailing(tags=("late",)))
        return bool(late) and late[0].messages.filter(state=State.SENT).count() == 3

    run(stopping=launch_another_then)

    assert by_state(late[0]) == {State.SENT: 3}
    assert set(hanging.messages.values_list("state", flat=True)) <= {State.QUEUED, State.SENT}


def test_a_stopped_run_claims_nothing_more_and_leaves_nothing_in_doubt(
    gateway: GatewayProcess, settings: Settings
) -> None:
    settings.GATEWAY_CONCURRENCY = 10
    gateway.control(latency="100ms")
    mailing = make_running_mailing(clients=100)

    run(stopping=lambda: len(gateway.journal()) >= 20)

    found = by_state(mailing)
    assert found.keys() == {State.SENT, State.QUEUED}
    assert found[State.SENT] == len(gateway.journal()) < 100
    assert set(mailing.messages.filter(state=State.QUEUED).values_list("attempts", flat=True)) == {0}


def test_a_pause_lets_nothing_more_out_and_resume_goes_on_without_repeats(
    gateway: GatewayProcess, settings: Settings
) -> None:
    settings.GATEWAY_CONCURRENCY = 5
    gateway.control(latency="20ms")
    mailing = make_running_mailing(clients=100)
    paused: list[int] = []

    def pause_soon() -> bool:
        if not paused and len(gateway.journal()) >= 20:
            operations.pause(SERVICE, mailing.pk)
            paused.append(len(gateway.journal()))
        return False

    run(stopping=pause_soon)
    assert len(gateway.journal()) <= paused[0] + 5
    assert by_state(mailing)[State.QUEUED] == 100 - len(gateway.journal())

    operations.resume(SERVICE, mailing.pk)
    run()

    assert by_state(mailing) == {State.SENT: 100}
    assert sorted(entry["id"] for entry in gateway.journal()) == sorted(
        mailing.messages.values_list("id", flat=True)
    )


def test_an_end_moved_later_while_a_request_is_in_flight_loses_nobody(gateway: GatewayProcess) -> None:
    mailing = make_running_mailing(clients=1, ends_at=clock.now() + timedelta(seconds=1.5))
    gateway.control(poison={str(mailing.messages.get().pk): ["hang", "ok"]})
    moved: list[Mailing] = []

    def move_the_end() -> bool:
        if not moved and gateway.journal():
            moved.append(operations.change(SERVICE, mailing.pk, ends_at=clock.now() + timedelta(hours=1)))
        return False

    run(stopping=move_the_end)
    Message.objects.filter(state=State.QUEUED).update(due_at=clock.now())
    run()

    assert by_state(mailing) == {State.SENT: 1}
    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["unknown", "sent"]


def test_an_answer_to_a_request_whose_lease_has_passed_settles_nothing_else(gateway: GatewayProcess) -> None:
    # as when the process was stopped for longer than the lease: others have recovered the message, it is due
    # again, and this run claims it before it has looked at the first answer
    mailing = make_running_mailing(clients=1)
    message = mailing.messages.get()
    gateway.control(poison={str(message.pk): ["slow:1", "slow:1.3"]})
    recovered: list[int] = []

    def lose_the_lease() -> bool:
        if not recovered and gateway.journal():
            later = clock.now() + timedelta(seconds=dispatch.lease_s() + 1)
            recovered.append(queue.recover(now=later, lease_s=dispatch.lease_s(), chance=lambda: 0.0))
            Message.objects.update(due_at=clock.now())
        return False

    run(stopping=lose_the_lease)

    assert recovered == [1]
    assert len(gateway.journal()) == 2
    assert by_state(mailing) == {State.SENT: 1}
    assert [attempt.cause for attempt in Attempt.objects.all()] == ["worker_lost", "accepted"]


@pytest.mark.parametrize("limit", ["ends_at", "lease_until"])
def test_what_the_claim_took_counts_against_the_deadline(limit: str) -> None:
    now = clock.now()
    job = Job(
        id=1,
        mailing_id=1,
        phone="79001234567",
        text="Hello",
        attempt=1,
        strikes=0,
        token=1,
        lease_until=now + timedelta(seconds=30 if limit == "lease_until" else 60),
        ends_at=now + timedelta(seconds=30 if limit == "ends_at" else 60),
        on_unknown=OnUnknown.RESEND,
    )

    request = dispatch._request(job, moment=1000.0, now=now)
    windowed = dispatch._request(replace(job, closes_at=now + timedelta(seconds=5)), moment=1000.0, now=now)

    assert request.deadline == request.begin_by == 1030.0
    assert (windowed.deadline, windowed.begin_by) == (1030.0, 1005.0)


def test_two_runs_at_once_send_everything_once(gateway: GatewayProcess) -> None:
    gateway.control(latency="20ms")
    mailing = make_running_mailing(clients=400)
    bell.dispatch(clock.now(), places=2)
    settled: list[int] = []

    def work() -> None:
        try:
            settled.append(run(places=2))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(settled) == 400
    assert by_state(mailing) == {State.SENT: 400}
    assert Counter(entry["id"] for entry in gateway.journal()).total() == 400


def test_a_mailing_that_breaks_the_claim_holds_up_no_other(gateway: GatewayProcess) -> None:
    make_clients(3)
    broken = make_running_mailing(text="Hello {{ name }}")
    Client.objects.update(attributes={"name": 5})  # past every door
    sound = make_running_mailing(text="Hello")

    assert run() == 3

    assert by_state(broken) == {State.QUEUED: 3}
    assert by_state(sound) == {State.SENT: 3}


def test_a_run_that_fails_still_writes_what_is_in_flight(gateway: GatewayProcess) -> None:
    gateway.control(latency="300ms")
    mailing = make_running_mailing(clients=20)

    def fail_in_flight() -> bool:
        if mailing.messages.filter(state=State.SENDING).exists():
            raise LookupError("nobody thought of this")
        return False

    with pytest.raises(LookupError):
        run(stopping=fail_in_flight)

    assert by_state(mailing) == {State.SENT: 20}
