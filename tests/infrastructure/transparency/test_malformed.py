"""Whatever a hand puts into the tables, of whatever type: the check says so in sentences."""

# ruff: noqa: S608

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from infrastructure.runtime import Runtime
from infrastructure.transparency.checking import Finding, check
from infrastructure.transparency.log import BrokenLog
from tests.infrastructure.transparency.past import Past, catch_up, copied, go_on, happen, said

VALUES = (
    *("NULL", "'text'", "''", "1.5", "-1", "1000000000000000000", "X'ff'", "X'00'"),
    "CAST(X'ff' AS TEXT)",
    "(SELECT group_concat(position) FROM feed)",
)
"""As SQL. SQLite takes each of them in any column."""
COLUMNS = {
    "feed": ("position", "originator_id", "originator_version"),
    "events": (
        *("originator_id", "originator_version", "topic", "recorded_at", "commit_id", "state"),
    ),
    "log_head": ("origin", "size", "root", "note"),
    "log_tiles": ("level", "number", "hashes"),
    "log_keys": ("public_key", "key_id"),
    "pending": ("runs",),
}
VICTIM = 7
"""A position of the feed."""
OF_VICTIM = (
    "(originator_id, originator_version) = "
    f"(SELECT originator_id, originator_version FROM feed WHERE position = {VICTIM})"
)
ROWS = {"feed": f"position = {VICTIM}", "events": OF_VICTIM, "log_tiles": "level = 0"}
"""Which row is struck; all there are in the other tables."""


def wait(connection: Connection) -> None:
    """A commit that has no position yet, as a cluster has them."""
    connection.execute(
        text(
            "INSERT INTO events SELECT X'0a0b0c0d0e0f0a0b0c0d0e0f0a0b0c0d', 1, topic, recorded_at, "
            "commit_id, state FROM events WHERE originator_version = 1 LIMIT 1"
        )
    )
    runs = "X'0a0b0c0d0e0f0a0b0c0d0e0f0a0b0c0d0000000100000001'"
    connection.execute(
        text(f"INSERT INTO pending (recorded_at, runs) VALUES ('2026-01-01', {runs})")
    )


def loosened(connection: Connection, table: str) -> None:
    """Take from a table on SQLite every type, key and constraint that it has."""
    connection.execute(text(f"ALTER TABLE {table} RENAME TO {table}_before"))
    connection.execute(text(f"CREATE TABLE {table} AS SELECT * FROM {table}_before"))
    connection.execute(text(f"DROP TABLE {table}_before"))


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table in COLUMNS for column in COLUMNS[table]]
)
def test_a_value_that_none_can_be_is_a_fault_that_is_told(
    past: Past, tmp_path: Path, table: str, column: str
) -> None:
    runtime = copied(past.after, tmp_path)
    with runtime.database.transaction() as connection:
        wait(connection)
    assert said(runtime, past.held) == []
    with runtime.database.transaction() as connection:
        loosened(connection, table)
        connection.execute(text(f"CREATE TABLE whole AS SELECT * FROM {table}"))
    struck = f"UPDATE {table} SET {column} = {{}} WHERE {ROWS.get(table, '1 = 1')}"

    for value in VALUES:
        with runtime.database.transaction() as connection:
            connection.execute(text(f"DELETE FROM {table}"))
            connection.execute(text(f"INSERT INTO {table} SELECT * FROM whole"))
            connection.execute(text(struck.format(value)))
        found = check(runtime.database, held=past.held).faults

        assert found, value
        assert_tells(found, table)
    runtime.close()


@pytest.mark.parametrize("column", ["originator_id", "originator_version"])
def test_a_key_that_none_can_have_is_told_where_feed_and_events_agree_on_it(
    past: Past, tmp_path: Path, column: str
) -> None:
    runtime = copied(past.after, tmp_path)
    with runtime.database.transaction() as connection:
        loosened(connection, "events")
        loosened(connection, "feed")

    for value in ("X'ff'", "'text'", "-1", "5000000000"):
        with runtime.database.transaction() as connection:
            for table in ("events", "feed"):  # The feed says which event it is.
                struck = f"UPDATE {table} SET {column} = {value} WHERE {ROWS[table]}"
                connection.execute(text(struck))
        found = check(runtime.database, held=past.held).faults

        [of_victim] = [one for one in found if one.position == VICTIM]
        assert "holds what no event can in its key" in of_victim.says, value
    runtime.close()


def assert_tells(found: list[Finding], table: str) -> None:
    """Of the event, where it is one, and of nothing that is whole."""
    for one in found:
        assert one.says
        assert one.says.encode()
    if table in ("feed", "events"):
        assert VICTIM in {one.position for one in found}
    elif table in ("log_head", "log_keys", "pending"):
        assert {one.position for one in found} == {None}


MALFORMED = {
    ("log_head", "size", "-1"): "the head of the log holds what none can",
    ("log_head", "note", "X'ff'"): "the head of the log holds what none can",
    ("log_head", "note", "X''"): "the head of the log is not what was signed",
    ("log_head", "note", "X'61'"): "the head of the log is not what was signed: the checkpoint is",
    ("log_head", "root", f"X'{'00' * 32}'"): "the head of the log is not what was signed",
    ("log_tiles", "hashes", "X''"): "the log has lost the hash of the event at position 1 ",
    ("log_tiles", "hashes", "X'ff'"): "the log has lost the hash of the event at position 1 ",
    ("log_keys", "public_key", "'text'"): "no Ed25519 public key of a note: text",
    ("log_keys", "key_id", "X'00000000'"): "under another id",
    ("events", "state", "X''"): "its stored bytes are no event any more",
}
"""What every database takes."""


def test_on_every_database_it_is_named(runtime: Runtime) -> None:
    happen(runtime)
    held = catch_up(runtime)
    with runtime.database.reading() as connection:
        key = "SELECT originator_id, originator_version FROM feed WHERE position = :victim"
        id, version = connection.execute(text(key), dict(victim=VICTIM)).one()
    rows = {
        "events": "originator_id = :id AND originator_version = :version",
        "log_tiles": "level = 0 AND number = 0",
    }

    for (table, column, value), says in MALFORMED.items():
        place = dict(id=id, version=version) if table == "events" else {}
        row = rows.get(table, "1 = 1")
        put = f"UPDATE {table} SET {column} = {{}} WHERE {row}"
        with runtime.database.transaction() as connection:
            find = f"SELECT {column} FROM {table} WHERE {row}"
            before = connection.scalar(text(find), place)
            connection.execute(text(put.format(value)), place)

        assert any(says in one for one in said(runtime, held)), (table, column, value)

        with runtime.database.transaction() as connection:
            connection.execute(text(put.format(":before")), dict(place, before=before))
    assert said(runtime, held) == []


def test_what_the_head_claims_is_not_counted_to(runtime: Runtime) -> None:
    """However many events it says there are."""
    happen(runtime)
    held = catch_up(runtime)
    with runtime.database.transaction() as connection:
        connection.execute(text("UPDATE log_head SET size = 1000000000000000000"))

    assert any("has 1000000000000000000 events by its head" in says for says in said(runtime, held))


def test_nothing_is_signed_on_top_of_a_head_that_is_none(runtime: Runtime) -> None:
    happen(runtime)
    catch_up(runtime)
    with runtime.database.transaction() as connection:
        connection.execute(text("UPDATE log_head SET note = X'ff'"))
    go_on(runtime, 1)

    with pytest.raises(BrokenLog, match="head of the log"):
        runtime.transparency_log.extend()
