"""Reads what workers have written, and holds a message's lines against the ledger."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mailings.models import Attempt, Message

Line = Mapping[str, Any]
STATED = ("message settled", "message moved")


def lines(folder: Path) -> list[Line]:
    """Every line of every log in the folder, in the order of time. Each must be JSON."""
    found = [json.loads(line) for path in sorted(folder.glob("*.log")) for line in path.read_text().splitlines()]
    return sorted(found, key=lambda line: str(line["timestamp"]))


def by_message(found: Iterable[Line]) -> dict[int, list[Line]]:
    told: defaultdict[int, list[Line]] = defaultdict(list)
    for line in found:
        if "message_id" in line:
            told[line["message_id"]].append(line)
    return told


def gaps(message: Message, told: list[Line]) -> Iterator[str]:
    """What the ledger knows of a message and its lines do not tell, or tell otherwise."""
    ids = {"mailing_id": message.mailing_id, "client_id": message.client_id}
    for line in told:
        if any(line[name] != value for name, value in ids.items()):
            yield f"message {message.pk}: foreign ids in {line}"
    if not _of(told, "message queued"):
        yield f"message {message.pk}: nobody says that it was queued"
    for attempt in message.attempt_log.order_by("number"):
        yield from _gaps_of_attempt(attempt, told)
    last = [line for line in told if line["event"] in STATED]
    if not last or (last[-1]["state"], last[-1]["reason"]) != (message.state, message.reason):
        yield f"message {message.pk}: is {message.state}, {message.reason}; told: {last[-1:]}"


def _gaps_of_attempt(attempt: Attempt, told: list[Line]) -> Iterator[str]:
    name = f"message {attempt.message_id}, attempt {attempt.number}"
    if not _of(told, "message claimed", attempt.number):
        yield f"{name}: nobody says that it was claimed"
    settled = _of(told, "message settled", attempt.number)
    if not settled or (settled[-1]["outcome"], settled[-1]["cause"]) != (attempt.outcome, attempt.cause):
        yield f"{name}: came to {attempt.outcome}, {attempt.cause}; told: {settled}"
    if attempt.cause == "worker_lost":  # who knows what else came of it is gone
        return
    if not _of(told, "gateway request", attempt.number):
        yield f"{name}: nobody says that it was begun"
    answers = [(line["cause"], line.get("http_status")) for line in _of(told, "gateway answer", attempt.number)]
    if (attempt.cause, attempt.http_status) not in answers:
        yield f"{name}: came to {attempt.cause}, {attempt.http_status}; answers told: {answers}"


def _of(told: list[Line], event: str, number: int | None = None) -> list[Line]:
    return [line for line in told if line["event"] == event and number in (None, line.get("attempt"))]
