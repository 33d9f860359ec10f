"""Which generation of the views is live, and how the next one takes its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import (
    Connection,
    MetaData,
    Table,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)

from projections.kernel import Connections
from projections.tables import bookkeeping, generations, tables
from projections.views import fingerprint

REMEMBERED_SECONDS = 1.0
BUILD_MAX = timedelta(days=1)
"""A build that is not served by then was killed: nobody advances it."""


class NoViews(LookupError):
    """The views were never made: the database is not prepared."""


class Live(NamedTuple):
    """The generation being served, and how far it had come when looked at."""

    generation: int
    position: int
    folds: str


class Generations:
    """The live generation, remembered for a second so that reads need not ask each time."""

    def __init__(self, connections: Connections, clock: Callable[[], datetime]) -> None:
        self._connections, self._clock = connections, clock
        self._known: tuple[float, int] | None = None
        self._superseded = set[int]()

    def live(self) -> int:
        """Its number. Raises `NoViews` before the first migration."""
        # Looked at once: another thread may forget it meanwhile.
        now, known = time.monotonic(), self._known
        if known is None or now - known[0] > REMEMBERED_SECONDS:
            with self._connections.reading() as connection:
                found = self._find(connection)
            if found is None:
                raise NoViews("there are no views yet: run `mechanic-shop migrate`")
            self._known = known = now, found.generation
        return known[1]

    def _find(self, connection: Connection) -> Live | None:
        columns = (generations.c.generation, generations.c.position, generations.c.folds)
        row = connection.execute(select(*columns).where(generations.c.live)).one_or_none()
        return Live(*row) if row else None

    def ensure(self) -> int | None:
        """Make the tables if there are none; the generation to build if the folds changed."""
        with self._connections.transaction() as connection:
            bookkeeping.create_all(connection)
            found = self._find(connection)
            if found is not None and found.folds == fingerprint():
                return None
            made = self._create(connection, live=found is None)
            return made if found is not None else None

    def create(self) -> int:
        """The tables of a new generation, empty and not served yet."""
        with self._connections.transaction() as connection:
            return self._create(connection, live=False)

    def _create(self, connection: Connection, *, live: bool) -> int:
        newest = connection.scalar(select(func.max(generations.c.generation))) or 0
        generation = newest + 1
        for table in tables(generation).values():
            table.create(connection, checkfirst=True)
        row = dict(
            generation=generation,
            folds=fingerprint(),
            position=0,
            live=live,
            created_at=self._clock(),
        )
        connection.execute(insert(generations), row)
        return generation

    def switch(self, generation: int) -> None:
        """Serve that generation from now on; the old one stays for readers under way.

        Raises `NoViews` if it was dropped, because a later one is served by now.
        """
        with self._connections.transaction() as connection:
            is_it = generations.c.generation == generation
            if connection.scalar(select(generations.c.generation).where(is_it)) is None:
                raise NoViews(f"generation {generation} was dropped: a later one is served")
            connection.execute(update(generations).values(live=is_it))
        self._known = None

    def drop_superseded(self) -> int:
        """Drop the tables of generations before the live one, and of builds that were
        abandoned; how many those were.

        Nobody erases people from views that nobody advances. Readers may still be under way
        in them: only what was superseded at the call before, too, is dropped.
        """
        with self._connections.reading() as connection:
            columns = (generations.c.generation, generations.c.created_at)
            made = connection.execute(select(*columns)).all()
            names = inspect(connection).get_table_names()
        live, abandoned = self.live(), self._clock() - BUILD_MAX
        superseded = {
            generation
            for generation, created_at in made
            if generation < live or (generation > live and created_at < abandoned)
        }
        dropping, self._superseded = superseded & self._superseded, superseded
        for generation in sorted(dropping):
            # The row goes last: until then somebody comes and tries again.
            with self._connections.transaction() as connection:
                for name in names:
                    if name.endswith(f"_{generation}"):
                        Table(name, MetaData()).drop(connection, checkfirst=True)
                connection.execute(
                    delete(generations).where(generations.c.generation == generation)
                )
        return len(dropping)
