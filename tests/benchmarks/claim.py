"""How long a claim of 100 messages takes while very many wait.

    .venv/bin/python -m tests.benchmarks.claim [--queued N] [--claims N] [--sqlite] [--profile]

The reference is the least that any claim must do: one UPDATE of as many rows, found by the same index, committed.
"""

import argparse
import cProfile
import pstats
from contextlib import nullcontext
from datetime import UTC, datetime

from tests.benchmarks import ledger
from tests.benchmarks.database import prepared_database
from tests.benchmarks.figures import Figure, Times, timed

ROWS = 100
BARE = """
    UPDATE mailings_message SET state = 'sending', lease_token = 1, lease_until = due_at, attempts = attempts + 1
    WHERE id IN (SELECT id FROM mailings_message WHERE state = 'queued' AND mailing_id = %s AND timezone = %s
                 ORDER BY due_at, id LIMIT %s)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queued", type=int, default=1_000_000)
    parser.add_argument("--claims", type=int, default=300)
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument(
        "--profile", action="store_true", help="print where the time goes; the times are longer then"
    )
    options = parser.parse_args()
    with prepared_database(sqlite=options.sqlite):
        mailing = ledger.queue_for_everyone(options.queued)
        profile = cProfile.Profile() if options.profile else None
        with profile or nullcontext():
            claims = Times.of([_claim(mailing) for _ in range(options.claims)])
        bare = Times.of([_bare(mailing) for _ in range(options.claims)])
    if profile is not None:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
    what = f"`claim`: {ROWS} of {options.queued:,} queued, {'SQLite' if options.sqlite else 'PostgreSQL'}"
    wanted = "" if options.sqlite else "5 ms p95"
    print(Figure(what, str(claims), f"one bare UPDATE {bare}", claims.p95 / bare.p95, wanted))


def _claim(mailing_id: int) -> float:
    from mailings import queue
    from mailings.models import Mailing

    mailing = Mailing.objects.get(pk=mailing_id)
    now = datetime.now(UTC)
    jobs: list[object] = []
    took = timed(lambda: jobs.extend(queue.claim(mailing, ROWS, now=now, lease_s=3600)))
    assert len(jobs) == ROWS
    return took


def _bare(mailing_id: int) -> float:
    from django.db import connection, transaction

    def update() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(BARE, [mailing_id, next(iter(ledger.ZONES)), ROWS])

    return timed(update)


if __name__ == "__main__":
    main()
