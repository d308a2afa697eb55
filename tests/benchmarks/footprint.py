"""What a message costs the database: bytes on disk with its attempt and indexes, and bytes of WAL, on PostgreSQL.

    .venv/bin/python -m tests.benchmarks.footprint [--messages N]

Each message goes the way of all: added, claimed, settled as sent with its attempt, its counts folded. The gateway
is left out: an outcome is at hand at once, so that the rate is that of the database's part alone.
"""

import argparse
import time
from datetime import UTC, datetime, timedelta

from tests.benchmarks import ledger
from tests.benchmarks.database import prepared_database
from tests.benchmarks.figures import Figure

CLAIMED = 500
TABLES = ("mailings_message", "mailings_attempt", "clients_client")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    options = parser.parse_args()
    with prepared_database():
        ledger.add_clients(options.messages)
        before, began = _wal(), time.monotonic()
        sent = _send_all()
        took = time.monotonic() - began
        wal = (_wal() - before) / sent
        sizes = {table: _sizes(table) for table in TABLES}
        rows = {table: _one(f"SELECT count(*) FROM {table}") for table in TABLES}
    print(
        Figure(f"`footprint`: {sent:,} messages through the database", f"{sent / took:,.0f} messages/s", "", None)
    )
    print(Figure("`footprint`: WAL of a message", f"{wal:,.0f} bytes", "", None))
    for table, (heap, indexes) in sizes.items():
        each = f"{heap / rows[table]:,.0f} bytes, its indexes {indexes / rows[table]:,.0f}"
        print(Figure(f"`footprint`: a row of `{table}`", each, "", None))


def _send_all() -> int:
    from accounts.journal import SERVICE
    from mailings import audience, clock, operations, queue, tally
    from mailings.gateway import Cause, Kind, Outcome
    from mailings.plans import Plan
    from mailings.policy import Reason, State, Verdict

    now = datetime.now(UTC)
    plan = Plan(text="Hello", starts_at=now, ends_at=now + timedelta(days=1))
    mailing = operations.create(SERVICE, plan, everyone=True)
    while audience.materialise(mailing.pk, now=clock.now()):
        pass
    mailing.refresh_from_db()
    said = Outcome(kind=Kind.SENT, cause=Cause.ACCEPTED, http_status=200, detail='{"code": 0, "message": "OK"}')
    sent = 0
    while jobs := queue.claim(mailing, CLAIMED, now=clock.now(), lease_s=60):
        began_at, verdict = clock.now(), Verdict(State.SENT, Reason.ACCEPTED)
        queue.settle(
            [queue.Settlement(job, said, verdict, began_at=began_at, duration_s=0.05) for job in jobs],
            now=clock.now(),
        )
        sent += len(jobs)
        while tally.fold() == tally.FOLDED:
            pass
    return sent


def _one(sql: str) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def _wal() -> int:
    return _one("SELECT pg_current_wal_lsn() - '0/0'")


def _sizes(table: str) -> tuple[int, int]:
    return _one(f"SELECT pg_table_size('{table}')"), _one(f"SELECT pg_indexes_size('{table}')")


if __name__ == "__main__":
    main()
