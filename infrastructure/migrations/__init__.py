"""The schema, step by step. Revisions are frozen once released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect

from infrastructure.database import PATIENCE_SECONDS, Database

FOLDER = Path(__file__).parent
MYSQL_NAME_LENGTH_MAX = 64


class MigrationLocked(Exception):
    """Another process has been migrating this database for a long time."""


def migrate(database: Database) -> None:
    """Bring the schema up to date; does nothing if it is, or if it is a newer release's. Of
    several at once one does it and the others wait.
    """
    patient = database.patient()
    try:
        with alone(patient, "migrate"), patient.transaction() as connection:
            if pending_migrations(patient):
                _upgrade(connection)
    finally:
        patient.close()


def pending_migrations(database: Database) -> bool:
    """Whether this program needs revisions that the schema lacks. A newer schema is fine:
    during an update the old release runs on beside it.
    """
    known = revisions()
    with database.reading() as connection:
        applied = _applied(connection)
    return applied <= set(known) and applied != {known[-1]}


def revisions() -> list[str]:
    """What this program knows, in order: each one's number is in the name of its file."""
    return sorted(file.name[1:5] for file in FOLDER.glob("versions/r*.py"))


def _applied(connection: Connection) -> set[str]:
    """The last revision of the schema; nothing where there is none."""
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())


def _upgrade(connection: Connection) -> None:
    # A quarter of the time that all else takes to be loaded, and hardly any start needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


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
