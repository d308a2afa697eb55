"""Whether the gateway's trouble stays the gateway's: the API and the console idle, and in mid-mailing.

    .venv/bin/python -m tests.benchmarks.calm [--requests N] [--sqlite]

In the second run a large mailing is under way and the gateway answers 10 % of its requests with 500 and lets 5 %
hang. Prints p50 and p95 of each address and their ratio to the idle run, the reference.
"""

import argparse
import re
import statistics
import time
from datetime import UTC, datetime, timedelta

import requests

from tests.benchmarks.service import Service, running_service

CLIENTS = 60_000
BATCH = 10_000
PASSWORD = "benchmark only"
EMAIL = "benchmark@example.com"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=150)
    parser.add_argument("--sqlite", action="store_true")
    options = parser.parse_args()
    with running_service(sqlite=options.sqlite, latency="500ms") as service:
        mailing = _prepare(service)
        console = _signed_in(service)
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
    for name in addresses:
        (p50, p95), (busy_p50, busy_p95) = idle[name], busy[name]
        print(
            f"{name:20} idle {p50:6.1f} / {p95:6.1f} ms   in trouble {busy_p50:6.1f} / {busy_p95:6.1f} ms   "
            f"ratio {busy_p50 / p50:.2f} / {busy_p95 / p95:.2f}"
        )


def _prepare(service: Service) -> int:
    for start in range(0, CLIENTS, BATCH):
        numbers = range(79_000_000_000 + start, 79_000_000_000 + start + BATCH)
        rows = [{"phone": number, "timezone": "Europe/Moscow", "tag": "all"} for number in numbers]
        service.post("/clients/batch", {"clients": rows})
    now = datetime.now(UTC)
    window = {"starts_at": now.isoformat(), "ends_at": (now + timedelta(hours=1)).isoformat()}
    plan = {"text": "Hello", "filter": {"operator_codes": [], "tags": ["all"]}, "draft": True, **window}
    return int(str(service.post("/mailings", plan)["id"]))


def _signed_in(service: Service) -> requests.Session:
    import django

    django.setup()
    from accounts.models import User
    from accounts.roles import Role

    User.objects.create_user(EMAIL, PASSWORD, role=Role.OPERATOR)
    session = requests.Session()
    page = session.get(f"{service.url}/sign-in/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    form = {"csrfmiddlewaretoken": token[1], "login": EMAIL, "password": PASSWORD}
    answer = session.post(f"{service.url}/sign-in/", data=form, headers={"Referer": service.url})
    assert "/sign-in/" not in answer.url
    return session


def _measure(
    service: Service, addresses: dict[str, tuple[requests.Session, str]], number: int
) -> dict[str, tuple[float, float]]:
    """(p50, p95) in milliseconds of each address, asked in turn."""
    durations: dict[str, list[float]] = {name: [] for name in addresses}
    for _ in range(number):
        for name, (session, path) in addresses.items():
            began = time.monotonic()
            session.get(service.url + path).raise_for_status()
            durations[name].append((time.monotonic() - began) * 1000)
    return {
        name: (statistics.median(took), statistics.quantiles(took, n=20)[18]) for name, took in durations.items()
    }


if __name__ == "__main__":
    main()
