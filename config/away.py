"""Telling a database that is away from one that refuses what it is asked, which is a fault of ours."""

import sqlite3

import psycopg2
from django.db import InterfaceError, OperationalError

# it goes down, comes up, or has no connection left; 08 is the class of broken connections
CANNOT_TALK = frozenset({"57P01", "57P02", "57P03", "57P05", "53300"})
BROKEN_CONNECTION = "08"
# somebody else writes for longer than anybody waits, or the file's folder is not there
SQLITE_CANNOT_TALK = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN})
SQLITE_PRIMARY = 0xFF  # the rest of a code says more about it
CLOSED = "connection already closed"  # what psycopg2 says of one that broke a moment ago


def is_away(error: BaseException | None) -> bool:
    """Whether the database cannot be talked to just now, so that the same may go well later.

    Django calls many things an OperationalError: a table that is missing, a full disk, a deadlock. What the driver
    says beneath it decides; an error that no driver has raised is none of these.
    """
    cause = error.__cause__ if isinstance(error, OperationalError | InterfaceError) else None
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorcode & SQLITE_PRIMARY in SQLITE_CANNOT_TALK
    if isinstance(cause, psycopg2.InterfaceError):
        return CLOSED in str(cause)
    if isinstance(cause, psycopg2.OperationalError):
        code = cause.pgcode  # none when no server has said it, but the way to it is broken
        return code is None or code in CANNOT_TALK or code.startswith(BROKEN_CONNECTION)
    return False
