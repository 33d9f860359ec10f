"""What the errors of the drivers mean to the event store."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

_DUPLICATE_KEY = 1062
_NO_SUCH_TABLE = 1146
_LOST_RACE = {
    1020: "record changed since the last read",
    1047: "the node is not ready (Galera)",
    1180: "error during COMMIT (Galera certification)",
    1205: "lock wait timeout",
    1213: "deadlock",
    3101: "the group rolled the transaction back",
}
_NOT_THERE = {2002, 2003, 2005, 1053}
"""Cannot connect, or the server is shutting down."""
_CUT = {
    1205: "lock wait timeout",
    1969: "max_statement_time exceeded (MariaDB)",
    3024: "max_execution_time exceeded (MySQL)",
}
_FULL = {
    1021: "disk full",
    1026: "error writing file",
    1114: "the table is full",
    3019: "the undo log is full",
}
_SQLITE_PRIMARY_CODE = 0xFF
_SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
"""The second is what a quota or a limit on the size of files says."""


def is_duplicate(error: DBAPIError) -> bool:
    """The row exists already."""
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", None)
        return code in (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE)
    return _number(error) == _DUPLICATE_KEY


def is_lost_race(error: DBAPIError) -> bool:
    """Nothing was stored, and making the transaction again from its start may succeed."""
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", None)
        return code is not None and code & _SQLITE_PRIMARY_CODE == sqlite3.SQLITE_BUSY
    return error.connection_invalidated or _number(error) in _LOST_RACE


def is_table_missing(error: DBAPIError) -> bool:
    """The table does not exist."""
    if isinstance(error.orig, sqlite3.Error):
        return str(error.orig).startswith("no such table")
    return _number(error) == _NO_SUCH_TABLE


def is_away(error: DBAPIError) -> bool:
    """The server cannot be reached now."""
    return error.connection_invalidated or _number(error) in _NOT_THERE


def is_cut(error: DBAPIError) -> bool:
    """The server ended a statement that took, or waited, longer than it was given."""
    return _number(error) in _CUT


def is_full(error: DBAPIError) -> bool:
    """There is no space to write to; nothing was stored."""
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", None) in _SQLITE_FULL
    return _number(error) in _FULL


def _number(error: DBAPIError) -> int | None:
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None
