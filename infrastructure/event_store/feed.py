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
_places = msgspec.json.Decoder(list[_Place], strict=False).decode


def _unpacked(connection: Connection, after: int, limit: int) -> list[FeedEntry] | None:
    """The entries, asked for as one row: the driver reads rows in Python, field by field,
    which costs more than all else together.

    `None` if they do not come whole and in order: there may be more of them than the server
    puts into one value.
    """
    row = connection.exec_driver_sql(_PACKED, (after, after + limit)).one()
    if row.states is None:
        return []
    try:
        places = _places(f'[["{row.places}"]]')
    except msgspec.DecodeError:
        return None
    entries, start = list[FeedEntry](), 0
    for position, (place, id, version, topic, at, length) in enumerate(places, start=after + 1):
        if place != position:
            return None
        state = row.states[start : start + length]
        entry = FeedEntry(id, version, topic, state, at, position)
        entries.append(entry)
        start += length
    return entries if start == len(row.states) else None


# The feed first, then its events by key: never the other way round. There are no holes, so
# that a range needs no LIMIT, which would take a table in between.
_PACKED = """\
SELECT
  GROUP_CONCAT(CONCAT_WS('","', f.position, HEX(e.originator_id), e.originator_version,
    e.topic, CONCAT(e.recorded_at, 'Z'), LENGTH(e.state)) SEPARATOR '"],["') AS places,
  GROUP_CONCAT(e.state SEPARATOR '') AS states
FROM feed f STRAIGHT_JOIN events e
  ON e.originator_id = f.originator_id AND e.originator_version = f.originator_version
WHERE f.position > %s AND f.position <= %s"""
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
