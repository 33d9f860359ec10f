"""Which generation of the views is live, and how the next one takes its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

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
DISCARDED = "discarded"
BUILD_MAX = timedelta(days=1)
"""A build that is not served by then was killed: nobody advances it."""


class NoViews(LookupError):
    """The views were never made: the database is not prepared."""


class Overtaken(Exception):
    """A build that is not wanted any more: a later one is served, or it was discarded."""


class Live(NamedTuple):
    """The generation being served, and how far it had come when looked at."""

    generation: int
    position: int
    folds: str


class Generation(NamedTuple):
    """A row of the bookkeeping. `created_at`: when the build was begun, or last gone on with."""

    generation: int
    folds: str
    position: int
    live: bool
    created_at: datetime


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

    def forget(self) -> None:
        """Another generation may be served by now."""
        self._known = None

    def _find(self, connection: Connection) -> Live | None:
        columns = (generations.c.generation, generations.c.position, generations.c.folds)
        row = connection.execute(select(*columns).where(generations.c.live)).one_or_none()
        return Live(*row) if row else None

    def ensure(self) -> int | None:
        """Make the tables if there are none; the generation to build if the folds changed."""
        with self._connections.transaction() as connection:
            bookkeeping.create_all(connection)
            found = self._find(connection)
            if found is None:
                self._create(connection, live=True)
                return None
            return None if found.folds == fingerprint() else self._begin(connection)

    def begin(self) -> int:
        """The generation to build: the one under way, if these folds began it, else a new one."""
        with self._connections.transaction() as connection:
            return self._begin(connection)

    def create(self) -> int:
        """The tables of a new generation, empty and not served yet."""
        with self._connections.transaction() as connection:
            return self._create(connection, live=False)

    def _begin(self, connection: Connection) -> int:
        fits = generations.c.folds == fingerprint()
        live = select(func.max(generations.c.generation)).where(generations.c.live)
        ours = fits & (generations.c.generation > live.scalar_subquery())
        under_way = connection.scalar(select(func.max(generations.c.generation)).where(ours))
        if under_way is None:
            return self._create(connection, live=False)
        self._keep(connection, under_way)
        return int(under_way)

    def keep(self, generation: int) -> None:
        """Somebody is building it: it is not to be dropped for another day."""
        with self._connections.transaction() as connection:
            self._keep(connection, generation)

    def _keep(self, connection: Connection, generation: int) -> None:
        of = generations.c.generation == generation
        connection.execute(update(generations).where(of).values(created_at=self._clock()))

    def discard(self, generation: int) -> None:
        """A build that turned out wrong: nobody goes on with it, and it is never served."""
        of = (generations.c.generation == generation) & generations.c.live.is_(False)
        with self._connections.transaction() as connection:
            connection.execute(update(generations).where(of).values(folds=DISCARDED))

    def all(self) -> list[Generation]:
        """Every generation that has tables, oldest first."""
        with self._connections.reading() as connection:
            rows = connection.execute(select(generations).order_by(generations.c.generation))
            return [Generation(**row) for row in rows.mappings()]

    def _create(self, connection: Connection, *, live: bool) -> int:
        newest = connection.scalar(select(func.max(generations.c.generation))) or 0
        generation = newest + 1
        for table in tables(generation).values():
            # Somebody may have been killed before the row below was there.
            table.drop(connection, checkfirst=True)
            table.create(connection)
        row = dict(
            generation=generation,
            folds=fingerprint(),
            position=0,
            live=live,
            created_at=self._clock(),
        )
        connection.execute(insert(generations), row)
        return generation

    def switch(self, generation: int) -> bool:
        """Serve that generation from now on; the old one stays for readers under way.

        False if it has not come as far as what is served: a reader must never see less than
        before. Raises `Overtaken`.
        """
        with self._connections.transaction() as connection:
            query = select(generations).order_by(generations.c.generation).with_for_update()
            build, live = _wanted(connection.execute(query).all(), generation)
            # Nobody can move either of them now.
            if build.position < live.position:
                return False
            connection.execute(
                update(generations).values(live=generations.c.generation == generation)
            )
        self.forget()
        return True

    def check(self, generation: int) -> None:
        """Raises `Overtaken` where `switch` would."""
        _wanted(self.all(), generation)

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


def _wanted(rows: Sequence[Any], generation: int) -> tuple[Any, Any]:
    """That generation and the one that is served. Raises `Overtaken`."""
    live = next(row for row in rows if row.live)
    build = next((row for row in rows if row.generation == generation), None)
    if build is None or generation < live.generation:
        raise Overtaken(f"generation {live.generation} is served: a later one")
    if build.folds == DISCARDED:
        raise Overtaken(f"generation {generation} was discarded: it was built wrong")
    return build, live
