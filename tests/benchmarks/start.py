"""How soon a mailing's first request reaches the gateway.

    .venv/bin/python -m tests.benchmarks.start [--mailings N] [--sqlite]

For mailings that the API is given with a start in the past: from the answer. For mailings planned ahead: from
their start. The reference is the promise: 2 s.
"""

import argparse
import statistics
import time
from datetime import UTC, datetime, timedelta

from tests.benchmarks.figures import Figure
from tests.benchmarks.service import Service, running_service

CLIENTS = 50
PROMISED_S = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mailings", type=int, default=20)
    parser.add_argument("--sqlite", action="store_true")
    options = parser.parse_args()
    with running_service(sqlite=options.sqlite) as service:
        rows = [{"phone": 79_000_000_000 + n, "timezone": "Europe/Moscow"} for n in range(CLIENTS)]
        service.post("/clients/batch", {"clients": rows})
        at_once = [_at_once(service) for _ in range(options.mailings)]
        planned = [_planned(service) for _ in range(options.mailings)]
    database = "SQLite" if options.sqlite else "PostgreSQL"
    for name, delays in (("at once", at_once), ("planned", planned)):
        what = f"`start`: first request of {len(delays)} mailings {name}, {database}"
        measured = f"after {statistics.median(delays):.2f} s, {max(delays):.2f} s at most"
        print(Figure(what, measured, "promised 2 s", max(delays) / PROMISED_S, "2 s"))


def _at_once(service: Service) -> float:
    service.gateway.control(reset_journal=True)
    _mailing(service, datetime.now(UTC) - timedelta(minutes=1))
    answered = time.time()
    return _first_request(service) - answered


def _planned(service: Service) -> float:
    service.gateway.control(reset_journal=True)
    start = datetime.now(UTC) + timedelta(seconds=3)
    _mailing(service, start)
    return _first_request(service) - start.timestamp()


def _mailing(service: Service, start: datetime) -> None:
    plan = {"text": "Hello", "everyone": True, "starts_at": start.isoformat()}
    service.post("/mailings", {**plan, "ends_at": (start + timedelta(hours=1)).isoformat()})


def _first_request(service: Service) -> float:
    """When the gateway got it (Unix seconds); returns once the whole mailing is through."""
    while service.gateway.stats()["requests"] < CLIENTS:
        time.sleep(0.05)
    return float(service.gateway.journal()[0]["at"])


if __name__ == "__main__":
    main()
