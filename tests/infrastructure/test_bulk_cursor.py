"""Many rows at once arrive as they were sent, one by one or all together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from infrastructure.bulk_cursor import BulkCursor
from infrastructure.database import Database
from tests.infrastructure.event_store.legs import on_mysql

TABLE = """\
CREATE TEMPORARY TABLE sent (n INT PRIMARY KEY, id BINARY(16), at DATETIME(6), flag BOOL,
text VARCHAR(100), body MEDIUMBLOB)"""
SENT = "INSERT INTO sent (n, id, at, flag, text, body) VALUES (%s, %s, %s, %s, %s, %s)"
NAMED = "INSERT INTO sent VALUES (%(n)s, %(id)s, %(at)s, %(flag)s, %(text)s, %(body)s)"
MOMENT = datetime(2026, 3, 2, 9, 0, 1, 5, tzinfo=UTC)
LATER = MOMENT.replace(microsecond=0).astimezone(timezone(timedelta(hours=5, minutes=30)))


class Colour(StrEnum):
    RED = "red's"


ROWS: list[tuple[Any, ...]] = [
    (1, UUID(int=1), MOMENT, True, 'it\'s 100 % \\ "fine" %s\n\0', b"\x00'\\\xff%"),
    (-2, UUID(int=2**128 - 1), LATER, False, "Ünïcode 🔧 %(n)s", b""),
    (2**31 - 1, None, None, None, None, None),
    (4, bytes(16), MOMENT.replace(tzinfo=None), 1, Colour.RED, bytearray(b"x")),
]
ARRIVED = [
    (1, UUID(int=1).bytes, "2026-03-02 09:00:01.000005", 1, ROWS[0][4], ROWS[0][5]),
    (-2, b"\xff" * 16, "2026-03-02 09:00:01", 0, ROWS[1][4], b""),
    ROWS[2],
    (4, bytes(16), "2026-03-02 09:00:01.000005", 1, "red's", b"x"),
]


def one_by_one(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    for row in rows:
        connection.exec_driver_sql(SENT, [row])


def all_together(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    assert connection.exec_driver_sql(SENT, list(rows)).rowcount == len(rows)


def by_name(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    names = ("n", "id", "at", "flag", "text", "body")
    connection.exec_driver_sql(NAMED, [dict(zip(names, row, strict=True)) for row in rows])


def or_else(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    same = "IF('100%%' = CONCAT('100', CHAR(37)), VALUES(text), NULL)"
    conflict = f" ON DUPLICATE KEY UPDATE text = {same}"
    connection.exec_driver_sql(SENT + conflict, [*rows, *rows])


@on_mysql
@pytest.mark.parametrize("send", [one_by_one, all_together, by_name, or_else])
def test_every_value_arrives_as_it_was_sent(
    database: Database, send: Callable[[Connection, Sequence[tuple[Any, ...]]], None]
) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(TABLE)
        send(connection, ROWS)
        found = connection.exec_driver_sql("SELECT * FROM sent").all()

    assert sorted(map(_plain, found)) == sorted(ARRIVED)


@on_mysql
def test_what_is_too_long_for_one_statement_comes_in_several(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    execute = BulkCursor.execute

    def note(cursor: BulkCursor, query: Any, args: Any = None) -> int:
        if bytes(query[:11] if isinstance(query, bytes) else b"") == b"INSERT INTO":
            sizes.append(len(query))
        return execute(cursor, query, args)

    monkeypatch.setattr(BulkCursor, "execute", note)
    rows = [(n, None, None, None, "é" * 100, b"x" * 40_000) for n in range(100)]
    with database.transaction() as connection:
        connection.exec_driver_sql(TABLE)
        all_together(connection, rows)
        whole = "SELECT COUNT(*), SUM(LENGTH(body)), SUM(LENGTH(text)) FROM sent"
        (found,) = connection.exec_driver_sql(whole).all()

    assert tuple(map(int, found)) == (100, 4_000_000, 20_000)
    assert len(sizes) > 1
    assert max(sizes) <= BulkCursor.max_stmt_length


def _plain(row: Any) -> tuple[Any, ...]:
    n, id, at, flag, text, body = row
    return (n, id, at and str(at), flag, text, body)
