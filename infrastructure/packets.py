"""The driver's connection, with a COMMIT that takes the last writes along."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy
from pymysql import MySQLError
from pymysql.connections import Connection


class PackedConnection(Connection):
    """Sends `last` and COMMIT in one packet: a round trip less per transaction.

    The server stops at the first statement that fails, so nothing is committed without the
    writes before it.
    """

    last: tuple[str, tuple[Any, ...]] | None = None

    def commit(self) -> None:
        if self.last is None:
            super().commit()
            return
        (statements, parameters), self.last = self.last, None
        try:
            with self.cursor() as cursor:
                cursor.execute(f"{statements};\nCOMMIT", parameters)
                while cursor.nextset():
                    continue
        except MySQLError:
            # SQLAlchemy takes a COMMIT that failed for the end of the transaction.
            with suppress(MySQLError):
                self.rollback()
            raise


def connect(*given: Any) -> PackedConnection:
    """In the place of SQLAlchemy's own ("do_connect")."""
    _, _, arguments, named = given
    return PackedConnection(*arguments, **named)


def send_last(on: sqlalchemy.Connection, writes: Sequence[tuple[str, Sequence[Any], int]]) -> None:
    """Have these statements, with their parameters, sent with the next COMMIT."""
    driver = on.connection.dbapi_connection
    assert isinstance(driver, PackedConnection)
    statements = ";\n".join(statement for statement, _, _ in writes)
    driver.last = statements, tuple(value for _, values, _ in writes for value in values)
