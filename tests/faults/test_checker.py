"""The judge is judged: an honest run is green, and every planted violation makes it red."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import pytest

from tests.faults.checker import check
from tests.faults.evidence import Asked, Evidence, Order, Person, Row, Try, Version

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC).timestamp()
START, END = NOON, NOON + 600
ANN, BOB, EVE = 79_000_000_001, 79_000_000_002, 79_000_000_003
PEOPLE = {
    ANN: Person(ANN, "Europe/Moscow", {"name": "Ann"}),
    BOB: Person(BOB, "Asia/Omsk", {"name": "Bob"}),
    EVE: Person(EVE, "Europe/Moscow", {}),
}
TEXTS = {ANN: "Hello Ann", BOB: "Hello Bob", EVE: "Hello you"}
Plant = Callable[[Evidence], Evidence]


def honest() -> Evidence:
    """Two mailings to three people: the first resends (Bob's second request came through), the second holds (Bob
    is held); Eve's messages waited in vain. It is noon in Greenwich, 15:00 in Moscow, 18:00 in Omsk."""
    version = Version(0.0, "Hello {{ name|you }}", END, (time(14), time(19)))
    people = frozenset(PEOPLE)
    return Evidence(
        orders={
            1: Order(1, START, people, (version,)),
            2: Order(2, START, people, (replace(version, hold=True),)),
        },
        people=PEOPLE,
        rows=(
            *(Row(11, 1, ANN, "sent"), Row(12, 1, BOB, "sent"), Row(13, 1, EVE, "expired")),
            *(Row(21, 2, ANN, "sent"), Row(22, 2, BOB, "unknown"), Row(23, 2, EVE, "expired")),
        ),
        tries=(
            *(attempt(11, 1, 5), attempt(12, 1, 5, "unknown", "no_answer"), attempt(12, 2, 9)),
            *(attempt(21, 1, 5), attempt(22, 1, 5, "unknown", "worker_lost")),
            attempt(23, 1, 5, "not_sent", "no_connection"),
        ),
        requests=(
            *(asked(11, ANN, 5), asked(12, BOB, 5, accepted=False), asked(12, BOB, 9)),
            *(asked(21, ANN, 5), asked(22, BOB, 5)),
        ),
        tally={(1, "sent"): 2, (1, "expired"): 1, (2, "sent"): 1, (2, "unknown"): 1, (2, "expired"): 1},
    )


def attempt(message: int, number: int, after_s: float, outcome: str = "sent", cause: str = "accepted") -> Try:
    return Try(message, number, START + after_s - 0.1, START + after_s + 0.1, outcome, cause)


def asked(message: int, phone: int, after_s: float, *, accepted: bool = True) -> Asked:
    return Asked(START + after_s, message, phone, TEXTS[phone], accepted)


def with_request(request: Asked, *tries: Try) -> Plant:
    return lambda run: replace(run, requests=(*run.requests, request), tries=(*run.tries, *tries))


def with_row(id_: int, **fields: Any) -> Plant:
    """The row changed, and the tally with it."""

    def plant(run: Evidence) -> Evidence:
        rows = tuple(replace(row, **fields) if row.id == id_ else row for row in run.rows)
        return replace(run, rows=rows, tally=recount(rows))

    return plant


def without_row(id_: int) -> Plant:
    def plant(run: Evidence) -> Evidence:
        rows = tuple(row for row in run.rows if row.id != id_)
        return replace(run, rows=rows, tally=recount(rows))

    return plant


def with_first_request(**fields: Any) -> Plant:
    """Ann's message of the first mailing, asked for in another way; its attempt was at that time, too."""

    def plant(run: Evidence) -> Evidence:
        first = replace(run.requests[0], **fields)
        tries = (replace(run.tries[0], began_at=first.at, ended_at=first.at), *run.tries[1:])
        return replace(run, requests=(first, *run.requests[1:]), tries=tries)

    return plant


