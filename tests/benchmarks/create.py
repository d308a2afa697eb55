"""What creating a mailing by the API costs, whatever its audience.

    .venv/bin/python -m tests.benchmarks.create [--requests N] [--clients N] [--messages N] [--url URL] [--sqlite]

The reference is the same mailing for a tag that one client has.
"""

import argparse
from datetime import UTC, datetime, timedelta
from functools import partial

from tests.benchmarks import ledger
from tests.benchmarks.figures import Figure, Times, timed
from tests.benchmarks.service import Service, running_service

WARM_UP = 10  # what every process does once is not the request's
LONELY = "the only one"
AUDIENCES: dict[str, dict[str, object]] = {
    "everyone": {"everyone": True},
    "a tag of many": {"filter": {"operator_codes": [], "tags": ["regular"]}},
    "a code and a tag": {"filter": {"operator_codes": ["900"], "tags": ["vip"]}},
    "the only one": {"filter": {"operator_codes": [], "tags": [LONELY]}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100)
    ledger.add_options(parser)
    options = parser.parse_args()
    with running_service(sqlite=options.sqlite, url=options.url, running_workers=0) as service:
        clients = ledger.made_if_needed(options)
        service.post(
            "/clients/batch", {"clients": [{"phone": "79000000001", "timezone": "Asia/Omsk", "tag": LONELY}]}
        )
        for _ in range(WARM_UP):
            _create(service, AUDIENCES["everyone"])
        took: dict[str, list[float]] = {name: [] for name in AUDIENCES}
        for _ in range(options.requests):
            for name, audience in AUDIENCES.items():
                took[name].append(timed(partial(_create, service, audience)))
    times = {name: Times.of(durations) for name, durations in took.items()}
    small = times.pop("the only one")
    where = f"of {clients:,} clients, {'SQLite' if options.sqlite else 'PostgreSQL'}"
    for name, measured in times.items():
        what = f"`create`: a mailing for {name} {where}"
        print(Figure(what, str(measured), f"for one client {small}", measured.p95 / small.p95, "50 ms"))


def _create(service: Service, audience: dict[str, object]) -> None:
    begun = datetime.now(UTC)
    window = {"starts_at": begun.isoformat(), "ends_at": (begun + timedelta(hours=1)).isoformat()}
    service.post("/mailings", {"text": "Hello {{ name }}", **audience, **window})


if __name__ == "__main__":
    main()
