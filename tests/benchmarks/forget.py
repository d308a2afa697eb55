"""How quickly what is old is forgotten, and what others notice of it: claims and pages meanwhile.

    .venv/bin/python -m tests.benchmarks.forget [--messages N] [--clients N] [--mailings N] [--sqlite]

Every message that is over has its attempts. The reference for the rows is one bare DELETE of a whole mailing's,
and for claims and pages the same before anything is forgotten. A process of its own forgets as the worker does: it
rests after each step for as long as the step took.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from django.core.management import call_command

from tests.benchmarks import ledger
from tests.benchmarks.database import prepared_database
from tests.benchmarks.drain import ROOT
from tests.benchmarks.figures import Figure, Times, timed

CLAIMED = 20
CALM_S = 10.0
PAGES = ("/mailings/{finished}", "/mailings/{running}", "/mailings/{running}/recipients", "/messages/")
Took = dict[str, list[float]]


def main() -> None:
    options = _options()
    days = {"KEEP_ATTEMPTS_DAYS": "1", "KEEP_MESSAGES_DAYS": "1"}
    with prepared_database(sqlite=options.sqlite, url=options.url, **days):
        if options.walk:
            print(json.dumps(_walk()))
            return
        call_command("collectstatic", interactive=False, verbosity=0)
        ledger.fill(clients=options.clients, messages=options.messages, mailings=options.mailings)
        _make_old()
        bare = _bare_delete()
        until = time.monotonic() + CALM_S
        calm = _watch(lambda: time.monotonic() < until)
        command = [sys.executable, "-m", "tests.benchmarks.forget", "--walk", "--url", os.environ["DATABASE_URL"]]
        walker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        busy = _watch(lambda: walker.poll() is None)
        steps = json.loads(walker.communicate()[0])
        _check()
    _print(options, bare, calm, busy, steps)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ledger.add_options(parser)
    parser.set_defaults(clients=100_000, messages=1_200_000, mailings=60)
    parser.add_argument("--walk", action="store_true", help="what the process that forgets is called with")
    return parser.parse_args()


def _make_old() -> None:
    """The mailings that are over ended a month ago, and what was sent has its attempt, too."""
    from django.db import connection

    from mailings.models import Mailing

    Mailing.objects.filter(state="finished").update(finished_at=datetime.now(UTC) - timedelta(days=30))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailings_attempt "
            "(message_id, number, started_at, outcome, cause, http_status, duration_ms, detail) "
            "SELECT id, 1, created_at, 'sent', 'accepted', 200, 50, '{\"code\": 0, \"message\": \"OK\"}' "
            "FROM mailings_message WHERE state = 'sent'"
        )
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _bare_delete() -> float:
    """Rows a second of one DELETE of everything in the largest old mailing, undone afterwards."""
    from django.db import connection, transaction

    there = ledger.known()
    rows = 0
    began = time.monotonic()
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (
            "DELETE FROM mailings_attempt WHERE message_id IN "
            "(SELECT id FROM mailings_message WHERE mailing_id = %s)",
            "DELETE FROM mailings_message WHERE mailing_id = %s",
        ):
            cursor.execute(statement, [there.finished])
            rows += cursor.rowcount
        took = time.monotonic() - began
        transaction.set_rollback(True)
    return rows / took


def _walk() -> dict[str, float]:
    """Forgets everything that is due. How many rows, and how long the steps took."""
    from mailings import clock, operations, tasks
    from mailings.models import Attempt, Message

    def rows() -> int:
        return Message.objects.count() + Attempt.objects.count()

    before, took, began = rows(), list[float](), time.monotonic()
    while operations.has_to_forget(clock.now()):
        step = timed(lambda: operations.forget_a_step(clock.now()))
        took.append(step)
        time.sleep(max(tasks.FORGET_REST_S, step / 1000))
    elapsed = time.monotonic() - began
    gone = before - rows()
    return {
        "rows": gone,
        "elapsed": elapsed,
        "working": sum(took) / 1000,
        "p50": statistics.median(took),
        "longest": max(took),
    }


def _watch(go_on: Callable[[], bool]) -> Took:
    """Claims and pages, in turn, for as long as `go_on` says."""
    from django.test import Client

    from accounts.models import User
    from accounts.roles import Role
    from mailings import clock, queue
    from mailings.models import Mailing

    there, browser = ledger.known(), Client(SERVER_NAME="127.0.0.1")
    running = Mailing.objects.get(pk=there.running)
    user = User.objects.filter(email="watcher@example.com").first()
    browser.force_login(user or User.objects.create_user("watcher@example.com", role=Role.OPERATOR))
    addresses = [page.format(running=there.running, finished=there.finished) for page in PAGES]
    took: Took = {"claim": [], "page": []}
    for address in addresses:
        assert browser.get(address, follow=True).status_code == 200, address
    first = True
    while first or go_on():
        took["claim"].append(timed(lambda: queue.claim(running, CLAIMED, now=clock.now(), lease_s=3600)))
        for address in addresses:
            took["page"].append(timed(partial(browser.get, address, follow=True)))
        if first:  # what every process does once
            took, first = {"claim": [], "page": []}, False
    return took


def _check() -> None:
    from mailings import tally
    from mailings.models import Message

    assert tally.differences() == [], "the ledger is wrong"
    left = Message.objects.filter(mailing__state="finished").exclude(state="unknown").count()
    assert left == 0, f"{left} messages are left"


def _print(options: argparse.Namespace, bare: float, calm: Took, busy: Took, steps: dict[str, float]) -> None:
    database = "SQLite" if options.sqlite else "PostgreSQL"
    speed = steps["rows"] / steps["working"]
    what = f"`forget`: {steps['rows']:,.0f} rows of messages and attempts in all, {database}, while it works"
    print(Figure(what, f"{speed:,.0f} rows/s", f"one bare DELETE {bare:,.0f} rows/s", speed / bare))
    whole = steps["rows"] / steps["elapsed"]
    print(Figure("`forget`: with its rests", f"{whole:,.0f} rows/s in {steps['elapsed']:.0f} s", "", None))
    longest = f"{steps['p50']:.0f} ms, {steps['longest']:.0f} ms at most"
    print(Figure("`forget`: a transaction", longest, "", None))
    for name, said in (("claim", f"a claim of {CLAIMED} meanwhile"), ("page", "a page meanwhile")):
        here, there = Times.of(busy[name]), Times.of(calm[name])
        print(Figure(f"`forget`: {said}", str(here), f"before {there}", here.p95 / there.p95))


if __name__ == "__main__":
    main()
