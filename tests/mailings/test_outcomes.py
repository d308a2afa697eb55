"""The outcome table of docs/reliability.md over real HTTP, line by line: what stands in the ledger afterwards."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest
from pytest_django.fixtures import Settings

from mailings import clock, dispatch, pace, policy, tally
from mailings.breaker import Flow
from mailings.gateway import EXCERPT_LENGTH, RETRY_AFTER_CAP_S, Cause, Kind
from mailings.models import Attempt, Mailing, Message
from mailings.policy import KIND_OF, OnUnknown, Reason, State
from tests.gateway_process import GatewayProcess
from tests.mailings.test_gateway_line import hanging_up, not_taking
from tests.makers import make_clients, make_running_mailing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

# what the clock of the ledger may be late, on a machine with much to do
LATE_S = 5.0
# where nobody answers: more than a machine with much to do needs for those who do
SOON_S = 3.0
BOTH = pytest.mark.parametrize("on_unknown", OnUnknown)


@dataclass(frozen=True)
class Line:
    """One line of the table: the cause, the status if there was one, and a part of what is kept as detail."""

    cause: Cause
    status: int | None = None
    detail: str = ""


SERVER_ERRORS = {
    str(status): Line(Cause.SERVER_ERROR, status, f'"code": {status}') for status in (500, 502, 503, 504)
}
REDIRECTS = {str(status): Line(Cause.REDIRECT, status) for status in (301, 302, 303, 307, 308)}
UNCLEAR = {
    **SERVER_ERRORS,
    "599": Line(Cause.SERVER_ERROR, 599),
    **REDIRECTS,
    "304": Line(Cause.REDIRECT, 304),
    "redirect": Line(Cause.REDIRECT, 307),
    "201": Line(Cause.OFF_CONTRACT, 201),
    "204": Line(Cause.OFF_CONTRACT, 204),
    "html": Line(Cause.OFF_CONTRACT, 200, "It works!"),
    "empty": Line(Cause.OFF_CONTRACT, 200),
    "code1": Line(Cause.OFF_CONTRACT, 200, "not today"),
    "wrongtype": Line(Cause.OFF_CONTRACT, 200, '"message": "OK"'),
    "list": Line(Cause.OFF_CONTRACT, 200, '[{"code": 0'),
    "notutf8": Line(Cause.OFF_CONTRACT, 200, "\ufffd"),
    "huge": Line(Cause.OFF_CONTRACT, 200, "AAAA"),
    "reset": Line(Cause.CONNECTION_LOST, None, "Connection"),
    "close": Line(Cause.CONNECTION_LOST, None, "ServerDisconnectedError"),
    "halfclose": Line(Cause.CONNECTION_LOST, None, "ServerDisconnectedError"),
    "truncate": Line(Cause.CONNECTION_LOST, None, "ClientPayloadError"),
    "garbage": Line(Cause.CONNECTION_LOST),
    "hang": Line(Cause.NO_ANSWER, None, "TimeoutError"),
    "drip": Line(Cause.NO_ANSWER, None, "TimeoutError"),
    "slow:30": Line(Cause.NO_ANSWER, None, "TimeoutError"),
}
REFUSALS = {
    str(status): Line(Cause.REFUSED, status, f'"code": {status}')
    for status in range(400, 500)
    if status not in (401, 403, 429)
}
CLEAR = {"slow:0.2": Line(Cause.ACCEPTED, 200, '"code": 0'), "closeidle": Line(Cause.ACCEPTED, 200, '"code": 0')}


@pytest.fixture(autouse=True)
def line(settings: Settings, gateway: GatewayProcess) -> Iterator[None]:
    settings.GATEWAY_URL, settings.GATEWAY_TOKEN = gateway.url, "a-token"
    settings.GATEWAY_TIMEOUT, settings.GATEWAY_CONCURRENCY = 10.0, 200
    yield
    gateway.reset()


def run(*, until: Callable[[], bool]) -> None:
    """One dispatch run. It ends when nothing is due any more, too; what it has in its hands it settles."""
    dispatch.run(stopping=until, places=1)


def all_tried() -> bool:
    return not Message.objects.filter(attempt_log=None).exists()


def two_turns_after_an_answer() -> Callable[[], bool]:
    """Each turn of the loop would claim what may be sent."""
    turns = count()
    return lambda: Attempt.objects.exists() and next(turns) >= 2


def give_each_a_fate(gateway: GatewayProcess, mailing: Mailing, faults: list[str]) -> dict[str, int]:
    """The first messages meet one fault each, every time; the others keep the contract."""
    ids = mailing.messages.order_by("id").values_list("id", flat=True)[: len(faults)]
    fates = dict(zip(faults, ids, strict=True))
    gateway.control(poison={str(pk): fault for fault, pk in fates.items()})
    return fates


def written(message: Message, expected: Line) -> Line:
    """What the attempts of a message say; the detail as expected when they have it."""
    (found,) = {
        (a.outcome, a.cause, a.http_status, expected.detail in a.detail) for a in message.attempt_log.all()
    }
    kind, cause, status, has_detail = found
    assert kind == KIND_OF[Cause(cause)]
    return Line(Cause(cause), status, expected.detail if has_detail else message.attempt_log.all()[0].detail)


def delay_s(message: Message) -> float:
    """The seconds from the last answer until it is due again."""
    last = message.attempt_log.last()
    assert last is not None
    assert last.duration_ms is not None
    answered_at = last.started_at + timedelta(milliseconds=last.duration_ms)
    return (message.due_at - answered_at).total_seconds()


def check_it_waits_for_a_retry(message: Message, reason: Reason, *, at_least_s: float = 0.0) -> None:
    """With jitter up to a second, doubled with each attempt; and at least as long as was told."""
    assert (message.state, message.reason) == (State.QUEUED, reason)
    ceiling_s = policy.RETRY_FIRST_S * 2 ** (message.attempts - 1)
    assert at_least_s - 1 <= delay_s(message) <= max(at_least_s, ceiling_s) + LATE_S
    assert message.lease_until is None


def ledger_is_whole(mailing: Mailing) -> None:
    assert tally.differences() == []
    assert Attempt.objects.count() == sum(mailing.messages.values_list("attempts", flat=True))


@BOTH
def test_what_gets_no_clear_answer_is_asked_again_or_held(
    gateway: GatewayProcess, on_unknown: OnUnknown, settings: Settings
) -> None:
    settings.GATEWAY_TIMEOUT = SOON_S
    mailing = make_running_mailing(clients=len(UNCLEAR) * 3, on_unknown=on_unknown)
    fates = give_each_a_fate(gateway, mailing, list(UNCLEAR))

    run(until=all_tried)

    ledger_is_whole(mailing)
    found = {fault: mailing.messages.get(pk=pk) for fault, pk in fates.items()}
    assert {fault: written(message, UNCLEAR[fault]) for fault, message in found.items()} == UNCLEAR
    for message in found.values():
        if on_unknown is OnUnknown.RESEND:
            check_it_waits_for_a_retry(message, Reason.RETRY_UNKNOWN)
        else:
            assert (message.state, message.reason, message.attempts) == (State.UNKNOWN, Reason.NO_ANSWER, 1)
    others = mailing.messages.exclude(pk__in=fates.values())
    assert set(others.values_list("state", "reason", "attempts")) == {(State.SENT, Reason.ACCEPTED, 1)}
    # a retry has the same id, and nothing was followed elsewhere
    requests = gateway.journal()
    assert len(requests) == Attempt.objects.count()
    assert {request["id"] for request in requests} == set(mailing.messages.values_list("id", flat=True))


@BOTH
def test_every_other_4xx_is_final_and_keeps_what_the_gateway_said(
    gateway: GatewayProcess, on_unknown: OnUnknown
) -> None:
    mailing = make_running_mailing(clients=len(REFUSALS), on_unknown=on_unknown)
    fates = give_each_a_fate(gateway, mailing, list(REFUSALS))

    run(until=all_tried)

    ledger_is_whole(mailing)
    found = {fault: mailing.messages.get(pk=pk) for fault, pk in fates.items()}
    assert {fault: written(message, REFUSALS[fault]) for fault, message in found.items()} == REFUSALS
    assert {(m.state, m.reason, m.attempts) for m in found.values()} == {(State.FAILED, Reason.REFUSED, 1)}
    assert len(gateway.journal()) == len(REFUSALS)


@BOTH
def test_the_contract_kept_clumsily_is_kept(gateway: GatewayProcess, on_unknown: OnUnknown) -> None:
    mailing = make_running_mailing(clients=len(CLEAR), on_unknown=on_unknown)
    fates = give_each_a_fate(gateway, mailing, list(CLEAR))

    run(until=all_tried)

    ledger_is_whole(mailing)
    found = {fault: mailing.messages.get(pk=pk) for fault, pk in fates.items()}
    assert {fault: written(message, CLEAR[fault]) for fault, message in found.items()} == CLEAR
    assert {(m.state, m.reason, m.attempts) for m in found.values()} == {(State.SENT, Reason.ACCEPTED, 1)}
    assert all(message.sent_at is not None for message in found.values())


@contextmanager
def nobody_there() -> Iterator[str]:
    """A port that is taken, and refuses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def nameless() -> Iterator[str]:
    """A name that no resolver knows (RFC 2606)."""
    yield "http://gateway.invalid"


