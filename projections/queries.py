"""Reads: a resource by its id, and lists of them. One key look-up, or one indexed query."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Column, Select, String, Table, and_, bindparam, or_, select

from projections import leaderboard
from projections.cache import Cache, Entry, Looked
from projections.generations import Generations
from projections.history import Events, Past
from projections.kernel import Connections
from projections.runner import body_key
from projections.tables import generations, tables
from projections.tokens import Token
from projections.views import RELATED, TABLE_OF

POLL_SECONDS = 0.01


class ProjectionBehind(Exception):
    """The views have not yet come as far as the client's token."""


class Served(NamedTuple):
    """A resource as served. `position`: how much of the feed it reflects at least."""

    body: bytes
    version: int
    owner_id: UUID | None
    position: int
    generation: int


class Listed(NamedTuple):
    """A page: bodies ready to join, and what to ask for to go on."""

    items: Sequence[bytes]
    next_key: tuple[Any, UUID] | None
    position: int


class Listing(NamedTuple):
    """What a list is asked for. `where`: column -> value; `related`: name in RELATED -> value;
    `prefix`: column -> beginning; `after`: sort value and tie of the last row before this page.
    """

    table: str
    sort: str
    limit: int
    tie: str = "id"
    descending: bool = False
    where: Mapping[str, Any] = MappingProxyType({})
    related: Mapping[str, Any] = MappingProxyType({})
    prefix: Mapping[str, str] = MappingProxyType({})
    updated_after: datetime | None = None
    archived: bool = False
    after: tuple[Any, UUID] | None = None


Look = Callable[[int, str], Looked]
"""A look in the cache by generation and key, for readers that have more to ask with it."""
PositionOf = Callable[[UUID, int], int | None]
"""Where an event stands in the feed; `None` while it is not sequenced."""


class Queries:
    def __init__(
        self,
        connections: Connections,
        live: Generations,
        cache: Cache,
        events: Events,
        position_of: PositionOf,
    ) -> None:
        self._connections, self._generations, self._cache = connections, live, cache
        self.past, self._position_of = Past(connections, live, events), position_of

    def get(self, kind: str, id: UUID, token: Token, look: Look | None = None) -> Served | None:
        """The resource, at least as fresh as the token. Never waits: where the view is
        behind, the stream itself is folded."""
        generation = self._generations.live()
        key = body_key(kind, id)
        wanted = token.versions.get(id, 0)
        entry, mark = (look or self._cache.look)(generation, key)
        if entry is not None and mark is not None and mark.holds(entry, ()):
            fresh = entry.version >= wanted and mark.position >= token.position
            if fresh:
                return Served(entry.body, entry.version, entry.owner_id, mark.position, generation)
        row = self._row(generation, kind, id)
        if row is not None and row.version >= wanted and row.position >= token.position:
            filled = Entry(row.position, row.version, row.owner_id, row.body)
            self._cache.fill(generation, key, filled, (kind,))
            return Served(row.body, row.version, row.owner_id, row.position, generation)
        return self.at(kind, id)

    def at(
        self, kind: str, id: UUID, *, version: int | None = None, moment: datetime | None = None
    ) -> Served | None:
        """The resource from its own events, whatever the views show: now, after a version, or
        as recorded at a moment."""
        entry = self.past.at(kind, id, version=version, moment=moment)
        if entry is None:
            return None
        position, generation = self.position(), self._generations.live()
        return Served(entry.body, entry.version, entry.owner_id, position, generation)

    def _row(self, generation: int, kind: str, id: UUID) -> Any:
        with self._connections.reading() as connection:
            query = _by_id(tables(generation)[TABLE_OF[kind]], generation)
            return connection.execute(query, dict(id=id)).one_or_none()

    def wait_for(
        self, token: Token, seconds: float, reached: Callable[[], int] | None = None
    ) -> None:
        """Until the live views, or what says how far it has `reached`, have come as far as the
        token. Raises `ProjectionBehind`."""
        reached = reached or self.position
        deadline = time.monotonic() + seconds
        needed, unplaced = token.position, dict(token.versions)
        while True:
            for id, version in list(unplaced.items()):
                if (position := self._position_of(id, version)) is None:
                    break
                needed = max(needed, position)
                del unplaced[id]
            if not unplaced and needed <= reached():
                return
            if time.monotonic() >= deadline:
                raise ProjectionBehind
            time.sleep(POLL_SECONDS)

    def position(self) -> int:
        """How far the views that are served here have come."""
        query = select(_position(self._generations.live()))
        with self._connections.reading() as connection:
            return connection.scalar(query) or 0

    def list(self, listing: Listing) -> Listed:
        generation = self._generations.live()
        table = tables(generation)[listing.table]
        column, tie = table.c[listing.sort], table.c[listing.tie]
        query = select(table.c.body, column, tie, _position(generation))
        query = _filtered(query, tables(generation), listing)
        order = (column.desc(), tie.desc()) if listing.descending else (column, tie)
        with self._connections.reading() as connection:
            rows = connection.execute(query.order_by(*order).limit(listing.limit + 1)).all()
        page = rows[: listing.limit]
        more = len(rows) > listing.limit
        return Listed(
            items=[row[0] for row in page],
            next_key=(page[-1][1], page[-1][2]) if more else None,
            position=page[0][3] if page else self.position(),
        )

    def bodies(self, kind: str, ids: Iterable[UUID]) -> dict[UUID, tuple[bytes, UUID | None]]:
        """Bodies and owners of several resources at once, as the views show them."""
        table = tables(self._generations.live())[TABLE_OF[kind]]
        query = select(table.c.id, table.c.body, table.c.owner_id).where(table.c.id.in_(set(ids)))
        with self._connections.reading() as connection:
            return {id: (body, owner_id) for id, body, owner_id in connection.execute(query)}

    def cached(
        self,
        name: str,
        kinds: tuple[str, ...],
        make: Callable[[int], tuple[bytes, int]],
        look: Look | None = None,
    ) -> Served:
        """A body made from whole kinds of streams, kept until one of them changes.

        `make(generation)` gives the body and the position it reflects.
        """
        generation = self._generations.live()
        entry, mark = (look or self._cache.look)(generation, name)
        if entry is not None and mark is not None and mark.holds(entry, kinds):
            return Served(entry.body, 0, None, mark.position, generation)
        body, position = make(generation)
        self._cache.fill(generation, name, Entry(position, 0, None, body), kinds)
        return Served(body, 0, None, position, generation)

    def leaderboard(self, by: str, look: Look | None = None) -> Served:
        """The ranking of mechanics who work here, those without a ticket included."""
        make, kinds = self._make_leaderboard(by), ("mechanic", "ticket")
        return self.cached(f"leaderboard:{by}", kinds, make, look)

    def _make_leaderboard(self, by: str) -> Callable[[int], tuple[bytes, int]]:
        def make(generation: int) -> tuple[bytes, int]:
            position = self.position()  # First, so that the rows are at least as fresh.
            query = leaderboard.query(generation, by)
            with self._connections.reading() as connection:
                return leaderboard.body(by, connection.execute(query).all()), position

        return make


