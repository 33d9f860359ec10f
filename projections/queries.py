"""Reads: a resource by its id, and lists of them. One key look-up, or one indexed query.

What is read through the views at a position shows everything up to there, so that position is
all a client needs to remember of it; what was folded ahead of the views has its version.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from threading import BoundedSemaphore
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, bindparam, select

from projections import leaderboard
from projections.cache import Cache, Entry, Looked
from projections.generations import Generations
from projections.history import Past
from projections.kernel import Connections, Events
from projections.listing import Listing
from projections.runner import body_key
from projections.tables import generations, tables
from projections.tokens import Token
from projections.views import TABLE_OF

POLL_SECONDS = 0.01


class ProjectionBehind(Exception):
    """The views have not yet come as far as the client's token."""


class Served(NamedTuple):
    """A resource as served. `position`: how much of the feed it reflects at least; `ahead`:
    it may be newer than the views are there."""

    body: bytes
    version: int
    owner_id: UUID | None
    position: int
    generation: int
    ahead: bool = False

    @property
    def etag(self) -> str:
        return f'"{self.version}.{self.generation}"'


class Page(NamedTuple):
    """What is made of many streams, as served. `tag` tells it from other bodies; `link`: where
    it goes on."""

    body: bytes
    tag: str
    link: str | None
    position: int


class Made(NamedTuple):
    """A page as it comes from the database, and the position it reflects."""

    body: bytes
    link: str | None
    position: int


class Plan(NamedTuple):
    """How a page is made from a generation of the views, and from which kinds of streams.

    It is cached under its name; without one it is not cached.
    """

    name: str
    kinds: tuple[str, ...]
    make: Callable[[int], Made]


