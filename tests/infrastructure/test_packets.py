"""The last writes of a transaction and its COMMIT in one packet; connecting costs little."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from infrastructure.bulk_cursor import BulkCursor
from infrastructure.database import LOCK_WAIT_SECONDS, Database
from tests.infrastructure.event_store.legs import on_mysql
from tests.round_trips import database_round_trips

pytestmark = on_mysql

NUMBER = "INSERT INTO running_numbers VALUES (%s, 1)"


def write(database: Database, *names: str) -> None:
    with database.transaction():
        for name in names:
            database.write_last(NUMBER, (name,))


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.exec_driver_sql("SELECT name FROM running_numbers").scalars())


def test_they_are_one_round_trip(database: Database) -> None:
    write(database, "first")
    with database_round_trips() as sent:
        write(database, "50 %", "it's")

    assert len(sent) == 1
    assert sorted(names(database)) == ["50 %", "first", "it's"]


def test_many_rows_are_one_statement(database: Database) -> None:
    write(database, "first")
    with database_round_trips() as sent, database.transaction():
        rows = [("50 %", 1), ("it's", 1), ("é", 1)]
        database.write_last("INSERT INTO running_numbers VALUES (%s, %s)", rows)

    assert [packet.count("INSERT") for packet in sent] == [1]
    assert sorted(names(database)) == ["50 %", "first", "it's", "é"]


def test_what_is_too_long_for_one_packet_comes_in_several_and_as_a_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BulkCursor, "max_stmt_length", 120)
    write(database, "a")
    with database_round_trips() as sent:
        write(database, *"bcdef")
    with pytest.raises(IntegrityError):
        write(database, *"ghijk", "a")

    assert [packet.count("INSERT") for packet in sent] == [2, 2, 1]
    assert sent[-1].endswith("COMMIT")
    assert names(database) == [*"abcdef"]


def test_where_one_fails_nothing_is_committed_and_nothing_stays_locked(database: Database) -> None:
    write(database, "taken")
    other = Database(database.url)

    with pytest.raises(IntegrityError):
        write(database, "a", "taken", "b")

    assert names(database) == ["taken"]
    # Whoever was left waiting would wait for longer than this.
    assert LOCK_WAIT_SECONDS > 1
    write(other, "a", "b")
    assert len(names(database)) == 3
    other.close()


def test_what_was_kept_is_dropped_with_the_transaction(database: Database) -> None:
    def fail() -> None:
        with database.transaction():
            database.write_last(NUMBER, ("never",))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    write(database, "next")

    assert names(database) == ["next"]


@pytest.fixture
def certificates_read(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Which file, each time certificates are read; `None`: all that the machine trusts."""
    read: list[str | None] = []
    create: Any = ssl.create_default_context

    def noting(*, cafile: str | None = None, **given: Any) -> ssl.SSLContext:
        read.append(cafile)
        context: ssl.SSLContext = create(cafile=cafile, **given)
        return context

    monkeypatch.setattr(ssl, "create_default_context", noting)
    return read


def test_a_connection_that_checks_no_certificate_reads_none(
    database: Database, certificates_read: list[str | None]
) -> None:
    write(database, "a")
    assert names(database) == ["a"]
    database.ping(3)

    assert certificates_read == []
