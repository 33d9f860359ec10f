"""The schema, step by step. Revisions are frozen once released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from infrastructure.database import PATIENCE_SECONDS, Database

MYSQL_NAME_LENGTH_MAX = 64


class MigrationLocked(Exception):
    """Another process has been migrating this database for a long time."""


def migrate(database: Database) -> None:
    """Bring the schema up to date; does nothing if it is. Of several at once one does it and
    the others wait.
    """
    patient = database.patient()
    try:
        with alone(patient, "migrate"), patient.transaction() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        patient.close()


def pending_migrations(database: Database) -> bool:
    """Whether this program needs revisions that the schema lacks. A newer schema is fine:
    during an update the old release runs on beside it.
    """
    scripts = ScriptDirectory.from_config(_config())
    known = {script.revision for script in scripts.walk_revisions()}
    with database.reading() as connection:
        current = set(MigrationContext.configure(connection).get_current_heads())
    return current <= known and current != set(scripts.get_heads())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def alone(patient: Database, purpose: str) -> Iterator[None]:
    """On SQLite a transaction itself keeps others out; on MySQL, where DDL ends it, a lock does.

    It is held by a connection of its own, so that it outlasts the commit of what is guarded.
    Raises `MigrationLocked`.
    """
    if not patient.is_mysql:
        yield
        return
    lock = f"{purpose} {patient.url.database}"[:MYSQL_NAME_LENGTH_MAX]
    with patient.reading() as connection:
        asked = ("SELECT GET_LOCK(%s, %s)", (lock, PATIENCE_SECONDS))
        if connection.exec_driver_sql(*asked).scalar() != 1:
            raise MigrationLocked(f"another process has held '{lock}' for {PATIENCE_SECONDS} s")
        try:
            yield
        finally:
            connection.exec_driver_sql("SELECT RELEASE_LOCK(%s)", (lock,)).scalar()