NEVER_LEFT = {
    "dns": (nameless, "gateway.invalid"),
    "refused": (nobody_there, "Connect call failed"),
    "connect timeout": (not_taking, "imeout"),
    "reset while agreeing on TLS": (hanging_up, "Cannot connect"),
}


@BOTH
@pytest.mark.parametrize(("place", "detail"), NEVER_LEFT.values(), ids=NEVER_LEFT.keys())
def test_what_never_left_is_not_sent_and_asked_again_whatever_the_mailing_says_of_unknown(
    place: Callable[[], object], detail: str, on_unknown: OnUnknown, settings: Settings
) -> None:
    settings.GATEWAY_TIMEOUT = SOON_S
    mailing = make_running_mailing(clients=1, on_unknown=on_unknown)

    with place() as settings.GATEWAY_URL:  # type: ignore[attr-defined]  # one of the places above
        run(until=all_tried)

    message = mailing.messages.get()
    ledger_is_whole(mailing)
    assert written(message, Line(Cause.NO_CONNECTION, None, detail)) == Line(Cause.NO_CONNECTION, None, detail)
    check_it_waits_for_a_retry(message, Reason.RETRY_NOT_SENT)
    assert message.strikes == 0


@BOTH
def test_a_gateway_that_speaks_no_tls_gets_nothing(
    gateway: GatewayProcess, on_unknown: OnUnknown, settings: Settings
) -> None:
    settings.GATEWAY_URL = gateway.url.replace("http:", "https:")
    mailing = make_running_mailing(clients=1, on_unknown=on_unknown)

    run(until=all_tried)

    message = mailing.messages.get()
    assert written(message, Line(Cause.NO_CONNECTION)) == Line(Cause.NO_CONNECTION)
    check_it_waits_for_a_retry(message, Reason.RETRY_NOT_SENT)
    assert gateway.journal() == []


