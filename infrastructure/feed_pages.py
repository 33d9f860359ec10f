"""Pages of the feed: what follows a cursor, and the cursor that follows it.

Every page begins with a look at the event its cursor names, in the statement that reads the
page: a reader of another history is never given the continuation of this one.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from eventsourcing.persistence import StoredEvent
from sqlalchemy import Connection

from domain.kernel import Recorded
from infrastructure.database import Database
from infrastructure.event_store.mapper import EventMapper, UndecodableEvent
from infrastructure.event_store.packing import packed, unpacked
from infrastructure.feed_cursors import BEGINNING, Cursor, FeedFork, event_digest

log = logging.getLogger(__name__)

SCAN_MAX = 10_000
"""Positions that one page looks through at most: a filter may fit none of them."""


class FeedRow(NamedTuple):
    """One event of the feed as it is stored, nothing decoded."""

    position: int
    originator_id: bytes
    originator_version: int
    commit_id: bytes
    topic: str
    state: bytes

    @property
    def cursor(self) -> Cursor:
        """Of somebody who has read this one."""
        digest = event_digest(self.originator_id, self.originator_version, self.commit_id)
        return Cursor(self.position, digest)


class Page(NamedTuple):
    """`more` if there is something to read behind `end` already; `settled` if the same question
    will have the same answer for ever."""

    rows: list[FeedRow]
    end: Cursor
    more: bool
    settled: bool


class FeedPages:
    """Reads the feed for those outside. Filters are by stored tags."""

    def __init__(self, database: Database, mapper: EventMapper) -> None:
        self._database, self._mapper = database, mapper
        join = "STRAIGHT_JOIN" if database.is_mysql else "CROSS JOIN"
        self._select = _SELECT.format(join=join)

    def head(self) -> Cursor:
        """Of somebody who has read everything there is."""
        with self._database.reading() as connection:
            row = self._row(connection, self._last(connection))
        return row.cursor if row else BEGINNING

    def at(self, position: int) -> Cursor:
        """Of somebody who has read up to there. Raises `FeedFork` if the feed ends before."""
        if position == 0:
            return BEGINNING
        with self._database.reading() as connection:
            row = self._row(connection, position)
        if row is None:
            raise FeedFork(f"there is no event {position}")
        return row.cursor

    def verify(self, *cursors: Cursor) -> None:
        """Raises `FeedFork` unless each is of this feed."""
        with self._database.reading() as connection:
            for cursor in cursors:
                if cursor.position:
                    _same(cursor, self._row(connection, cursor.position))

    def page(
        self,
        after: Cursor,
        limit: int,
        *,
        topics: Collection[str] | None = None,
        until: int | None = None,
    ) -> Page:
        """Up to `limit` rows with those tags (`None`: all) up to position `until`.

        The end lies behind everything that was looked through, so a page may be empty and get
        its reader further all the same. Raises `FeedFork`.
        """
        with self._database.reading() as connection:
            head = self._last(connection)
            end = head if until is None else min(head, until)
            bound = max(after.position, min(end, after.position + SCAN_MAX))
            rows, reached, span = list[FeedRow](), after, limit + 1
            while True:
                # A filter may fit everything or next to nothing: look further each time.
                before, to = reached, min(bound, reached.position + span)
                looked = self._behind(connection, before, to, topics)
                reached = looked[-1].cursor if looked else before
                rows += (row for row in looked if topics is None or row.topic in topics)
                if len(rows) > limit:
                    del rows[limit:]
                    return Page(rows, rows[-1].cursor, more=True, settled=True)
                if reached.position >= bound or reached == before:
                    settled = bound < head or bound == until
                    return Page(rows, reached, more=bound < end, settled=settled)
                span *= 2

    def decode(self, rows: Sequence[FeedRow]) -> list[Recorded[Any] | None]:
        """`None` for each that cannot be read: the others are none the worse for it."""
        stored = [
            StoredEvent(UUID(bytes=row.originator_id), row.originator_version, row.topic, row.state)
            for row in rows
        ]
        try:
            return list(self._mapper.to_domain_events(stored))
        except UndecodableEvent:
            return [self._decoded(each) for each in stored]

    def _decoded(self, stored: StoredEvent) -> Recorded[Any] | None:
        try:
            return self._mapper.to_domain_events([stored])[0]
        except UndecodableEvent as error:
            log.error("%s", error)
            return None

    def _last(self, connection: Connection) -> int:
        return connection.exec_driver_sql("SELECT MAX(position) FROM feed").scalar() or 0

    def _row(self, connection: Connection, position: int) -> FeedRow | None:
        where = f"f.position = {self._database.mark}"
        return next(iter(self._plain(connection, where, [position])), None)

    def _behind(
        self, connection: Connection, cursor: Cursor, to: int, topics: Collection[str] | None
    ) -> list[FeedRow]:
        """Those with these tags, and in any case the last one. Raises `FeedFork`."""
        where = _RANGE.replace("?", self._database.mark)
        arguments: list[object] = [cursor.position, to]
        if topics is not None:
            some = ", ".join(["?"] * len(topics)) or "NULL"
            where += _SOME.format(topics=some).replace("?", self._database.mark)
            arguments += [cursor.position, to, *topics]
        rows = self._packed(connection, where, arguments) if self._database.is_mysql else None
        if rows is None:
            rows = self._plain(connection, where, arguments)
        if cursor.position:
            _same(cursor, rows.pop(0) if rows else None)
        return rows

    def _plain(
        self, connection: Connection, where: str, arguments: Sequence[object]
    ) -> list[FeedRow]:
        statement = f"{self._select} WHERE {where} ORDER BY f.position"
        found = connection.exec_driver_sql(statement, tuple(arguments))
        return [FeedRow(*row) for row in found]

    def _packed(
        self, connection: Connection, where: str, arguments: Sequence[object]
    ) -> list[FeedRow] | None:
        found = unpacked(connection, _PACKED + where, arguments, _places)
        if found is None:
            return None
        return [
            FeedRow(position, id, version, commit, topic, state)
            for (position, id, version, commit, topic, _), state in found
        ]


def _same(cursor: Cursor, row: FeedRow | None) -> None:
    if row is None or row.cursor != cursor:
        raise FeedFork(
            f"event {cursor.position} of this feed is not the one the cursor is of: "
            "the feed was put back and went another way"
        )


# The feed first, then its events by key: never the other way round.
_SELECT = """\
SELECT f.position, e.originator_id, e.originator_version, e.commit_id, e.topic, e.state
FROM feed f {join} events e
ON f.originator_id = e.originator_id AND f.originator_version = e.originator_version"""
_PACKED = packed(
    "TO_BASE64(e.originator_id), e.originator_version, TO_BASE64(e.commit_id), e.topic"
)
_places = msgspec.json.Decoder(list[tuple[int, bytes, int, bytes, str, int]], strict=False)
_RANGE = "f.position >= ? AND f.position <= ?"
_SOME = " AND (f.position = ? OR f.position = ? OR e.topic IN ({topics}))"
