"""Backup and restore as docs/operation.md says, command by command."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from mailings import clock, queue
from mailings.policy import Reason, State, Verdict
from tests.makers import make_jobs, make_running_mailing, make_settlements
from tests.papers.blocks import ROOT, blocks
from tests.postgres import find_binary

PAPER = ROOT / "docs" / "operation.md"


def typed(*programs: str) -> list[str]:
    """The lines of the paper's shell blocks that begin with one of these."""
    lines = [line for block in blocks(PAPER) if block.language == "sh" for line in block.lines]
    return [line for line in lines if line.startswith(programs)]


def run(line: str, folder: Path, **environment: str) -> str:
    """Types a line in `folder`; what it prints. Fails when it does."""
    path = f"{Path(find_binary('pg_dump')).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line.replace(".venv/bin/python", sys.executable)],
        cwd=folder,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def make_mailing_in_the_middle() -> None:
    """Two are sent, one is in flight, three wait."""
    mailing = make_running_mailing(clients=6)
    accepted = Verdict(State.SENT, Reason.ACCEPTED)
    queue.settle(make_settlements(make_jobs(mailing, 2), accepted), now=clock.now())
    make_jobs(mailing, 1)


def reasons(url: str) -> list[tuple[str, int]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT reason, count(*) FROM mailings_message GROUP BY reason ORDER BY reason")
        return list(cursor.fetchall())


@pytest.mark.postgresql
@pytest.mark.processes
def test_a_dump_comes_back_and_what_was_open_waits_for_a_decision(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    restored = urlsplit(database_url)._replace(path="/vestnik_restored").geturl()
    make_mailing_in_the_middle()
    for line in typed("pg_dump", "pg_restore --list"):
        run(line, tmp_path, DATABASE_URL=database_url)
    try:
        for line in typed("createdb", "pg_restore --no-owner"):
            run(line, tmp_path, DATABASE_URL=database_url, RESTORED_URL=restored)
        said = [
            run(line, ROOT, DATABASE_URL=restored) for line in typed(".venv/bin/python manage.py after_restore")
        ]
        checked = run(".venv/bin/python manage.py check_ledger", ROOT, DATABASE_URL=restored)

        assert ["4 messages may have been sent" in told for told in said] == [True]
        assert "equals" in checked
        assert reasons(restored) == [("accepted", 2), ("restored", 4)]
        assert reasons(database_url) == [("accepted", 2), ("in_flight", 1), ("turn", 3)]
    finally:
        run(f'dropdb --force --maintenance-db="{database_url}" vestnik_restored', tmp_path)


@pytest.mark.once
@pytest.mark.processes
def test_a_copy_of_a_sqlite_file_in_use_is_whole(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    with closing(sqlite3.connect(tmp_path / "var" / "vestnik.sqlite3")) as used:
        used.executescript("PRAGMA journal_mode=WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);")

        for line in typed(".venv/bin/python -c"):
            run(line, tmp_path)

    with closing(sqlite3.connect(tmp_path / "var" / "backup.sqlite3")) as copy:
        assert copy.execute("SELECT count(*) FROM t").fetchone() == (2,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