TOLD = {
    "429:7": 7.0,
    "503:7": 7.0,
    "429:date+300": 300.0,
    "503:date+300": 300.0,
    "429:99999": RETRY_AFTER_CAP_S,
    "503:date+99999": RETRY_AFTER_CAP_S,
}
NONSENSE = ["429", "429:soon", "503:soon", "429:-5", "503:0", "429:date-300"]


@BOTH
@pytest.mark.parametrize(("fault", "told_s"), TOLD.items(), ids=TOLD.keys())
def test_told_to_slow_down_the_message_and_the_whole_gateway_wait_as_long(
    gateway: GatewayProcess, settings: Settings, fault: str, told_s: float, on_unknown: OnUnknown
) -> None:
    settings.GATEWAY_CONCURRENCY = 1
    make_clients(3)
    mailing = make_running_mailing(on_unknown=on_unknown)
    make_running_mailing(on_unknown=on_unknown)
    gateway.control(faults={fault: 1})

    run(until=two_turns_after_an_answer())

    (message,) = Message.objects.exclude(attempt_log=None)
    expected = Line(Cause.THROTTLED, int(fault[:3]), f'"code": {fault[:3]}')
    assert written(message, expected) == expected
    check_it_waits_for_a_retry(message, Reason.RETRY_THROTTLED, at_least_s=told_s)
    assert message.strikes == 0
    now = clock.now()
    condition = pace.condition(pace.current(now))
    assert condition.flow is Flow.WAITING
    assert condition.until is not None
    assert told_s - LATE_S - 1 <= (condition.until - now).total_seconds() <= told_s
    assert len(gateway.journal()) == 1, "both mailings wait"
    assert mailing.messages.filter(state=State.QUEUED, attempts=0).count() >= 2


