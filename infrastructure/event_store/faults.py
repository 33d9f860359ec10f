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
_SQLITE_PRIMARY_CODE = 0xFF


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


def is_gone(error: DBAPIError) -> bool:
    """The table does not exist."""
    return _number(error) == _NO_SUCH_TABLE


def is_away(error: DBAPIError) -> bool:
    """The server cannot be reached now."""
    return error.connection_invalidated or _number(error) in _NOT_THERE


def _number(error: DBAPIError) -> int | None:
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None
