"""Migrating: from nothing, twice, at once, after a break; and the schema is what the code says."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, inspect

from infrastructure import migrations
from infrastructure.database import Database
from infrastructure.event_store.tables import metadata
from infrastructure.migrations import migrate, pending_migrations, revisions
from tests.servers import MariaDB

HOLD_SECONDS = 0.5


@pytest.fixture
def empty(leg: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    if leg == "sqlite":
        url = f"sqlite:///{tmp_path}/empty.sqlite"
    else:
        server: MariaDB = request.getfixturevalue("mariadb" if leg == "mysql" else leg)
        url = server.create_database("migrating")
    empty = Database(url)
    yield empty
    empty.close()


def test_an_empty_database_is_migrated_once(empty: Database) -> None:
    assert pending_migrations(empty)

    migrate(empty)
    assert not pending_migrations(empty)

    migrate(empty)
    assert not pending_migrations(empty)


def test_several_processes_may_migrate_at_once(empty: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrate(Database(empty.url)), range(4)))

    assert not pending_migrations(empty)


def test_nobody_else_begins_before_the_last_step_is_committed(empty: Database) -> None:
    held = Event()

    def hold(_: Connection) -> None:
        # As long as the other needs to come by, if nothing keeps it out.
        held.wait(HOLD_SECONDS)

    event.listen(Engine, "commit", hold)
    try:
        with ThreadPoolExecutor(2) as pool:
            hurried = [Database(empty.url, lock_wait_seconds=0) for _ in range(2)]
            list(pool.map(migrate, hurried))
    finally:
        event.remove(Engine, "commit", hold)

    assert not pending_migrations(empty)


def test_a_broken_migration_is_taken_up_again(empty: Database) -> None:
    migrate(empty)
    with empty.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
        connection.exec_driver_sql("DROP TABLE running_numbers")
        table = " ON refresh_tokens" if empty.is_mysql else ""
        connection.exec_driver_sql(f"DROP INDEX ix_refresh_tokens_family{table}")
    assert pending_migrations(empty)

    migrate(empty)

    with empty.reading() as connection:
        assert "running_numbers" in inspect(connection).get_table_names()


def test_an_older_schema_is_brought_up_to_date(empty: Database) -> None:
    migrate(empty)
    with empty.transaction() as connection:
        older = f"UPDATE alembic_version SET version_num = '{revisions()[-2]}'"  # noqa: S608
        connection.exec_driver_sql(older)
    assert pending_migrations(empty)

    migrate(empty)
    assert not pending_migrations(empty)


def test_a_newer_schema_is_left_alone(empty: Database) -> None:
    migrate(empty)
    with empty.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    assert not pending_migrations(empty)
    migrate(empty)

    with empty.reading() as connection:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert found == "9999"


def test_the_schema_is_what_the_code_says(database: Database) -> None:
    def ours(thing: Any, name: str | None, kind: str, *_: object) -> bool:
        return kind != "table" or name in metadata.tables

    with database.reading() as connection:
        # SQLite gives columns back under other types than they were declared with.
        options: dict[str, Any] = dict(compare_type=database.is_mysql, include_object=ours)
        context = MigrationContext.configure(connection, opts=options)
        assert everything_compared(context) == []


def everything_compared(context: MigrationContext) -> list[Any]:
    assert {"subject_keys", "credentials", "consumers", "log_head"} <= metadata.tables.keys()
    return list(compare_metadata(context, metadata))


def test_the_comparison_sees_a_difference(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE feed ADD COLUMN surplus INTEGER")
        context = MigrationContext.configure(connection)

        assert any("surplus" in str(difference) for difference in everything_compared(context))


def test_a_file_is_named_after_its_revision() -> None:
    scripts = ScriptDirectory(Path(migrations.__file__).parent)

    assert revisions()[0] == "0001"
    assert [script.revision for script in scripts.walk_revisions()] == revisions()[::-1]
