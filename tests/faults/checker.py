"""The judge of the fault runs: holds the ledger and the gateway's journal against what was promised.

Pure, and by its own means: it knows neither the service's rules of windows nor its counts nor its texts. Each
violation is a sentence. Promises are numbered as in docs/reliability.md.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from tests.faults.evidence import Asked, Evidence, Order, Person, Row, Try, Version

# how long after a person's word a request that was begun before it may still arrive
IN_FLIGHT_S = 1.0
# how far the worker's reckoning of an attempt and the gateway's of a request may lie apart
SLACK_S = 0.25
DAY_S = 86_400
OPEN = {"queued", "sending"}
NOT_REACHED = {"expired"}
REPEATABLE = {"not_sent", "unknown"}
PLACEHOLDER = re.compile(r"\{\{ *(\w+) *(?:\|([^{}]*))?\}\}")


@dataclass(slots=True)
class Report:
    """What was found, and the figures of the run. `repeats` counts requests after the first of a message, by
    the cause recorded for the attempt before."""

    violations: list[str]
    messages: int
    requests: int
    repeats: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)


def check(evidence: Evidence) -> Report:
    """Every violation of the promises 1 to 7 and 10, in sentences, with the figures."""
    report = Report([], len(evidence.rows), len(evidence.requests))
    report.states.update(row.state for row in evidence.rows)
    report.violations += [
        *_conservation(evidence),
        *_nothing_left_over(evidence),
        *_counts(evidence),
        *_each_request(evidence),
        *_repeats(evidence, report.repeats),
        *_states(evidence),
    ]
    return report


# -- 1, 2 and 10: everybody is there, once, in a state, and is counted there ------------------------------


def _conservation(evidence: Evidence) -> Iterator[str]:
    """Exactly one row per recipient; those deleted since are nameless rows, as many as they are."""
    rows: defaultdict[int, Counter[int | None]] = defaultdict(Counter)
    for row in evidence.rows:
        rows[row.mailing][row.phone] += 1
    for order in evidence.orders.values():
        found = rows[order.id]
        nameless = found.pop(None, 0)
        missing = [phone for phone in order.recipients if phone not in found]
        twice = [phone for phone, number in found.items() if number > 1]
        strangers = [phone for phone in found if phone not in order.recipients]
        if len(missing) != nameless or any(evidence.people[phone].stopped_at is None for phone in missing):
            yield f"1: mailing {order.id} has {len(missing)} recipients without a row, {nameless} rows of nobody"
        yield from (f"1: mailing {order.id} has the recipient {phone} more than once" for phone in twice)
        yield from (f"1: mailing {order.id} has a row for {phone}, who is no recipient" for phone in strangers)


def _nothing_left_over(evidence: Evidence) -> Iterator[str]:
    for row in evidence.rows:
        if row.state in OPEN and row.mailing in evidence.orders and evidence.orders[row.mailing].is_over:
            yield f"2: message {row.id} is {row.state}, but its mailing is over"


def _counts(evidence: Evidence) -> Iterator[str]:
    counted = Counter((row.mailing, row.state) for row in evidence.rows)
    for key in sorted(counted.keys() | evidence.tally.keys()):
        if counted[key] != evidence.tally.get(key, 0):
            yield f"10: mailing {key[0]} has {counted[key]} {key[1]}, the tally says {evidence.tally.get(key, 0)}"


# -- 4 to 7: each request by itself -----------------------------------------------------------------------


def _each_request(evidence: Evidence) -> Iterator[str]:
    rows = {row.id: row for row in evidence.rows}
    phones: dict[int, int] = {}
    for request in evidence.requests:
        row = rows.get(request.id or 0)
        if row is None or row.mailing not in evidence.orders:
            yield f"1: the gateway was asked for the message {request.id}, which nobody ordered"
            continue
        person = evidence.people.get(request.phone)
        if person is None or phones.setdefault(row.id, request.phone) != request.phone:
            yield f"1: message {row.id} went to {request.phone}, another phone than its own"
        elif row.phone not in (None, request.phone):
            yield f"1: message {row.id} went to {request.phone}, its client has {row.phone}"
        else:
            yield from _one_request(request, person, evidence.orders[row.mailing])


def _one_request(request: Asked, person: Person, order: Order) -> Iterator[str]:
    name = f"message {request.id}"
    if request.at < order.starts_at:
        yield f"4: {name} was sent {order.starts_at - request.at:.3f} s before the start"
    if person.stopped_at is not None and request.at > person.stopped_at + IN_FLIGHT_S:
        yield f"6: {name} was sent {request.at - person.stopped_at:.3f} s after its client was stopped"
    objections = [list(_objections(request, person, version)) for version in _in_force(order, request.at)]
    if all(objections):
        yield from (f"{number}: {name} {sentence}" for number, sentence in objections[-1])


def _in_force(order: Order, at: float) -> list[Version]:
    """What the mailing said at that moment, and what it said when a request in flight then may have begun."""
    current = max(index for index, version in enumerate(order.versions) if version.since <= at)
    first = current
    while first > 0 and order.versions[first].since > at - IN_FLIGHT_S:
        first -= 1
    return list(order.versions[first : current + 1])


def _objections(request: Asked, person: Person, version: Version) -> Iterator[tuple[int, str]]:
    if request.at >= version.ends_at:
        yield 4, f"was sent {request.at - version.ends_at:.3f} s after the end"
    if not _is_open(version, person.zone, request.at):
        yield 5, f"was sent at {_local(person.zone, request.at)} in {person.zone}, outside the window"
    if not version.sending:
        yield 7, "was sent while its mailing was stopped"
    if request.text != _text(version.text, person):
        yield 1, f"had the text {request.text!r}"


def _is_open(version: Version, zone: str, at: float) -> bool:
    if version.window is None:
        return True
    start, until = map(_seconds_of_day, version.window)
    return (_seconds_of_day(_local(zone, at).time()) - start) % DAY_S < (until - start) % DAY_S


def _seconds_of_day(moment: time) -> float:
    return moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6


def _local(zone: str, at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))


def _text(template: str, person: Person) -> str:
    return PLACEHOLDER.sub(lambda match: person.attributes.get(match[1]) or (match[2] or "").strip(), template)


# -- 3: no repeat without an explanation ------------------------------------------------------------------


def _repeats(evidence: Evidence, repeats: Counter[str]) -> Iterator[str]:
    """Each request belongs to an attempt of its own, and follows one that may be followed."""
    tries, requests = _by_message(evidence)
    orders = {row.id: evidence.orders[row.mailing] for row in evidence.rows if row.mailing in evidence.orders}
    open_rows = {row.id for row in evidence.rows if row.state == "sending"}
    for id_, asked in requests.items():
        if id_ not in orders:
            continue
        waiting = list(tries.get(id_, ()))
        last: Try | None = None
        for number, request in enumerate(asked):
            if last is not None:
                repeats[last.cause] += 1
                yield from _may_follow(request, last, orders[id_])
            fitting = next((each for each in waiting if _covers(each, request)), None)
            if fitting is None:
                if not (id_ in open_rows and number == len(asked) - 1):
                    yield f"3: request {number + 1} for message {id_} belongs to no recorded attempt"
                continue
            waiting = waiting[waiting.index(fitting) + 1 :]
            last = fitting


def _by_message(evidence: Evidence) -> tuple[dict[int, list[Try]], dict[int, list[Asked]]]:
    tries: defaultdict[int, list[Try]] = defaultdict(list)
    requests: defaultdict[int, list[Asked]] = defaultdict(list)
    for attempt in sorted(evidence.tries, key=lambda each: each.number):
        tries[attempt.message].append(attempt)
    for request in sorted(evidence.requests, key=lambda each: each.at):
        if request.id is not None:
            requests[request.id].append(request)
    return tries, requests


def _covers(attempt: Try, request: Asked) -> bool:
    return attempt.began_at - SLACK_S <= request.at <= attempt.ended_at + SLACK_S


def _may_follow(request: Asked, before: Try, order: Order) -> Iterator[str]:
    if before.outcome not in REPEATABLE:
        yield f"3: message {request.id} was sent again after an attempt that was {before.outcome}"
    elif before.outcome == "unknown" and all(version.hold for version in _in_force(order, request.at)):
        yield f"3: message {request.id} was sent again after an unknown attempt ({before.cause}), despite hold"


# -- what the states say is so ----------------------------------------------------------------------------


def _states(evidence: Evidence) -> Iterator[str]:
    accepted = {request.id for request in evidence.requests if request.accepted}
    outcomes = Counter((each.message, each.outcome) for each in evidence.tries)
    for row in evidence.rows:
        yield from _one_state(row, accepted=row.id in accepted, sent=outcomes[row.id, "sent"])


def _one_state(row: Row, *, accepted: bool, sent: int) -> Iterator[str]:
    if row.state == "sent" and not accepted:
        yield f"2: message {row.id} is sent, but the gateway accepted no request for it"
    if sent != (row.state == "sent"):
        yield f"2: message {row.id} is {row.state}, with {sent} attempts recorded as sent"
    if row.state in NOT_REACHED and accepted:
        yield f"2: message {row.id} is {row.state}, but the gateway accepted it"
