"""The feed: every event of the shop in one order, for whoever follows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, bindparam, func, select

from domain.kernel import Recorded
from infrastructure.database import Database
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.packing import packed, unpacked
from infrastructure.event_store.tables import events, feed, pending, sequenced_events


class FeedEntry(msgspec.Struct, frozen=True):
    """A stored event and its position: 1, 2, 3, ... without holes."""

    originator_id: UUID
    originator_version: int
    topic: str
    state: bytes
    recorded_at: datetime
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
            if self._database.is_mysql:
                entries = _unpacked(connection, after, limit)
                if entries is not None:
                    return entries
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


_Place = tuple[int, UUID, int, str, datetime, int]
_places = msgspec.json.Decoder(list[_Place], strict=False)


def _unpacked(connection: Connection, after: int, limit: int) -> list[FeedEntry] | None:
    """As one row; `None` if it has to be asked for otherwise."""
    found = unpacked(connection, _PACKED, (after, after + limit), _places)
    if found is None or (found and found[-1][0][0] != after + len(found)):
        return None
    return [
        FeedEntry(id, version, topic, state, at, position)
        for (position, id, version, topic, at, _), state in found
    ]


_PACKED = (
    packed("HEX(e.originator_id), e.originator_version, e.topic, CONCAT(e.recorded_at, 'Z')")
    + "f.position > %s AND f.position <= %s"
)
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
    .prefix_with("STRAIGHT_JOIN", dialect="mysql")
    .select_from(sequenced_events)
    .where(feed.c.position > bindparam("after"))
    .order_by(feed.c.position)
    .limit(bindparam("limit"))
)
_position_of = select(feed.c.position).where(
    feed.c.originator_id == bindparam("id"), feed.c.originator_version == bindparam("version")
)
_oldest_pending = select(pending.c.recorded_at).order_by(pending.c.id).limit(1)
