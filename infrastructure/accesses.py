"""Who read the past: kept beside the log, for whoever watches the watchers.

A record is on disk before what was read is answered. It names ids and no person, and is kept
for ACCESS_LOG_DAYS.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Column, Index, String, Table, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from infrastructure.database import Database
from infrastructure.event_store.tables import metadata
from infrastructure.ids import uuid7
from projections.sql import TABLE_OPTIONS, Bytes, Id, Instant

SWEEP_MAX = 1_000

access_records = Table(
    "access_records",
    metadata,
    Column("id", Id, primary_key=True),
    Column("accessed_at", Instant, nullable=False),
    Column("actor", Id, nullable=False),
    Column("role", String(16), nullable=False),
    Column("operation", String(255), nullable=False),
    Column("subject", Id),
    Column("query", Bytes, nullable=False),
    Column("request_id", String(64), nullable=False),
    Index("access_records_time", "accessed_at", "id"),
    Index("access_records_actor", "actor", "accessed_at", "id"),
    Index("access_records_subject", "subject", "accessed_at", "id"),
    **TABLE_OPTIONS,
)


class Access(msgspec.Struct, kw_only=True):
    """Somebody read the past: who, in which role, when, what, under which request. `subject`
    is what it was about, null for a search."""

    id: UUID
    accessed_at: datetime
    actor: UUID
    role: str
    operation: str
    subject: UUID | None
    query: dict[str, Any]
    request_id: str


class AccessFilter(NamedTuple):
    """`before`: time and id of the last record of the page before."""

    limit: int
    actor: UUID | None = None
    subject: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: tuple[datetime, UUID] | None = None


class NotRecorded(Exception):
    """The access could not be recorded, so it must not take place."""


class Accesses:
    def __init__(self, database: Database, clock: Callable[[], datetime], keep: timedelta) -> None:
        self._database, self._clock, self._keep = database, clock, keep

    def record(
        self,
        *,
        actor: UUID,
        role: str,
        operation: str,
        subject: UUID | None,
        query: dict[str, Any],
        request_id: str,
    ) -> None:
        """Returns once it is on disk. Raises `NotRecorded`."""
        row = dict(
            id=uuid7(),
            accessed_at=self._clock(),
            actor=actor,
            role=role,
            operation=operation,
            subject=subject,
            query=msgspec.json.encode(query),
            request_id=request_id,
        )
        try:
            # Autocommit: one statement needs no transaction around it.
            with self._database.reading() as connection:
                connection.execute(insert(access_records), row)
        except SQLAlchemyError as error:
            raise NotRecorded from error

    def find(self, wanted: AccessFilter) -> list[Access]:
        """The latest first."""
        table = access_records
        at, id = table.c.accessed_at, table.c.id
        query = select(table).order_by(at.desc(), id.desc()).limit(wanted.limit)
        if wanted.actor is not None:
            query = query.where(table.c.actor == wanted.actor)
        if wanted.subject is not None:
            query = query.where(table.c.subject == wanted.subject)
        if wanted.since is not None:
            query = query.where(at >= wanted.since)
        if wanted.until is not None:
            query = query.where(at < wanted.until)
        if wanted.before is not None:
            moment, last = wanted.before
            query = query.where(at <= moment, (at < moment) | (id < last))
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [Access(**{**row, "query": msgspec.json.decode(row["query"])}) for row in rows]

    def sweep(self) -> int:
        """Delete what has been kept long enough, some at a time; return how many."""
        old = (
            select(access_records.c.id)
            .where(access_records.c.accessed_at < self._clock() - self._keep)
            .order_by(access_records.c.accessed_at)
            .limit(SWEEP_MAX)
        )
        swept = 0
        while True:
            with self._database.transaction() as connection:
                ids = connection.scalars(old).all()
                these = access_records.c.id.in_(ids)
                swept += connection.execute(delete(access_records).where(these)).rowcount
            if len(ids) < SWEEP_MAX:
                return swept
