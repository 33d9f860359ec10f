"""Finding events by who did what when: an index over the feed, kept up by the workers.

One row per position and nothing that changes: the last row says how far the index has come,
and of two workers that add the same rows one finds them there. It needs no fold, so an event
that no view can take is found all the same; and the database makes the rows of the events
itself, which costs it less than giving them to a worker and taking them back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Select,
    String,
    Table,
    and_,
    func,
    select,
)

from infrastructure.database import Database
from infrastructure.event_store.tables import TOPIC_LENGTH_MAX, events, metadata
from projections.sql import TABLE_OPTIONS, Id, Instant

BATCH = 1000
"""Events in one transaction at most. On SQLite writers wait for it."""

audit_index = Table(
    "audit_index",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("originator_id", Id, nullable=False),
    Column("originator_version", Integer, nullable=False),
    Column("topic", String(TOPIC_LENGTH_MAX), nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("actor", Id),
    Index("audit_time", "recorded_at", "position"),
    Index("audit_originator", "originator_id", "recorded_at", "position"),
    Index("audit_actor", "actor", "recorded_at", "position"),
    Index("audit_actor_topic", "actor", "topic", "recorded_at", "position"),
    Index("audit_topic", "topic", "recorded_at", "position"),
    **TABLE_OPTIONS,
)


class Envelope(msgspec.Struct):
    """What every stored event says around itself; none of it is personal."""

    actor: UUID | None = None
    role: str = ""
    command: str = ""
    correlation_id: str = ""
    reason: str | None = None


class Found(NamedTuple):
    """An event, in its place."""

    position: int
    originator_id: UUID
    originator_version: int
    topic: str
    recorded_at: datetime
    envelope: Envelope


class Search(NamedTuple):
    """`before`: time and position of the last event of the page before."""

    limit: int
    actor: UUID | None = None
    topic: str | None = None
    originators: frozenset[UUID] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    before: tuple[datetime, int] | None = None


class AuditIndex:
    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self) -> int:
        """How much of the feed can be found."""
        with self._database.reading() as connection:
            return connection.scalar(_last) or 0

    def step(self) -> int:
        """Add the next events of the feed; return how many."""
        return self.add(self.position())

    def add(self, after: int, limit: int = BATCH) -> int:
        """Add the events that follow a position, those that are there already left alone;
        return how many were new."""
        with self._database.transaction() as connection:
            if self._database.is_mysql:
                return connection.exec_driver_sql(_ADD_MYSQL, (after, limit)).rowcount
            driver: Any = connection.connection.driver_connection
            driver.create_function("actor_of", 1, _actor, deterministic=True)
            return connection.exec_driver_sql(_ADD_SQLITE, (after, limit)).rowcount

    def find(self, search: Search) -> list[Found]:
        """The latest first: a stretch of one index, and the events it names."""
        page = page_of(search).subquery("page")
        query = (
            select(*page.c, events.c.state)
            .join_from(
                page,
                events,
                and_(
                    events.c.originator_id == page.c.originator_id,
                    events.c.originator_version == page.c.originator_version,
                ),
            )
            .order_by(page.c.recorded_at.desc(), page.c.position.desc())
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [Found(*row[:5], envelope=_envelope(row.state)) for row in rows]


def page_of(search: Search) -> Select[tuple[int, UUID, int, str, datetime]]:
    """Where the events are, the latest first: a stretch of one index."""
    table = audit_index
    at, position = table.c.recorded_at, table.c.position
    query = select(
        position, table.c.originator_id, table.c.originator_version, table.c.topic, at
    ).order_by(at.desc(), position.desc())
    for originator_id in search.originators:
        query = query.where(table.c.originator_id == originator_id)
    if search.actor is not None:
        query = query.where(table.c.actor == search.actor)
    if search.topic is not None:
        query = query.where(table.c.topic == search.topic)
    if search.since is not None:
        query = query.where(at >= search.since)
    if search.until is not None:
        query = query.where(at < search.until)
    if search.before is not None:
        moment, last = search.before
        query = query.where(at <= moment, (at < moment) | (position < last))
    # Said, not guessed: a wrong guess reads the whole table.
    hint = f"FORCE INDEX ({_index(search)})"
    return query.with_hint(table, hint, "mysql").limit(search.limit)


def _index(search: Search) -> str:
    """The one whose order is that of the page, and that leaves least to filter."""
    if search.originators:
        return "audit_originator"
    if search.actor is not None:
        return "audit_actor" if search.topic is None else "audit_actor_topic"
    return "audit_time" if search.topic is None else "audit_topic"


def _envelope(state: bytes) -> Envelope:
    """Blank for bytes that make no event."""
    try:
        return _decode(state)
    except msgspec.MsgspecError:
        return Envelope()


def _actor(state: bytes) -> bytes | None:
    actor = _envelope(state).actor
    return actor.bytes if actor is not None else None


_decode = msgspec.json.Decoder(Envelope).decode
_last = select(func.max(audit_index.c.position))
_ADD = """\
{insert} INTO audit_index
    (position, originator_id, originator_version, topic, recorded_at, actor)
SELECT f.position, f.originator_id, f.originator_version, e.topic, e.recorded_at, {actor}
FROM feed f {join} events e
    ON e.originator_id = f.originator_id AND e.originator_version = f.originator_version
WHERE f.position > {mark} ORDER BY f.position LIMIT {mark}"""
_ADD_SQLITE = _ADD.format(
    insert="INSERT OR IGNORE", actor="actor_of(e.state)", join="JOIN", mark="?"
)
_ADD_MYSQL = _ADD.format(
    insert="INSERT IGNORE",
    actor="UNHEX(REPLACE(JSON_VALUE(CONVERT(e.state USING utf8mb4), '$.actor'), '-', ''))",
    join="STRAIGHT_JOIN",
    mark="%s",
)
