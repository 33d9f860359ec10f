"""Stored events and commits, made by hand."""

from __future__ import annotations

from uuid import UUID, uuid4

from eventsourcing.persistence import StoredEvent
from sqlalchemy import insert

from infrastructure.database import Database
from infrastructure.event_store.commits import encode_runs
from infrastructure.event_store.tables import events, pending
from tests.infrastructure.event_store.records import AT

A, B, C = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)


def stored(id: UUID, *versions: int) -> list[StoredEvent]:
    return [StoredEvent(id, version, "ticket.opened", b"{}") for version in versions]


def commit(database: Database, *stored_events: StoredEvent) -> None:
    """Store a commit and leave it pending, on SQLite too."""
    commit_id = uuid4()
    rows = [vars(each) | dict(commit_id=commit_id, recorded_at=AT) for each in stored_events]
    with database.transaction() as connection:
        connection.execute(insert(events), rows)
        connection.execute(insert(pending), dict(recorded_at=AT, runs=encode_runs(stored_events)))