def with_person(phone: int, **fields: Any) -> Plant:
    return lambda run: replace(run, people={**run.people, phone: replace(run.people[phone], **fields)})


def with_version(mailing: int, **fields: Any) -> Plant:
    """The mailing was told something else a second after its start."""

    def plant(run: Evidence) -> Evidence:
        order = run.orders[mailing]
        changed = replace(order.versions[-1], since=START + 1, **fields)
        return replace(run, orders={**run.orders, mailing: replace(order, versions=(*order.versions, changed))})

    return plant


def recount(rows: tuple[Row, ...]) -> dict[tuple[int, str], int]:
    keys = [(row.mailing, row.state) for row in rows]
    return {key: keys.count(key) for key in keys}


PLANTED: dict[str, tuple[Plant, str]] = {
    "a repeat after a success": (
        with_request(asked(11, ANN, 7), attempt(11, 2, 7, "unknown", "no_answer")),
        "3: message 11 was sent again after an attempt that was sent",
    ),
    "a repeat after a refusal": (
        lambda run: replace(
            with_request(asked(12, BOB, 7), attempt(12, 3, 12))(run),
            tries=tuple(
                replace(each, outcome="refused") if (each.message, each.number) == (12, 1) else each
                for each in run.tries
            ),
        ),
        "3: message 12 was sent again after an attempt that was refused",
    ),
    "a request that no attempt tells of": (
        with_request(asked(12, BOB, 7)),
        "3: request 2 for message 12 belongs to no recorded attempt",
    ),
    "a first request that no attempt tells of": (
        with_request(asked(13, EVE, 7, accepted=False)),
        "3: request 1 for message 13 belongs to no recorded attempt",
    ),
    "two requests in one attempt": (
        with_request(asked(11, ANN, 5.01)),
        "3: request 2 for message 11 belongs to no recorded attempt",
    ),
    "a held message sent again": (
        with_request(asked(22, BOB, 9), attempt(22, 2, 9, "unknown", "no_answer")),
        "3: message 22 was sent again after an unknown attempt (worker_lost), despite hold",
    ),
    "a second after the end": (with_first_request(at=END + 1), "4: message 11 was sent 1.000 s after the end"),
    "exactly at the end": (with_first_request(at=END), "4: message 11 was sent 0.000 s after the end"),
    "a second before the start": (
        with_first_request(at=START - 1),
        "4: message 11 was sent 1.000 s before the start",
    ),
    "after an end that was moved to earlier": (
        with_version(1, ends_at=START + 3),
        "4: message 11 was sent 2.000 s after the end",
    ),
    "before the window of his zone": (
        with_person(ANN, zone="Europe/London"),
        "5: message 11 was sent at 2026-06-01 13:00:05+01:00 in Europe/London, outside the window",
    ),
    "after the window of his zone": (
        with_person(ANN, zone="Asia/Novosibirsk"),
        "5: message 11 was sent at 2026-06-01 19:00:05+07:00 in Asia/Novosibirsk, outside the window",
    ),
    "a client who opted out": (
        with_person(ANN, stopped_at=START + 2),
        "6: message 11 was sent 3.000 s after its client was stopped",
    ),
    "a mailing that was paused": (
        with_version(1, sending=False),
        "7: message 11 was sent while its mailing was stopped",
    ),
    "a text that nobody wrote": (
        with_first_request(text="Hello Bob"),
        "1: message 11 had the text 'Hello Bob'",
    ),
    "a text that was changed long ago": (with_version(1, text="Bye"), "1: message 11 had the text 'Hello Ann'"),
    "somebody else's phone": (
        with_first_request(phone=EVE),
        f"1: message 11 went to {EVE}, its client has {ANN}",
    ),
    "a phone that nobody has": (
        with_first_request(phone=79_999_999_999),
        "1: message 11 went to 79999999999, another phone than its own",
    ),
    "a message that nobody ordered": (
        with_request(asked(99, ANN, 5)),
        "1: the gateway was asked for the message 99, which nobody ordered",
    ),
    "a lost row": (without_row(13), "1: mailing 1 has 1 recipients without a row, 0 rows of nobody"),
    "a nameless row of somebody who was not deleted": (
        with_row(13, phone=None),
        "1: mailing 1 has 1 recipients without a row, 1 rows of nobody",
    ),
    "a recipient twice": (with_row(13, phone=BOB), f"1: mailing 1 has the recipient {BOB} more than once"),
    "a row for a stranger": (
        with_row(13, phone=79_999_999_999),
        "1: mailing 1 has a row for 79999999999, who is no recipient",
    ),
    "a message left waiting": (with_row(13, state="queued"), "2: message 13 is queued, but its mailing is over"),
    "sent without acceptance": (
        with_first_request(accepted=False),
        "2: message 11 is sent, but the gateway accepted no request for it",
    ),
    "sent without an attempt": (
        with_row(22, state="sent"),
        "2: message 22 is sent, with 0 attempts recorded as sent",
    ),
    "an accepted message called expired": (
        with_row(22, state="expired"),
        "2: message 22 is expired, but the gateway accepted it",
    ),
    "an attempt of a success that the state denies": (
        with_row(11, state="unknown"),
        "2: message 11 is unknown, with 1 attempts recorded as sent",
    ),
    "a wrong tally": (
        lambda run: replace(run, tally={**run.tally, (1, "sent"): 3}),
        "10: mailing 1 has 2 sent, the tally says 3",
    ),
    "a tally of what is not there": (
        lambda run: replace(run, tally={**run.tally, (2, "failed"): 1}),
        "10: mailing 2 has 0 failed, the tally says 1",
    ),
}


