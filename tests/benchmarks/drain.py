"""How fast a mailing drains, against a bare loop of the same HTTP client in the same run.

    .venv/bin/python -m tests.benchmarks.drain [--recipients N] [--latency S] [--concurrency N]
                                               [--workers N] [--log-level LEVEL] [--sqlite]

With a latency of a second or more the reference is the ceiling instead: the places of all workers ÷ the latency.
The figure of the design: `--latency 2 --recipients 40000`, with 1,000 places in each of two workers.

A private database with production settings, the simulator and the workers are processes of their own. The rate
is taken from the simulator's journal: from its first request to the answer to its last one.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.database import prepared_database
from tests.benchmarks.figures import Figure
from tests.gateway_process import GatewayProcess

ROOT = Path(__file__).resolve().parent.parent.parent
ZONES = ("Europe/Kaliningrad", "Europe/Moscow", "Asia/Omsk", "Asia/Vladivostok")
FIRST_PHONE = 79_000_000_000


def main() -> None:
    options = _options()
    with GatewayProcess("--latency", str(options.latency)) as gateway:
        settings = {"GATEWAY_URL": gateway.url, "GATEWAY_CONCURRENCY": str(options.concurrency)}
        settings["LOG_LEVEL"] = options.log_level
        with prepared_database(sqlite=options.sqlite, **settings):
            _prepare(options.recipients)
            bare = _bare(gateway, options) if options.latency < 1 else 0.0
            gateway.control(reset_journal=True)
            drained, memory = _drain(gateway, options)
    print(f"peak memory of one worker process: {memory:.0f} MB")
    print(_figure(drained, bare, options))


def _figure(drained: float, bare: float, options: argparse.Namespace) -> Figure:
    database = "SQLite" if options.sqlite else "PostgreSQL"
    what = f"`drain`: {options.recipients:,} recipients, {database}, {options.workers} workers"
    what += f", {options.concurrency:,} places each, gateway {options.latency:g} s"
    measured = f"{drained:,.0f} messages/s"
    if options.latency >= 1:
        ceiling = options.concurrency * options.workers / options.latency
        return Figure(what, measured, f"concurrency ÷ latency {ceiling:,.0f}", drained / ceiling, "0.80")
    wanted = "1,500 messages/s" if options.sqlite else "4,000 messages/s and a ratio of 0.50"
    return Figure(what, measured, f"bare loop of the same client {bare:,.0f}", drained / bare, wanted)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=50_000)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--concurrency", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--log-level", default="INFO", help="WARNING: without a line for each step of a message")
    parser.add_argument("--sqlite", action="store_true")
    return parser.parse_args()


def _prepare(recipients: int) -> None:
    from clients.models import Client

    Client.objects.bulk_create(
        (
            Client(phone=str(phone), operator_code=str(phone)[1:4], timezone=ZONES[phone % len(ZONES)])
            for phone in range(FIRST_PHONE, FIRST_PHONE + recipients)
        ),
        batch_size=5_000,
    )


def _bare(gateway: GatewayProcess, options: argparse.Namespace) -> float:
    """Requests per second of the same client with nothing around it."""
    from mailings.gateway import Line, Request
    from mailings.worker import spare_the_collector

    spare_the_collector()
    left = options.recipients
    number = 0
    with Line(url=gateway.url, token="simulator", capacity=options.concurrency) as line:
        start = time.monotonic()
        while left or line.under_way:
            batch = []
            for _ in range(min(left, line.free)):
                number += 1
                phone = str(FIRST_PHONE + number)
                batch.append(Request(number, phone, "Hello", time.monotonic() + 60, 10))
            left -= len(batch)
            line.submit(batch)
            line.collect(wait_s=0.1, linger_s=0.01)
        return float(options.recipients / (time.monotonic() - start))


def _drain(gateway: GatewayProcess, options: argparse.Namespace) -> tuple[float, float]:
    """Requests per second of a whole mailing, and the peak memory of a worker's process in MB."""
    from datetime import timedelta

    from accounts.journal import SERVICE
    from mailings import audience, clock, operations, queries
    from mailings.plans import Plan

    now = clock.now()
    plan = Plan(text="Hello {{ name }}", starts_at=now, ends_at=now + timedelta(hours=1))
    mailing = operations.create(SERVICE, plan, everyone=True)
    while audience.materialise(mailing.pk, now=clock.now()):
        pass
    audience.refresh_plan()
    with workers(options.workers) as pids:
        memory = 0.0
        while queries.progress([mailing.pk])[mailing.pk].open:
            time.sleep(0.25)
            memory = max(memory, *(memory_mb(pid) for pid in pids))
    stats = gateway.stats()
    assert stats["accepted"] == stats["distinct_ids"] == options.recipients, stats
    journal = gateway.journal()
    return len(journal) / (journal[-1]["at"] + options.latency - journal[0]["at"]), memory


@contextmanager
def workers(number: int) -> Iterator[list[int]]:
    command = [sys.executable, "manage.py", "worker"]
    with tempfile.TemporaryFile("ab") as log:  # as anywhere else their lines go somewhere
        workers = [subprocess.Popen(command, cwd=ROOT, stdout=log) for _ in range(number)]
        try:
            yield [worker.pid for worker in workers]
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait()


def memory_mb(pid: int) -> float:
    """The largest resident set of a process and its descendants, in MB."""
    largest = 0
    pending = [pid]
    while pending:
        process = pending.pop()
        try:
            status = Path(f"/proc/{process}/status").read_text()
            pending += map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())
        except OSError:
            continue
        largest = max(largest, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")))
    return largest / 1024


if __name__ == "__main__":
    main()
