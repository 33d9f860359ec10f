"""Making a database ready for this release: its schema, and its views."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infrastructure.database import Database
from infrastructure.migrations import LOCK_WAIT_SECONDS, MigrationLocked, migrate
from infrastructure.runtime import Runtime
from projections.runner import REBUILD_BATCH

LOCK = "make views"


def prepare(runtime: Runtime) -> None:
    """Migrate, and rebuild the views if this release shows the events differently."""
    migrate(runtime.database)
    with _alone(runtime.database):
        outdated = runtime.generations.ensure()
    if outdated is not None:
        rebuild(runtime, outdated)


def rebuild(runtime: Runtime, generation: int) -> int:
    """Fold every event into that generation, then serve it. The live one goes on meanwhile."""
    while runtime.sequencer.step() or runtime.runner.step(generation, REBUILD_BATCH):
        continue
    runtime.generations.switch(generation)
    return generation


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Two at once would both make the tables; on SQLite the transaction keeps them apart."""
    if not database.is_mysql:
        yield
        return
    patient = database.patient()
    lock = f"{LOCK} {database.url.database}"[:64]
    try:
        with patient.reading() as connection:
            got = connection.exec_driver_sql(
                "SELECT GET_LOCK(%s, %s)", (lock, LOCK_WAIT_SECONDS)
            ).scalar()
            if got != 1:
                raise MigrationLocked(f"another process has held '{lock}' for a long time")
            yield
    finally:
        patient.close()
