"""A migrated schema on a MySQL server, brought back to its first state between tests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from tests.servers import MariaDB

COLUMNS = """\
SELECT table_name, column_name, column_type FROM information_schema.columns
WHERE table_schema = %s ORDER BY 1, 2"""
COUNTED_OR_LONG = """\
SELECT table_name FROM information_schema.tables
WHERE table_schema = %s AND (auto_increment > 1 OR table_rows > 1000)"""


class Schema:
    """Migrating takes seconds, emptying milliseconds: the tables stay, their rows go."""

    def __init__(
        self, server: MariaDB, migrate: Callable[[str], None], *, name: str = "shop"
    ) -> None:
        self._server = server
        self._migrate = migrate
        self._name = name
        self._columns: tuple[Any, ...] = ()
        self._first_rows: dict[str, tuple[Any, ...]] = {}

    def emptied(self) -> str:
        """The URL of the schema with the rows it had after migrating.

        Where a test changed the tables themselves, they are made anew.
        """
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            if not self._columns or _rows(cursor, COLUMNS, self._name) != self._columns:
                self._make(cursor)
            else:
                self._empty(cursor)
        return self._server.url(self._name)

    def _make(self, cursor: Cursor) -> None:
        self._migrate(self._server.create_database(self._name))
        self._columns = _rows(cursor, COLUMNS, self._name)
        self._first_rows = {
            table: _rows(cursor, f"SELECT * FROM {self._name}.`{table}`")  # noqa: S608
            for table in {column[0] for column in self._columns}
        }

    def _empty(self, cursor: Cursor) -> None:
        exists = " UNION ALL ".join(
            f"SELECT '{table}' FROM DUAL WHERE EXISTS (SELECT 1 FROM {self._name}.`{table}`)"  # noqa: S608
            for table in self._first_rows
        )
        # TRUNCATE makes the table anew, which takes forty times as long as to delete a few rows.
        anew = {row[0] for row in _rows(cursor, COUNTED_OR_LONG, self._name)}
        used = {row[0] for row in _rows(cursor, exists)} | anew
        # A table that a test emptied holds nothing, and yet not what it should.
        used |= {table for table, first in self._first_rows.items() if first}
        for table in sorted(used, key=lambda table: table not in anew):
            first = self._first_rows[table]
            if first and _rows(cursor, f"SELECT * FROM {self._name}.`{table}`") == first:  # noqa: S608
                continue
            how = "TRUNCATE TABLE" if table in anew else "DELETE FROM"
            cursor.execute(f"{how} {self._name}.`{table}`")
            if first:
                values = ", ".join(["%s"] * len(first[0]))
                insert = f"INSERT INTO {self._name}.`{table}` VALUES ({values})"  # noqa: S608
                cursor.executemany(insert, first)

    def _connect(self) -> pymysql.Connection[Cursor]:
        connection = self._server.connect()
        with connection.cursor() as cursor:
            cursor.execute(
                "SET foreign_key_checks = 0, lock_wait_timeout = 10, innodb_lock_wait_timeout = 10"
            )
            if not self._server.is_mariadb:
                cursor.execute("SET information_schema_stats_expiry = 0")
        return connection


def _rows(cursor: Cursor, sql: str, *arguments: str) -> tuple[Any, ...]:
    cursor.execute(sql, arguments or None)
    return tuple(cursor.fetchall())
