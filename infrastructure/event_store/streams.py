"""Every stream after the other, whole: for whoever checks what was made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from domain.kernel import Recorded
from infrastructure.database import Database
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.recorder import StoredRecord
from infrastructure.event_store.tables import events, feed


@dataclass(frozen=True)
class StreamEntry(StoredRecord):
    """A stored event; `position` is `None` while it is not sequenced."""

    position: int | None


class Streams:
    def __init__(self, database: Database, mapper: EventMapper) -> None:
        self._database, self._mapper = database, mapper

    def read(self, after: tuple[UUID, int], limit: int, *, until: UUID) -> list[StreamEntry]:
        """The events that follow that one, by stream and version, up to the end of `until`."""
        id, version = after
        same = (events.c.originator_id == id) & (events.c.originator_version > version)
        later = (events.c.originator_id > id) & (events.c.originator_id <= until)
        entries = list[StreamEntry]()
        with self._database.reading() as connection:
            # One after the other: together no database walks its index from there.
            for condition in (same, later):
                query = _entries.where(condition).limit(limit - len(entries))
                if len(entries) < limit:
                    entries += [StreamEntry(*row) for row in connection.execute(query)]
        return entries

    def decode(self, entries: Sequence[StreamEntry]) -> list[Recorded[Any]]:
        """Raises `UndecodableEvent` for the first one that cannot be read."""
        return self._mapper.to_domain_events(entries)

    def count(self, id: UUID, *, first: int, position: int) -> int:
        """How many events a stream has from version `first` on, up to a position."""
        of = (feed.c.originator_id == id) & (feed.c.originator_version >= first)
        query = select(func.count()).select_from(feed).where(of, feed.c.position <= position)
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def sample(self, count: int) -> list[UUID]:
        """Some streams: those that hold events drawn by chance."""
        with self._database.reading() as connection:
            last = connection.scalar(select(func.max(feed.c.position))) or 0
            positions = random.sample(range(1, last + 1), min(count, last))
            chosen = select(feed.c.originator_id).where(feed.c.position.in_(positions))
            return sorted(set(connection.execute(chosen).scalars()))


_entries = (
    select(
        events.c.originator_id,
        events.c.originator_version,
        events.c.topic,
        events.c.state,
        events.c.recorded_at,
        feed.c.position,
    )
    .select_from(
        events.outerjoin(
            feed,
            (feed.c.originator_id == events.c.originator_id)
            & (feed.c.originator_version == events.c.originator_version),
        )
    )
    .order_by(events.c.originator_id, events.c.originator_version)
)
