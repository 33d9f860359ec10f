"""The feed: every event of the shop in one order, for whoever follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select

from domain.kernel import Recorded
from infrastructure.database import Database
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.recorder import StoredRecord
from infrastructure.event_store.tables import events, feed, pending, sequenced_events


@dataclass(frozen=True)
class FeedEntry(StoredRecord):
    """A stored event and its position: 1, 2, 3, ... without holes."""

    position: int


class Feed:
    """Positions only ever grow, and an entry never changes: whoever has read up to a position
    has read everything before it. Events of one commit are adjacent.
    """

    def __init__(self, database: Database, mapper: EventMapper) -> None:
        self._database = database
        self._mapper = mapper

    def position(self) -> int:
        """The last one; 0 while the feed is empty."""
        with self._database.reading() as connection:
            return connection.scalar(_last) or 0

    def read(self, after: int, limit: int) -> list[FeedEntry]:
        """The entries that follow a position, undecoded: what cannot be decoded is for the
        reader to deal with.
        """
        with self._database.reading() as connection:
            rows = connection.execute(_entries, dict(after=after, limit=limit))
            return [FeedEntry(*row) for row in rows]

    def decode(self, entries: Sequence[FeedEntry]) -> list[Recorded[Any]]:
        """Raises `UndecodableEvent` for the first one that cannot be read."""
        return self._mapper.to_domain_events(entries)

    def position_of(self, originator_id: UUID, version: int) -> int | None:
        """`None` while that event is not sequenced."""
        with self._database.reading() as connection:
            return connection.scalar(_position_of, dict(id=originator_id, version=version))

    def waiting_since(self) -> datetime | None:
        """When the oldest commit that is not sequenced yet was recorded."""
        with self._database.reading() as connection:
            return connection.scalar(_oldest_pending)


_last = select(func.max(feed.c.position))
_entries = (
    select(
        events.c.originator_id,
        events.c.originator_version,
        events.c.topic,
        events.c.state,
        events.c.recorded_at,
        feed.c.position,
    )
    # The feed first, then its events by key: never the other way round.
    .prefix_with("STRAIGHT_JOIN", dialect="mysql")
    .prefix_with("STRAIGHT_JOIN", dialect="mariadb")
    .select_from(sequenced_events)
    .where(feed.c.position > bindparam("after"))
    .order_by(feed.c.position)
    .limit(bindparam("limit"))
)
_position_of = select(feed.c.position).where(
    feed.c.originator_id == bindparam("id"), feed.c.originator_version == bindparam("version")
)
_oldest_pending = select(pending.c.recorded_at).order_by(pending.c.id).limit(1)
