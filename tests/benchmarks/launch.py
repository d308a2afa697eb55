"""What launching to a very large directory costs: PostgreSQL, 1,000,000 clients, one worker.

    .venv/bin/python -m tests.benchmarks.launch [--clients N]

Prints the seconds from the start to the first request, to the last recipient's row, and the time of claims while
the queue is longest. The reference is one bare INSERT … SELECT of the same rows in the same database.
"""

import argparse
import os
import statistics
import time
from contextlib import ExitStack
from datetime import timedelta

from tests.benchmarks.drain import memory_mb, workers
from tests.gateway_process import GatewayProcess
from tests.postgres import private_postgres

CLAIMS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000_000)
    clients = parser.parse_args().clients
    with ExitStack() as stack:
        gateway = stack.enter_context(GatewayProcess("--latency", "2s"))
        os.environ |= {
            "DATABASE_URL": stack.enter_context(private_postgres(durable=True)),
            "GATEWAY_URL": gateway.url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": "benchmark",
            "LOG_LEVEL": "WARNING",
            "LOG_FORMAT": "json",
        }
        _prepare(clients)
        with workers(1) as pids:
            mailing = _launch(gateway, pids[0])
        _claims(mailing)


def _prepare(clients: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    call_command("createcachetable")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO clients_client (phone, operator_code, tag, timezone, attributes, created_at, updated_at)
            SELECT (79000000000 + n)::text, substr((79000000000 + n)::text, 2, 3), 'tag' || n %% 10,
                   (ARRAY['Europe/Moscow', 'Asia/Omsk', 'Asia/Irkutsk', 'Asia/Vladivostok'])[1 + n %% 4],
                   '{"name": "N"}', now(), now()
            FROM generate_series(1, %s) AS n
            """,
            [clients],
        )


def _launch(gateway: GatewayProcess, worker: int) -> int:
    from accounts.journal import SERVICE
    from mailings import clock, operations
    from mailings.models import Mailing
    from mailings.plans import Plan

    now = clock.now()
    began = time.monotonic()
    plan = Plan(text="Hello {{ name }}", starts_at=now, ends_at=now + timedelta(hours=1))
    mailing = operations.create(SERVICE, plan, everyone=True)
    print(f"creating the mailing:   {time.monotonic() - began:7.3f} s")
    memory = 0.0
    while not Mailing.objects.get(pk=mailing.pk).audience_is_whole:
        time.sleep(0.1)
        memory = max(memory, memory_mb(worker))
    whole = time.monotonic() - began
    assert mailing.started_at is not None
    first = gateway.journal()[0]["at"] - mailing.started_at.timestamp()
    print(f"first request after:    {first:7.3f} s")
    print(f"all recipients after:   {whole:7.1f} s   (a worker process had {memory:.0f} MB at most)")
    return mailing.pk


def _claims(mailing_id: int) -> None:
    """Claims of 100 with the whole queue waiting, and the bare INSERT of as many rows."""
    from django.db import connection

    from mailings import audience, clock, queue
    from mailings.models import Mailing, Message

    audience.refresh_plan()
    mailing = Mailing.objects.get(pk=mailing_id)
    durations = []
    for _ in range(CLAIMS):
        began = time.monotonic()
        queue.claim(mailing, 100, now=clock.now(), lease_s=3600)
        durations.append((time.monotonic() - began) * 1000)
    p95 = statistics.quantiles(durations, n=20)[18]
    print(f"claiming 100 messages:  {statistics.median(durations):7.1f} ms median, {p95:.1f} ms p95")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare (LIKE mailings_message INCLUDING ALL)")
        began = time.monotonic()
        cursor.execute("INSERT INTO bare SELECT * FROM mailings_message")
        bare = time.monotonic() - began
    print(f"bare INSERT of {Message.objects.count():,} rows: {bare:7.1f} s")


if __name__ == "__main__":
    main()
