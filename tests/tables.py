"""The event store's tables, emptied."""

from __future__ import annotations

from sqlalchemy import delete

from infrastructure.database import Database
from infrastructure.event_store.keyring import subject_keys
from infrastructure.event_store.tables import events, feed, pending


def emptied(database: Database) -> None:
    """As before the first event."""
    with database.transaction() as connection:
        for table in (feed, pending, events, subject_keys):
            connection.execute(delete(table))