class Listed(NamedTuple):
    """A page: bodies ready to join, and what to ask for to go on."""

    items: Sequence[bytes]
    next_key: tuple[Any, UUID] | None
    position: int


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
        waiting_max: int = 4,
        told: Callable[[str], object] = lambda outcome: None,
    ) -> None:
        """`told` hears of each look in the cache: hit, stale or miss."""
        self._told = told
        self._connections, self._generations, self._cache = connections, live, cache
        self.past, self._position_of = Past(connections, live, events), position_of
        # Whoever waits holds a thread that others need to be served at all.
        self._places = BoundedSemaphore(waiting_max)

    def get(self, kind: str, id: UUID, token: Token, look: Look | None = None) -> Served | None:
        """The resource, at least as fresh as the token. Never waits: where the view is
        behind, the stream itself is folded."""
        generation = self._generations.live()
        key = body_key(kind, id)
        wanted = token.versions.get(id, 0)
        entry, mark = (look or self._cache.look)(generation, key)
        if entry is not None and mark is not None and mark.holds(entry, ()):
            # A reader may have filled it from beyond the mark.
            position = max(mark.position, entry.position)
            if entry.version >= wanted and position >= token.position:
                self._told("hit")
                return Served(entry.body, entry.version, entry.owner_id, position, generation)
        self._told("miss" if entry is None else "stale")
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
        if version is None and moment is None:
            entry, position = self.past.now(kind, id)
        else:
            position = self.position()  # First, so that the events reach at least as far.
            entry = self.past.at(kind, id, version=version, moment=moment)
        if entry is None:
            return None
        live = self._generations.live()
        return Served(entry.body, entry.version, entry.owner_id, position, live, ahead=True)

    def _row(self, generation: int, kind: str, id: UUID) -> Any:
        with self._connections.reading() as connection:
            return connection.execute(_by_id(generation, kind), dict(id=id)).one_or_none()

    def wait_for(
        self, token: Token, seconds: float, reached: Callable[[], int] | None = None
    ) -> int:
        """Until the live views, or what says how far it has `reached`, have come as far as the
        token; the position that is.

        Raises `ProjectionBehind`, at once when too many are waiting already.
        """
        reached = reached or self.position
        waiting, looked = False, False
        deadline = time.monotonic() + seconds
        needed, unplaced = token.position, dict(token.versions)
        try:
            while True:
                for id, version in list(unplaced.items()):
                    if (position := self._position_of(id, version)) is None:
                        break
                    needed = max(needed, position)
                    del unplaced[id]
                if not unplaced and needed <= reached():
                    return needed
                if not looked:
                    # Before it waits, for what may be served no more.
                    looked = True
                    self._generations.forget()
                    continue
                waiting = waiting or self._places.acquire(blocking=False)
                if not waiting or time.monotonic() >= deadline:
                    raise ProjectionBehind
                time.sleep(POLL_SECONDS)
        finally:
            if waiting:
                self._places.release()

    def position(self) -> int:
        """How far the views that are served here have come."""
        query = select(_position(self._generations.live()))
        with self._connections.reading() as connection:
            return connection.scalar(query) or 0

    def list(self, listing: Listing, generation: int | None = None) -> Listed:
        generation = self._generations.live() if generation is None else generation
        query = listing.query(generation).add_columns(_position(generation))
        with self._connections.reading() as connection:
            if not (rows := connection.execute(query).all()):
                # No row says which snapshot had none: the position first, then once more.
                position = connection.scalar(select(_position(generation))) or 0
                rows = connection.execute(query).all()
        page = rows[: listing.limit]
        more = len(rows) > listing.limit
        return Listed(
            items=[row[0] for row in page],
            next_key=(page[-1][1], page[-1][2]) if more else None,
            position=page[0][3] if page else position,
        )

    def rows(self, query: Select[Any]) -> Sequence[Any]:
        """What a query over the views finds, all of it."""
        with self._connections.reading() as connection:
            return connection.execute(query).all()

    def bodies(self, kind: str, ids: Iterable[UUID]) -> dict[UUID, tuple[bytes, UUID | None]]:
        """Bodies and owners of several resources at once, as the views show them."""
        table = tables(self._generations.live())[TABLE_OF[kind]]
        query = select(table.c.id, table.c.body, table.c.owner_id).where(table.c.id.in_(set(ids)))
        with self._connections.reading() as connection:
            return {id: (body, owner_id) for id, body, owner_id in connection.execute(query)}

    def page(self, plan: Plan, token: Token, seconds: float, look: Look | None = None) -> Page:
        """A body made of whole kinds of streams, at least as fresh as the token, kept until
        one of those kinds changes. Waits where the views are behind; raises
        `ProjectionBehind`."""
        needed = self.wait_for(token, seconds) if token.versions else token.position
        generation = self._generations.live()
        if plan.name:
            entry, mark = (look or self._cache.look)(generation, plan.name)
            if entry is not None and mark is not None and mark.holds(entry, plan.kinds):
                position = max(mark.position, entry.position)
                if position >= needed:
                    self._told("hit")
                    return Page(entry.body, entry.tag, entry.link, position)
            self._told("miss" if entry is None else "stale")
        made = plan.make(generation)
        if made.position < needed:
            self.wait_for(token, seconds)
            generation = self._generations.live()
            made = plan.make(generation)
        tag = hashlib.sha256(made.body).hexdigest()[:32]
        if plan.name:
            entry = Entry(made.position, 0, None, made.body, tag, made.link)
            self._cache.fill(generation, plan.name, entry, plan.kinds)
        return Page(made.body, tag, made.link, made.position)

    def leaderboard(self, by: str) -> Plan:
        """The ranking of mechanics who work here, those without a ticket included."""

        def make(generation: int) -> Made:
            position = self.position()  # First, so that the rows are at least as fresh.
            query = leaderboard.query(generation, by)
            with self._connections.reading() as connection:
                rows = connection.execute(query).all()
            return Made(leaderboard.body(by, rows), None, position)

        return Plan(f"leaderboard:{by}", ("mechanic", "ticket"), make)


@cache
def _by_id(generation: int, kind: str) -> Select[Any]:
    """The row and the checkpoint in one statement, hence of one snapshot."""
    table = tables(generation)[TABLE_OF[kind]]
    columns = (table.c.body, table.c.version, table.c.owner_id, _position(generation))
    return select(*columns).where(table.c.id == bindparam("id"))


def _position(generation: int) -> Any:
    return (
        select(generations.c.position)
        .where(generations.c.generation == generation)
        .scalar_subquery()
        .label("position")
    )
