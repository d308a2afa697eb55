"""Fills an empty database with a large directory and many mailings, to meet what is slow only among many.

    .venv/bin/python -m tests.benchmarks.ledger [--clients N] [--messages N] [--mailings N] [--url URL] [--sqlite]

Without `--url` the database is a private one, and the run only says how long filling took and whether the tally
equals the messages. With `--url` an empty database is filled and kept: the benchmarks that want a large one take
the same option.

Half of the messages are in mailings to everyone, the rest in many smaller ones. One mailing runs and one is
paused, both in the middle; the others are over. What became of a message depends on its client's id, so that every
state and reason occurs everywhere. Attempts are written for what did not go well only, not for every message sent.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Min

from tests.benchmarks.database import prepared_database

ZONES = {
    "Europe/Moscow": 600,
    "Asia/Yekaterinburg": 100,
    "Europe/Samara": 70,
    "Asia/Novosibirsk": 60,
    "Asia/Krasnoyarsk": 50,
    "Asia/Omsk": 40,
    "Asia/Irkutsk": 30,
    "Asia/Vladivostok": 20,
    "Europe/Kaliningrad": 20,
    "Asia/Kamchatka": 10,
}
TAGS = {"": 200, "regular": 420, "new": 180, "vip": 20} | {f"group {number:02}": 10 for number in range(1, 19)}
# of 1,000 messages that are over: state, reason, attempts
Ends = dict[tuple[str, str, int], int]
ENDS: Ends = {
    ("sent", "accepted", 1): 940,
    ("sent", "accepted", 2): 25,
    ("failed", "refused", 1): 15,
    ("failed", "too_many_attempts", 20): 2,
    ("unknown", "no_answer", 1): 4,
    ("unknown", "worker_lost", 1): 1,
    ("expired", "end_before_turn", 0): 8,
    ("cancelled", "client_opted_out", 0): 5,
}
WAITING: Ends = {("queued", "turn", 0): 990, ("queued", "retry_not_sent", 1): 10}
CHUNK = 2_000  # messages of a mailing in one minute


@dataclass(frozen=True, slots=True)
class Ledger:
    """Four of its mailings to everyone, by their ids, and how many clients and messages are really there."""

    draft: int
    finished: int
    running: int
    paused: int
    clients: int
    messages: int


def main() -> None:
    options = _options()
    with prepared_database(sqlite=options.sqlite, url=options.url):
        from mailings import tally

        began = time.monotonic()
        fill(clients=options.clients, messages=options.messages, mailings=options.mailings)
        print(f"filled in {time.monotonic() - began:.0f} s")
        differences = tally.differences()
        assert differences == [], f"the tally is wrong: {differences[:5]}"
        print("the tally equals the messages")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    return parser.parse_args()


def add_options(parser: argparse.ArgumentParser) -> None:
    """The sizes, and the database to use instead of a private one."""
    parser.add_argument("--clients", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--mailings", type=int, default=200)
    parser.add_argument("--url", default="")
    parser.add_argument("--sqlite", action="store_true")


def fill(*, clients: int, messages: int, mailings: int, done: float = 0.6) -> None:
    """Fills the database that Django is set up for; `done` of the running and the paused mailing is over."""
    with _hasty():
        with transaction.atomic(), _without_indexes("clients_client"):
            add_clients(clients)
        with transaction.atomic(), _without_indexes("mailings_message", "mailings_attempt"):
            _add_mailings(clients, messages, mailings, done)
            _add_attempts()
            _add_counts()
    _run("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def queue_for_everyone(clients: int) -> int:
    """A running mailing to as many clients, with no message sent yet. Returns its id."""
    with _hasty(), transaction.atomic(), _without_indexes("clients_client", "mailings_message"):
        add_clients(clients)
        begun = datetime.now(UTC).replace(second=0, microsecond=0)
        mailing = _add_mailing("To everyone", "running", begun)
        _add_messages(mailing, 0, clients, 0.0, begun)
        _add_counts()
    _run("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    return mailing


def made_if_needed(options: argparse.Namespace) -> int:
    """Fills the database by the options of `add_options`, unless it is a kept one. Returns its clients."""
    from clients.models import Client

    if not options.url:
        fill(clients=options.clients, messages=options.messages, mailings=options.mailings)
    return Client.objects.count()


def known() -> Ledger:
    """What `fill` left in the database."""
    from clients.models import Client
    from mailings.models import Mailing, Message

    states = Mailing.objects.filter(state__in=[field.name for field in fields(Ledger)])
    first = dict(states.order_by().values_list("state").annotate(Min("id")))
    return Ledger(**first, clients=Client.objects.count(), messages=Message.objects.count())


def _run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def _moment(moment: datetime) -> str:
    """An instant as a literal."""
    literal = f"'{connection.ops.adapt_datetimefield_value(moment)}'"
    return f"{literal}::timestamptz" if connection.vendor == "postgresql" else literal


def _spread(shares: Iterable[tuple[str | int, int]], by: str) -> str:
    """The SQL that gives each value to its share of 1,000 rows, by their numbers from 0 to 999."""
    cases, upto = [], 0
    for value, share in shares:
        upto += share
        cases.append(f"WHEN {by} < {upto} THEN {value if isinstance(value, int) else repr(value)}")
    assert upto == 1000, f"{upto} of 1,000"
    return f"CASE {' '.join(cases)} END"


def add_clients(number: int) -> None:
    """Phones are spread over all codes that begin with 9, tags and zones by their shares; 1 % opted out."""
    now = _moment(datetime.now(UTC))
    tag, zone = _spread(TAGS.items(), "(n * 7919) % 1000"), _spread(ZONES.items(), "(n * 5077) % 1000")
    # a step without a common divisor with a thousand million meets every number once
    digits = "CAST(79000000000 + (n * 373587883) % 1000000000 AS text)"
    _run(
        f"""
        INSERT INTO clients_client
            (phone, operator_code, tag, timezone, attributes, opted_out_at, created_at, updated_at)
        SELECT phone, substr(phone, 2, 3), {tag}, {zone}, '{{"name": "Anna"}}',
               CASE WHEN n % 100 = 0 THEN {now} END, {now}, {now}
        FROM (WITH RECURSIVE numbers(n) AS (
                  SELECT CAST(1 AS bigint) UNION ALL SELECT n + 1 FROM numbers WHERE n < {number:d})
              SELECT n, {digits} AS phone FROM numbers) AS phones
        """
    )


def _add_mailings(clients: int, messages: int, mailings: int, done: float) -> None:
    """The large ones first, as they are to everyone; the paused and the running one are the last of them."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    large = max(3, messages // 2 // clients)
    size = min(clients, messages // (2 * large))
    states = ["finished"] * (large - 2) + ["paused", "running"]
    for number, state in enumerate(states):
        mailing = _add_mailing(f"To everyone {number}", state, now - timedelta(days=large - number))
        _add_messages(mailing, 0, size, 1.0 if state == "finished" else done, now - timedelta(days=large - number))
    _add_mailing("To everyone at last", "draft", now)
    others = mailings - large
    part = min(clients, (messages - large * size) // others)
    for number in range(others):
        started_at = now - timedelta(days=large + number % 1000, hours=1)
        after = number * part % (clients - part + 1)
        mailing = _add_mailing(f"To some {number}", "finished", started_at)
        _add_messages(mailing, after, after + part, 1.0, started_at)


def _add_mailing(name: str, state: str, started_at: datetime) -> int:
    from mailings.models import Mailing

    is_over, is_started = state == "finished", state != "draft"
    ends_at = started_at + timedelta(hours=20) if is_over else datetime.now(UTC) + timedelta(days=30)
    mailing = Mailing.objects.create(
        name=name,
        text="Hello {{ name }}, your order waits for you",
        state=state,
        starts_at=started_at,
        started_at=started_at if is_started else None,
        finished_at=ends_at if is_over else None,
        ends_at=ends_at,
        audience_until=0 if is_started else None,
    )
    return mailing.pk


def _add_messages(mailing: int, after: int, until: int, done: float, started_at: datetime) -> None:
    """To the clients with ids in (after, until]; each chunk of them is sent in a minute of its own."""
    chunks, begun = range(after, until, CHUNK), _moment(started_at)
    for number, start in enumerate(chunks):
        shares = ENDS if number < done * len(chunks) else WAITING
        slot = f"((id * 7919 + {mailing}) % 1000)"
        # an opt-out stops what waits
        whom = "opted_out_at IS NULL" if shares is WAITING else "true"
        columns = [[(end[column], share) for end, share in shares.items()] for column in range(3)]
        state, reason, attempts = (_spread(column, slot) for column in columns)
        sent_at = _moment(started_at + timedelta(minutes=number))
        _run(
            f"""
            INSERT INTO mailings_message (mailing_id, client_id, operator_code, tag, timezone, state, reason,
                                          attempts, strikes, due_at, created_at, sent_at)
            SELECT {mailing}, id, operator_code, tag, timezone, {state}, {reason},
                   {attempts}, 0, {begun}, {begun}, CASE WHEN {state} = 'sent' THEN {sent_at} END
            FROM clients_client WHERE id > {start} AND id <= {min(start + CHUNK, until)} AND {whom} ORDER BY id
            """
        )


def _add_attempts() -> None:
    """Those of the messages that did not go well."""
    _run(
        """
        INSERT INTO mailings_attempt
            (message_id, number, started_at, outcome, cause, http_status, duration_ms, detail)
        SELECT id, n, created_at, CASE state WHEN 'failed' THEN 'refused' ELSE 'unknown' END,
               CASE state WHEN 'failed' THEN 'refused' ELSE 'no_answer' END,
               CASE state WHEN 'failed' THEN 400 END, 50, ''
        FROM mailings_message JOIN (
            WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20)
            SELECT n FROM numbers) AS tries ON n <= attempts
        WHERE state IN ('failed', 'unknown')
        """
    )


def _add_counts() -> None:
    """The counts as if the messages had moved one by one and all were folded, and the zones of each mailing."""
    _run(
        "INSERT INTO mailings_mailingzone (mailing_id, timezone) "
        "SELECT DISTINCT mailing_id, timezone FROM mailings_message"
    )
    _run(
        """
        INSERT INTO mailings_standing (mailing_id, state, reason, number)
        SELECT mailing_id, state, reason, COUNT(*) FROM mailings_message GROUP BY 1, 2, 3
        """
    )
    for dimension in ("operator_code", "tag", "timezone"):
        _run(
            f"""
            INSERT INTO mailings_breakdown (mailing_id, dimension, value, state, number)
            SELECT mailing_id, '{dimension}', {dimension}, state, COUNT(*) FROM mailings_message GROUP BY 1, 3, 4
            """
        )
    _run(
        """
        INSERT INTO mailings_minute (mailing_id, state, minute, number)
        SELECT mailing_id, state, minute, SUM(number) FROM (
            SELECT mailing_id, state, COALESCE(sent_at, created_at) AS minute, COUNT(*) AS number
            FROM mailings_message WHERE state <> 'queued' GROUP BY 1, 2, 3
            UNION ALL SELECT mailing_id, 'queued', COALESCE(sent_at, created_at), -COUNT(*)
            FROM mailings_message WHERE state <> 'queued' GROUP BY 1, 2, 3
            UNION ALL SELECT mailing_id, 'sending', COALESCE(sent_at, created_at), 0
            FROM mailings_message GROUP BY 1, 2, 3
            UNION ALL SELECT mailing_id, 'queued', created_at, COUNT(*) FROM mailings_message GROUP BY 1, 2, 3
        ) AS changes GROUP BY 1, 2, 3
        """
    )


@contextmanager
def _hasty() -> Iterator[None]:
    """Without the care that keeps data over a crash; afterwards all is written, and the database careful again."""
    if connection.vendor == "sqlite":
        _run("PRAGMA synchronous = OFF")
        yield
        _run("PRAGMA synchronous = NORMAL")
        return
    for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '8GB'"):
        _run(f"ALTER SYSTEM SET {setting}")
    _run("SELECT pg_reload_conf()")
    _run("SET maintenance_work_mem = '1GB'")
    _run("SET synchronous_commit = off")
    try:
        yield
    finally:
        for command in ("RESET ALL", "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()", "CHECKPOINT"):
            _run(command)


@contextmanager
def _without_indexes(*tables: str) -> Iterator[None]:
    """On PostgreSQL an index that is made at the end costs a tenth of one that grows with the rows."""
    if connection.vendor != "postgresql":
        yield
        return
    add = (
        "format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname), {add} "
            "FROM pg_constraint WHERE contype IN ('u', 'f') AND conrelid = ANY(%s::regclass[]) ORDER BY contype",
            [list(tables)],
        )
        constraints = cursor.fetchall()
        cursor.execute(
            "SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid) FROM pg_index "
            "WHERE indrelid = ANY(%s::regclass[]) "
            "AND indexrelid NOT IN (SELECT conindid FROM pg_constraint WHERE conindid IS NOT NULL)",
            [list(tables)],
        )
        indexes = cursor.fetchall()
    for drop, _ in [*constraints, *indexes]:
        _run(drop)
    yield
    for _, make in [*indexes, *constraints]:
        _run(make)


if __name__ == "__main__":
    main()
