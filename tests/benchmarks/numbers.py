"""The statistics of the API among very many messages: of one mailing, and of all.

    .venv/bin/python -m tests.benchmarks.numbers [--requests N] [--clients N] [--messages N] [--url URL] [--sqlite]

The reference is an answer of the API that counts nothing: one mailing.
"""

import argparse
from functools import partial

from tests.benchmarks import ledger
from tests.benchmarks.figures import Figure, Times, timed
from tests.benchmarks.service import running_service

WARM_UP = 4  # what every process does once is not the answer's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100)
    ledger.add_options(parser)
    options = parser.parse_args()
    with running_service(sqlite=options.sqlite, url=options.url, running_workers=0) as service:
        ledger.made_if_needed(options)
        there = ledger.known()
        bare = f"/api/v1/mailings/{there.finished}"
        addresses = {
            "of a finished mailing to everyone": f"/api/v1/mailings/{there.finished}/statistics",
            "of a running mailing to everyone": f"/api/v1/mailings/{there.running}/statistics",
            "overall": "/api/v1/statistics",
        }
        took: dict[str, list[float]] = {path: [] for path in (bare, *addresses.values())}
        for path in [*took] * WARM_UP:
            service.get(path)
        for _ in range(options.requests):
            for path, durations in took.items():
                durations.append(timed(partial(service.get, path)))
    times = {path: Times.of(durations) for path, durations in took.items()}
    for name, path in addresses.items():
        what = f"`numbers`: statistics {name}, {there.messages:,} messages in all"
        what += f", {'SQLite' if options.sqlite else 'PostgreSQL'}"
        ratio = times[path].p95 / times[bare].p95
        print(Figure(what, str(times[path]), f"one mailing {times[bare]}", ratio, "50 ms p95"))


if __name__ == "__main__":
    main()
