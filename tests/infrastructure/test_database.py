"""Connections: who joins whom, what is seen, what is given back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection

from infrastructure.database import Database
from tests.infrastructure.event_store.legs import on_mysql, on_sqlite


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
