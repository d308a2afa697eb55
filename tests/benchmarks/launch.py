"""What launching to a very large directory costs: PostgreSQL, 1,000,000 clients, one worker.

    .venv/bin/python -m tests.benchmarks.launch [--clients N]

Prints the seconds from the start to the first request and to the last recipient's row. The reference is one bare
INSERT … SELECT of the same rows in the same database.
"""

import argparse
import time
from datetime import timedelta

from tests.benchmarks import ledger
from tests.benchmarks.database import prepared_database
from tests.benchmarks.drain import memory_mb, workers
from tests.benchmarks.figures import Figure, timed
from tests.gateway_process import GatewayProcess


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1_000_000)
    clients = parser.parse_args().clients
    with GatewayProcess("--latency", "2s") as gateway, prepared_database(GATEWAY_URL=gateway.url):
        ledger.add_clients(clients)
        with workers(1) as pids:
            first, whole, memory = _launch(gateway, pids[0])
        rows, bare = _bare()
    what = f"`launch`: {clients:,} clients, PostgreSQL"
    print(Figure(f"{what}, first request", f"after {first:.1f} s", "promised 2 s", first / 2, "2 s"))
    print(Figure(f"{what}, all rows", f"after {whole:.1f} s", f"bare INSERT {bare:.1f} s", whole / bare, "60 s"))
    print(Figure(f"{what}, memory", f"{memory:.0f} MB a process", "promised 200 MB", memory / 200, "200 MB"))
    assert rows == clients - clients // 100, f"{rows} recipients"


def _launch(gateway: GatewayProcess, worker: int) -> tuple[float, float, float]:
    """Seconds from the start to the first request and to the last row, and MB of a worker's process."""
    from accounts.journal import SERVICE
    from mailings import clock, operations
    from mailings.models import Mailing
    from mailings.plans import Plan

    now = clock.now()
    began = time.monotonic()
    plan = Plan(text="Hello {{ name }}", starts_at=now, ends_at=now + timedelta(hours=1))
    mailing = operations.create(SERVICE, plan, everyone=True)
    memory = 0.0
    while not Mailing.objects.get(pk=mailing.pk).audience_is_whole:
        time.sleep(0.1)
        memory = max(memory, memory_mb(worker))
    whole = time.monotonic() - began
    assert mailing.started_at is not None
    return gateway.journal()[0]["at"] - mailing.started_at.timestamp(), whole, memory


def _bare() -> tuple[int, float]:
    """How many messages there are, and the seconds of a bare INSERT of as many rows."""
    from django.db import connection

    from mailings.models import Message

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare (LIKE mailings_message INCLUDING ALL)")
        took = timed(lambda: cursor.execute("INSERT INTO bare SELECT * FROM mailings_message"))
    return Message.objects.count(), took / 1000


if __name__ == "__main__":
    main()
