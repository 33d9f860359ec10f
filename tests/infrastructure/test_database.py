"""Connections: who joins whom, what is seen, what is given back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import Connection

from infrastructure.database import Database
from tests.infrastructure.event_store.legs import on_mysql, on_sqlite
from tests.process import wait_until


def insert(connection: Connection, name: str) -> None:
    connection.exec_driver_sql(f"INSERT INTO running_numbers VALUES ('{name}', 1)")  # noqa: S608


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT name FROM running_numbers ORDER BY name")
        return [name for (name,) in rows]


def test_what_is_inside_joins_the_transaction(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as outer:
            insert(outer, "a")
            with database.transaction() as inner:
                assert inner is outer
                insert(inner, "b")
            assert names(database) == ["a", "b"]
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert names(database) == []


def test_other_threads_do_not_join_and_do_not_see(database: Database) -> None:
    with database.transaction() as connection, ThreadPoolExecutor(1) as other:
        insert(connection, "a")

        assert other.submit(names, database).result() == []

    assert names(database) == ["a"]


def test_another_database_is_another_transaction(database: Database) -> None:
    other = Database(database.url)
    with database.transaction() as connection:
        insert(connection, "a")

        assert names(other) == []
    other.close()


def test_a_snapshot_stays_as_it_was(database: Database) -> None:
    other = Database(database.url)
    with database.snapshot():
        assert names(database) == []
        with other.transaction() as connection:
            insert(connection, "a")

        assert names(database) == []
    assert names(database) == ["a"]
    other.close()


def test_a_pool_that_failed_is_as_good_as_new(database: Database) -> None:
    small = Database(database.url, pool_size=1)

    def fail_to_write() -> None:
        with small.transaction() as connection:
            insert(connection, "a")
            raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            fail_to_write()
        with pytest.raises(KeyError), small.snapshot():
            raise KeyError

    with small.transaction() as connection:
        insert(connection, "b")

    assert names(small) == ["b"]
    small.close()


def numbers(database: Database) -> list[int]:
    """Of the connections that are read and written with."""
    both = []
    for connected in (database.reading, database.transaction):
        with connected() as connection:
            both.append(connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar() or 0)
    return both


@on_mysql
def test_a_connection_that_ended_while_nobody_used_it_is_noticed_by_nobody(
    database: Database,
) -> None:
    before = numbers(database)
    assert numbers(database) == before, "they are kept"
    other = Database(database.url)
    with other.reading() as connection:
        for number in before:
            connection.exec_driver_sql(f"KILL {number}")
    other.close()

    wait_until(lambda: not set(before) & set(alive(database)))
    assert not set(numbers(database)) & set(before)


def alive(database: Database) -> list[int]:
    with closing(Database(database.url)) as other, other.reading() as connection:
        rows = connection.exec_driver_sql("SELECT id FROM information_schema.processlist")
        return [int(row[0]) for row in rows]


@on_mysql
def test_transactions_read_what_is_committed_while_they_run(database: Database) -> None:
    other = Database(database.url)
    with database.transaction():
        assert names(database) == []
        with other.transaction() as connection:
            insert(connection, "a")

        assert names(database) == ["a"]
    other.close()


@on_sqlite
def test_a_file_is_flushed_at_every_commit(database: Database) -> None:
    with database.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