def test_an_honest_run_is_green_and_its_repeat_is_explained() -> None:
    report = check(honest())

    assert report.violations == []
    assert (report.messages, report.requests) == (6, 5)
    assert report.repeats == {"no_answer": 1}
    assert report.states == {"sent": 3, "unknown": 1, "expired": 2}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda name: name.replace(" ", "-"))
def test_a_planted_violation_is_found(plant: str) -> None:
    violate, sentence = PLANTED[plant]

    report = check(violate(honest()))

    assert sentence in report.violations


EXCUSED: dict[str, Plant] = {
    "a text changed half a second before": with_version(1, text="Hello {{ name|you }}!"),
    "paused half a second before": with_version(1, sending=False),
    "ended half a second before": with_version(1, ends_at=START + 1),
}


@pytest.mark.parametrize("plant", EXCUSED, ids=lambda name: name.replace(" ", "-"))
def test_what_was_in_flight_when_a_person_spoke_is_no_violation(plant: str) -> None:
    run = EXCUSED[plant](with_first_request(at=START + 1.5)(honest()))

    late = [sentence for sentence in check(run).violations if "message 11 " in sentence]

    assert late == []


def test_a_request_in_flight_when_its_client_was_stopped_is_no_violation() -> None:
    assert check(with_person(ANN, stopped_at=START + 4.5)(honest())).violations == []


def test_a_deleted_client_is_a_nameless_row() -> None:
    run = with_row(13, phone=None)(honest())
    run = with_row(23, phone=None)(run)

    assert check(with_person(EVE, stopped_at=START + 7)(run)).violations == []


def test_the_request_of_a_message_that_is_on_its_way_needs_no_attempt_yet() -> None:
    run = with_row(13, state="sending")(with_request(asked(13, EVE, 7))(honest()))
    order = replace(run.orders[1], is_over=False)

    assert check(replace(run, orders={**run.orders, 1: order})).violations == []


def test_a_window_across_midnight_is_open_on_both_sides_of_it() -> None:
    night = replace(honest().orders[1].versions[0], window=(time(18), time(16)))
    run = honest()
    orders = {
        key: replace(order, versions=(replace(order.versions[0], window=night.window, hold=order.id == 2),))
        for key, order in run.orders.items()
    }

    assert check(replace(run, orders=orders)).violations == []
