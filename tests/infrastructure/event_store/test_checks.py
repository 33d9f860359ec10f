"""An unfit database is named before it does harm; a damaged history is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update

from infrastructure.database import Database
from infrastructure.event_store.checks import Unfit, check, verify
from infrastructure.event_store.commits import encode_runs
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.tables import events, feed, pending
from tests.infrastructure.event_store.commits import A, B, C, commit, stored
from tests.infrastructure.event_store.legs import on_mysql, on_sqlite
from tests.infrastructure.event_store.records import AT
from tests.servers import MariaDB


@on_sqlite
def test_a_migrated_file_is_fit(database: Database) -> None:
    assert check(database) == []


@on_mysql
def test_commits_that_do_not_wait_for_the_disk_are_warned_of(database: Database) -> None:
    with database.reading() as connection:
        flush = "SET GLOBAL innodb_flush_log_at_trx_commit = "
        connection.exec_driver_sql(flush + "1")
        assert check(database) == []

        connection.exec_driver_sql(flush + "2")
        (warning,) = check(database)
    assert "innodb_flush_log_at_trx_commit is 2" in warning


@on_mysql
@pytest.mark.parametrize("table", ["running_numbers", "consumers", "credentials"])
def test_a_table_that_compares_text_otherwise_is_unfit(database: Database, table: str) -> None:
    convert = f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE "
    with database.reading() as connection:
        connection.exec_driver_sql(convert + "utf8mb4_general_ci")
        try:
            with pytest.raises(Unfit, match=table):
                check(database)
        finally:
            connection.exec_driver_sql(convert + "utf8mb4_bin")


def test_an_empty_database_is_unfit(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="not up to date: run `mechanic-shop migrate`"):
        check(Database(f"sqlite:///{tmp_path}/empty.sqlite"))


def test_a_database_out_of_reach_is_unfit(tmp_path: Path, mariadb: MariaDB) -> None:
    urls = [
        f"sqlite:///{tmp_path}/no/such/directory/x.sqlite",
        "mysql+pymysql://shop:secret@127.0.0.1:9/shop",
        mariadb.url("no_such_database"),
    ]
    for url in urls:
        with pytest.raises(Unfit) as unfit:
            check(Database(url))
        assert "cannot use the database at" in str(unfit.value)
        assert "secret" not in str(unfit.value)
        assert "\n" not in str(unfit.value)


def sequenced(database: Database) -> None:
    commit(database, *stored(A, 1, 2), *stored(B, 1))
    commit(database, *stored(B, 2))
    commit(database, *stored(A, 3))
    assert Sequencer(database).step() == 5


def test_a_whole_history_has_no_faults(database: Database) -> None:
    assert list(verify(database)) == []
    sequenced(database)
    commit(database, *stored(C, 1))
    commit(database, *stored(C, 2))
    commit(database, *stored(A, 4))
    assert list(verify(database)) == []


def test_a_lost_event_is_found(database: Database) -> None:
    sequenced(database)
    with database.transaction() as connection:
        lost = (events.c.originator_id == A) & (events.c.originator_version == 2)
        connection.execute(delete(events).where(lost))

    faults = list(verify(database))

    assert f"events: 2 of {A} have versions 1 to 3" in faults
    assert "feed: the event at 2 does not exist" in faults


def test_a_lost_position_is_found(database: Database) -> None:
    sequenced(database)
    with database.transaction() as connection:
        connection.execute(delete(feed).where(feed.c.position == 4))

    faults = list(verify(database))

    assert "feed: positions are missing before 5" in faults
    assert f"events: version 2 of {B} is neither in the feed nor pending" in faults


def test_a_wrong_order_is_found(database: Database) -> None:
    sequenced(database)
    with database.transaction() as connection:
        for old, new in ((2, 99), (5, 2), (99, 5)):
            connection.execute(update(feed).where(feed.c.position == old).values(position=new))

    faults = list(verify(database))

    assert "feed: the event at 2 does not follow the one before it in its stream" in faults
    assert any("not adjacent" in fault for fault in faults)


PENDING_FAULTS: dict[str, Callable[[], bytes]] = {
    "sequenced or absent": lambda: encode_runs(stored(A, 3)),
    "and so has another": lambda: encode_runs(stored(C, 1)),
}


@pytest.mark.parametrize("fault", PENDING_FAULTS)
def test_a_wrong_pending_row_is_found(database: Database, fault: str) -> None:
    sequenced(database)
    commit(database, *stored(C, 1))
    with database.transaction() as connection:
        row = dict(recorded_at=AT, runs=PENDING_FAULTS[fault]())
        connection.execute(insert(pending), row)

    assert any(fault in line for line in verify(database))


def test_a_commit_that_waits_for_ever_is_found(database: Database) -> None:
    sequenced(database)
    commit(database, *stored(C, 2))

    faults = list(verify(database))

    assert any("waits for an event that will never be sequenced" in line for line in faults)
