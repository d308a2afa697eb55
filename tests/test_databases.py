"""The ground the other tests stand on."""

import importlib.util
import os
import subprocess
import sys
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.conf import settings
from django.db import connection

from tests import databases
from tests.postgres import private_postgres

ON_SQLITE = os.environ.get(databases.KIND, "sqlite") == "sqlite"


@pytest.mark.django_db
def test_the_run_is_on_the_database_it_was_asked_for() -> None:
    assert connection.vendor == ("sqlite" if ON_SQLITE else "postgresql")


def test_psycopg_3_cannot_be_imported() -> None:
    # Django would silently prefer it to psycopg2, which is what the house is tested with
    assert importlib.util.find_spec("psycopg") is None


@pytest.mark.django_db
def test_the_pragmas_of_the_settings_are_in_force() -> None:
    wanted = {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "cache_size": -65536}

    with connection.cursor() as cursor:
        if ON_SQLITE:
            found = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
            assert found == wanted
        else:
            cursor.execute("SHOW server_encoding")
            assert cursor.fetchone() == ("UTF8",)


@pytest.mark.django_db(transaction=True)
def test_another_process_sees_the_test_database(database_url: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_content_type (app_label, model) VALUES ('seen', 'outside')")
    seen = (
        "from django.contrib.contenttypes.models import ContentType;"
        "print(ContentType.objects.filter(app_label='seen'))"
    )

    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", seen],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "outside" in done.stdout


@pytest.mark.parametrize(("durable", "fsync"), [(True, "on"), (False, "off")])
def test_a_private_postgres_is_durable_when_asked_and_gone_afterwards(durable: bool, fsync: str) -> None:
    with private_postgres(durable=durable) as url:
        with psycopg2.connect(url) as session, session.cursor() as cursor:
            cursor.execute("SHOW fsync")
            assert cursor.fetchone() == (fsync,)
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone() == (fsync,)
        session.close()

    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(host="127.0.0.1", port=urlsplit(url).port, user="postgres")


@pytest.mark.django_db
def test_a_server_that_has_vanished_is_noticed() -> None:
    connection.ensure_connection()

    if not ON_SQLITE:
        session = connection.connection.get_dsn_parameters()
        silence_s = int(session["keepalives_idle"]) + 3 * int(session["keepalives_interval"])
        assert silence_s <= 30
        assert 0 < int(session["tcp_user_timeout"]) <= 30_000