def _by_id(table: Table, generation: int) -> Select[Any]:
    """The row and the checkpoint in one statement, hence of one snapshot."""
    columns = (table.c.body, table.c.version, table.c.owner_id, _position(generation))
    return select(*columns).where(table.c.id == bindparam("id"))


def _position(generation: int) -> Any:
    return (
        select(generations.c.position)
        .where(generations.c.generation == generation)
        .scalar_subquery()
        .label("position")
    )


def _filtered(query: Select[Any], known: Mapping[str, Table], listing: Listing) -> Select[Any]:
    table = known[listing.table]
    conditions = [
        table.c[name] == _cut(value, table.c[name]) for name, value in listing.where.items()
    ]
    conditions += [
        table.c[name].startswith(_cut(q, table.c[name]), autoescape=True)
        for name, q in listing.prefix.items()
    ]
    for name, value in listing.related.items():
        how = RELATED[name]
        other = known[how.table]
        found = select(other.c[how.key]).where(
            other.c[how.column] == _cut(value, other.c[how.column])
        )
        conditions.append(table.c[how.own].in_(found))
    if listing.updated_after is not None:
        conditions.append(table.c.updated_at > listing.updated_after)
    if not listing.archived and "archived" in table.c:
        conditions.append(table.c.archived.is_(False))
    if listing.after is not None:
        value, id = listing.after
        column, tie = table.c[listing.sort], table.c[listing.tie]
        past = column < value if listing.descending else column > value
        tied = tie < id if listing.descending else tie > id
        conditions.append(or_(past, and_(column == value, tied)))
    return query.where(*conditions)


def _cut(value: Any, column: Column[Any]) -> Any:
    """As much as the column holds: letters may grow when they lose their case."""
    if isinstance(value, str) and isinstance(column.type, String):
        return value[: column.type.length]
    return value
