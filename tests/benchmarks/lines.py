"""What a log line of a message costs in processor time, against a bare `json.dumps` of its facts in the same run.

    .venv/bin/python -m tests.benchmarks.lines [--lines N]

Each kind of line is written to a file, fifty at a time, as a dispatch run writes them.
"""

import argparse
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.benchmarks.figures import Figure

BATCH = 50
REQUEST = "7f1d2e33-4444-4555-8666-777788889999"
FACTS = {
    "timestamp": "2026-11-21T12:00:00.123456Z",
    "level": "info",
    "logger": "mailings.chronicle",
    "event": "message claimed",
    "mailing_id": 7,
    "message_id": 123456,
    "client_id": 123456,
    "attempt": 1,
    "request_id": REQUEST,
    "user": 3,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=50_000)
    number = parser.parse_args().lines
    with tempfile.TemporaryDirectory(prefix="vestnik-bench-") as folder:
        _set_up(folder)
        for figure in _figures(number, f"{folder}/lines"):
            print(figure)


def _set_up(folder: str) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{folder}/none.sqlite3", "SECRET_KEY": secrets.token_hex(32)}
    os.environ |= {
        **settings,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "INFO",
    }
    import django

    django.setup()


def _figures(number: int, path: str) -> list[Figure]:
    from config import logs

    with open(path, "w", encoding="utf-8") as file:
        logs.lead_to(file)
        bare = _microseconds(lambda _: [file.write(f"{json.dumps(FACTS)}\n") for _ in range(BATCH)], range(number))
        figures = [
            _figure(f"`lines`: {event}, {BATCH} at a time", _microseconds(write, facts), bare)
            for event, (write, facts) in _kinds(number).items()
        ]
        ordinary, few = logs.logger("benchmark"), range(number // 20)
        told = {name: FACTS[name] for name in ("mailing_id", "message_id", "client_id", "attempt", "request_id")}
        slow = _microseconds(lambda _: [ordinary.info("message claimed", **told) for _ in range(BATCH)], few)
        return [*figures, _figure("`lines`: the same by `logger.info`", slow, bare)]


def _kinds(number: int) -> dict[str, tuple[Callable[[Any], None], Sequence[object]]]:
    """By event, what writes its lines, and of what."""
    from config import logs
    from mailings import chronicle
    from mailings.gateway import Cause, Kind, Outcome
    from mailings.policy import Job, OnUnknown, Reason, State, Verdict

    now, accepted = datetime.now(UTC), Outcome(Kind.SENT, Cause.ACCEPTED, 200, '{"code": 0, "message": "OK"}')
    sent = Verdict(State.SENT, Reason.ACCEPTED)
    about = chronicle.about(7, logs.fields(request_id=REQUEST, user=3))
    common = {"attempt": 1, "strikes": 0, "token": 5, "lease_until": now, "ends_at": now}
    text, hold = f"Hello {'word ' * 30}", OnUnknown.HOLD
    jobs = [
        Job(n, 7, "79001234567", text, **common, on_unknown=hold, told=about(chronicle.Ids(n, n)))  # type: ignore[arg-type]
        for n in range(number)
    ]
    return {
        "message claimed": (chronicle.claimed, jobs),
        "gateway answer": (chronicle.answered, [(job, accepted, 0.05) for job in jobs]),
        "message settled": (chronicle.settled, [(job, accepted, sent) for job in jobs]),
    }


def _figure(what: str, took: float, bare: float) -> Figure:
    return Figure(what, f"{took:.1f} µs of processor", f"`json.dumps` and a write {bare:.1f} µs", took / bare)


def _microseconds(write: Callable[[Any], object], facts: Sequence[object]) -> float:
    """Processor time for each of `facts`, written `BATCH` at a time."""
    began = time.process_time()
    for start in range(0, len(facts), BATCH):
        write(facts[start : start + BATCH])
    return (time.process_time() - began) / len(facts) * 1_000_000


if __name__ == "__main__":
    main()
