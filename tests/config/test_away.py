"""What counts as a database that is away, and what a program and a person are answered meanwhile."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from django.db import DatabaseError, Error, InterfaceError, OperationalError, connection, connections, transaction
from django.db.utils import load_backend
from django.test import Client as Http

from accounts import keys
from accounts.journal import SERVICE
from accounts.roles import Role
from config import refusals
from config.away import is_away
from tests.postgres import free_port


def met(act: Callable[[], object]) -> Error:
    """The error as Django hands it on."""
    with pytest.raises(Error) as raised:
        act()
    return raised.value


def on_sqlite(path: Path, statement: str) -> Error:
    """What that statement meets in this file, without patience, as Django tells it."""
    backend = load_backend("django.db.backends.sqlite3")
    settings = {**connection.settings_dict, "NAME": str(path), "OPTIONS": {"timeout": 0}}
    wrapper = backend.DatabaseWrapper(settings, "away")
    try:
        return met(lambda: wrapper.cursor().execute(statement))
    finally:
        wrapper.close()


@pytest.mark.once
@pytest.mark.django_db
def test_a_locked_file_is_away_and_so_is_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE a (b)")
        other.execute("BEGIN EXCLUSIVE")
        assert is_away(on_sqlite(path, "INSERT INTO a VALUES (1)"))

    assert is_away(on_sqlite(tmp_path / "nowhere" / "a.sqlite3", "SELECT 1"))


@pytest.mark.once
@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["SELECT * FROM nothing", "SELEKT", "SELECT no_column FROM sqlite_master"])
def test_what_sqlite_calls_operational_but_is_ours_stays_our_fault(tmp_path: Path, statement: str) -> None:
    error = on_sqlite(tmp_path / "a.sqlite3", statement)

    assert isinstance(error, OperationalError)
    assert not is_away(error)


@pytest.mark.once
def test_an_error_that_no_driver_has_raised_is_our_fault() -> None:
    assert not is_away(OperationalError("the database is away"))
    assert not is_away(DatabaseError("server closed the connection unexpectedly"))
    assert not is_away(psycopg2.OperationalError("not through Django"))
    assert not is_away(None)


@pytest.mark.once
@pytest.mark.django_db
def test_a_server_that_refuses_connections_is_away() -> None:
    backend = load_backend("django.db.backends.postgresql")
    settings = {**connection.settings_dict, "NAME": "a", "HOST": "127.0.0.1", "PORT": free_port(), "OPTIONS": {}}

    assert is_away(met(backend.DatabaseWrapper(settings, "away").ensure_connection))


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_ends_is_away_also_when_it_is_asked_again() -> None:
    ended = connections.create_connection("default")
    try:
        with ended.cursor() as cursor, connection.cursor() as killer:
            cursor.execute("SELECT pg_backend_pid()")
            killer.execute("SELECT pg_terminate_backend(%s)", cursor.fetchone())
            first, second = (met(lambda: cursor.execute("SELECT 1")) for _ in range(2))
        third = met(ended.cursor)
    finally:
        ended.close()

    assert is_away(first)
    assert isinstance(third, InterfaceError)
    assert is_away(third)
    assert isinstance(second, InterfaceError)


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.parametrize(
    "statements",
    [["SET LOCAL statement_timeout = 1", "SELECT pg_sleep(30)"], ["SELECT * FROM nothing"], ["SELECT 1 / 0"]],
    ids=["too slow", "no such table", "nonsense"],
)
def test_a_server_that_refuses_what_it_is_asked_is_there(statements: list[str]) -> None:
    def ask() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    assert not is_away(met(ask))


# -- the answers ---------------------------------------------------------------------------------------


@pytest.fixture
def http(db: None) -> Http:
    """Every statement finds the database locked."""
    return Http(raise_request_exception=False)


def locked(*_: object) -> None:
    cause = sqlite3.OperationalError("database is locked")
    cause.sqlite_errorcode = sqlite3.SQLITE_BUSY_SNAPSHOT
    raise OperationalError("database is locked") from cause


@pytest.mark.once
@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "The database does not answer just now"), ("ru", "База данных сейчас не отвечает")],
    ids=["en", "ru"],
)
def test_a_person_gets_a_calm_page_that_asks_no_database(http: Http, language: str, words: str) -> None:
    http.cookies["sessionid"] = "a" * 32

    with connection.execute_wrapper(locked):
        answer = http.get("/clients/", headers={"Accept-Language": language})

    assert (answer.status_code, answer["Retry-After"]) == (503, str(refusals.RETRY_AFTER_S))
    assert words in answer.content.decode()


@pytest.mark.once
@pytest.mark.parametrize("door", ["key", "session"])
def test_a_program_gets_the_one_shape_at_each_door(
    http: Http, door: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, key = keys.create(SERVICE, "a program", Role.VIEWER)
    headers = {"Accept-Language": "ru"}
    if door == "key":
        headers["Authorization"] = f"Bearer {key}"
    else:
        http.cookies["sessionid"] = "a" * 32

    with connection.execute_wrapper(locked):
        answer = http.get("/api/v1/clients?phone=79001234567", headers=headers)

    assert (answer.status_code, answer["Retry-After"]) == (503, str(refusals.RETRY_AFTER_S))
    assert answer.json() == {"detail": refusals.AWAY}
    told = [record for record in caplog.records if record.levelname != "INFO"]
    assert [(record.levelname, record.exc_info) for record in told] == [("WARNING", None)]
    assert "79001234567" not in str(told[0].msg)
