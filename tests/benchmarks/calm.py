"""Whether the gateway's trouble stays the gateway's: the API and the console idle, and in mid-mailing.

    .venv/bin/python -m tests.benchmarks.calm [--requests N] [--sqlite]

In the second run a large mailing is under way and the gateway answers 10 % of its requests with 500 and lets 5 %
hang. Prints p50 and p95 of each address; the reference is the idle run, the ratio that of the p95.
"""

import argparse
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import requests

from tests.benchmarks.figures import Figure, Times, timed
from tests.benchmarks.service import Service, running_service, signed_in

CLIENTS = 60_000
BATCH = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=150)
    parser.add_argument("--sqlite", action="store_true")
    options = parser.parse_args()
    with running_service(sqlite=options.sqlite, latency="500ms") as service:
        mailing = _prepare(service)
        console = signed_in(service)
        addresses = {
            "API, mailings": (service.session, "/api/v1/mailings"),
            "API, one mailing": (service.session, f"/api/v1/mailings/{mailing}"),
            "API, clients": (service.session, "/api/v1/clients"),
            "console, dashboard": (console, "/"),
            "console, mailing": (console, f"/mailings/{mailing}"),
            "console, clients": (console, "/clients/"),
        }
        idle = _measure(service, addresses, options.requests)
        service.gateway.control(faults={"500": 0.1, "hang": 0.05})
        service.post(f"/mailings/{mailing}/launch", {})
        while not service.gateway.stats()["requests"]:
            time.sleep(0.1)
        busy = _measure(service, addresses, options.requests)
        state = service.session.get(f"{service.url}/api/v1/mailings/{mailing}").json()["state"]
        assert state == "running", "the mailing was over before the measurement"
    database = "SQLite" if options.sqlite else "PostgreSQL"
    for name in addresses:
        quiet, trouble = idle[name], busy[name]
        what = f"`calm`: {name}, {database}"
        print(Figure(what, f"{trouble} in trouble", f"{quiet} idle", trouble.p95 / quiet.p95, "p95 at most 1.3"))


def _prepare(service: Service) -> int:
    for start in range(0, CLIENTS, BATCH):
        numbers = range(79_000_000_000 + start, 79_000_000_000 + start + BATCH)
        rows = [{"phone": number, "timezone": "Europe/Moscow", "tag": "all"} for number in numbers]
        service.post("/clients/batch", {"clients": rows})
    now = datetime.now(UTC)
    window = {"starts_at": now.isoformat(), "ends_at": (now + timedelta(hours=1)).isoformat()}
    plan = {"text": "Hello", "filter": {"operator_codes": [], "tags": ["all"]}, "draft": True, **window}
    return int(str(service.post("/mailings", plan)["id"]))


def _measure(
    service: Service, addresses: dict[str, tuple[requests.Session, str]], number: int
) -> dict[str, Times]:
    """Each address asked in turn, so that what disturbs meets all."""
    durations: dict[str, list[float]] = {name: [] for name in addresses}
    for _ in range(number):
        for name, (session, path) in addresses.items():
            durations[name].append(timed(partial(service.get, path, session)))
    return {name: Times.of(took) for name, took in durations.items()}


if __name__ == "__main__":
    main()