@BOTH
@pytest.mark.parametrize("fault", NONSENSE)
def test_told_nonsense_the_message_waits_its_own_time_and_the_others_go_on(
    gateway: GatewayProcess, fault: str, on_unknown: OnUnknown
) -> None:
    mailing = make_running_mailing(clients=5, on_unknown=on_unknown)
    fates = give_each_a_fate(gateway, mailing, [fault])

    run(until=all_tried)

    message = mailing.messages.get(pk=fates[fault])
    expected = Line(Cause.THROTTLED, int(fault[:3]))
    assert written(message, expected) == expected
    check_it_waits_for_a_retry(message, Reason.RETRY_THROTTLED)
    assert pace.condition(pace.current(clock.now())).flow is Flow.FLOWING
    assert mailing.messages.filter(state=State.SENT).count() == 4


@BOTH
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_stops_the_gateway_for_every_mailing_and_fails_nobody(
    gateway: GatewayProcess, settings: Settings, status: int, on_unknown: OnUnknown
) -> None:
    settings.GATEWAY_CONCURRENCY = 1
    make_clients(3)
    make_running_mailing(on_unknown=on_unknown)
    make_running_mailing(on_unknown=on_unknown)
    gateway.control(faults={str(status): 1})

    run(until=two_turns_after_an_answer())

    (message,) = Message.objects.exclude(attempt_log=None)
    expected = Line(Cause.UNAUTHORISED, status, f'"code": {status}')
    assert written(message, expected) == expected
    check_it_waits_for_a_retry(message, Reason.RETRY_UNAUTHORISED)
    condition = pace.condition(pace.current(clock.now()))
    assert condition.flow is Flow.UNAUTHORISED
    assert str(status) in condition.detail
    assert len(gateway.journal()) == 1
    assert set(Message.objects.values_list("state", flat=True)) == {State.QUEUED}


def test_no_more_than_512_characters_of_an_answer_are_kept(gateway: GatewayProcess) -> None:
    make_running_mailing(clients=1)
    gateway.control(faults={"huge": 1})

    run(until=all_tried)

    assert {len(attempt.detail) for attempt in Attempt.objects.all()} == {EXCERPT_LENGTH}


def test_every_cause_that_http_can_show_has_its_line_here() -> None:
    shown = {line.cause for lines in (UNCLEAR, REFUSALS, CLEAR) for line in lines.values()}
    others = {Cause.NO_CONNECTION, Cause.THROTTLED, Cause.UNAUTHORISED}

    # what is not begun leaves no attempt; a lost worker is in tests/faults; a bug is no observation
    assert shown | others == set(Cause) - {Cause.NOT_BEGUN, Cause.WORKER_LOST, Cause.BUG}
    assert {KIND_OF[cause] for cause in shown | others} == set(Kind)
