"""The store of the write side: transactions that hold everything or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from eventsourcing.persistence import IntegrityError
from sqlalchemy import bindparam, select
from sqlalchemy.exc import DBAPIError

from commands.store import Collision
from domain.kernel import Recorded
from infrastructure.database import CommitLost, Database, Write
from infrastructure.event_store.application import EventApplication
from infrastructure.event_store.faults import is_away, is_duplicate, is_lost_race
from infrastructure.event_store.idempotency import IdempotencyKeys
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.loading import Loader
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.snapshots import Snapshots
from infrastructure.event_store.tables import events
from infrastructure.event_store.transaction import Passwords, StoreTransaction

SETTLE_SECONDS_MAX = 20
SETTLE_PAUSE_SECONDS = 0.2


class CommitUnknown(Exception):
    """The connection broke during COMMIT and the database did not come back in time: the
    command may have been carried out or not.
    """


class EventStore:
    """`commands.store.Store` on MySQL, MariaDB and SQLite."""

    def __init__(
        self,
        database: Database,
        mapper: EventMapper,
        keyring: KeyRing,
        passwords: Passwords,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.application = EventApplication(database, mapper)
        self._database, self._keyring, self._passwords = database, keyring, passwords
        self._loader = Loader(database, mapper, keyring)
        self._snapshots = Snapshots(database, mapper)
        self._keys = IdempotencyKeys(database, clock)

    @contextmanager
    def transaction(self) -> Iterator[StoreTransaction]:
        transaction = StoreTransaction(
            self._database,
            self.application,
            self._loader,
            self._snapshots,
            self._keys,
            self._keyring,
            self._passwords,
        )
        connected = ended = False
        try:
            with self._database.transaction():
                connected = True
                yield transaction
                ended = True
        except CommitLost as lost:
            if lost.writes:
                self._settle(lost.writes, transaction)
        except IntegrityError as conflict:
            raise Collision(str(conflict)) from conflict
        except DBAPIError as error:
            # A server that cannot even be connected to will not be better a moment later.
            if is_lost_race(error) and (connected or not error.connection_invalidated):
                raise Collision(str(error.orig)) from error
            # With COMMIT only events are inserted: another commit has stored a version first.
            if ended and is_duplicate(error):
                raise Collision(str(error.orig)) from error
            raise

    def events(
        self, id: UUID, *, gt: int = 0, lte: int | None = None, limit: int | None = None
    ) -> list[Recorded[Any]]:
        """An aggregate's events after version `gt`, up to and including `lte`, at most `limit`."""
        history = self.application.events.get(id, gt=gt, lte=lte, limit=limit)
        return list(cast(Iterator[Recorded[Any]], history))

    def next_number(self, name: str) -> int:
        """1, 2, 3, ... for each name; never the same twice, also if it is not used."""
        # Autocommit: one round trip, and nobody waits for the command that draws it.
        with self._database.reading() as connection:
            if self._database.is_mysql:
                return int(connection.exec_driver_sql(_DRAW_MYSQL, (name,)).lastrowid)
            return int(connection.exec_driver_sql(_DRAW_SQLITE, (name,)).scalar_one())

    def sweep(self) -> int:
        """Delete expired idempotency keys; how many there were."""
        return self._keys.sweep()

    def _settle(self, writes: Sequence[Write], transaction: StoreTransaction) -> None:
        """Find out what became of a COMMIT that got no answer, by committing the same again.

        What the lost transaction still holds makes the second one wait. If it was committed,
        the second meets its rows; if not, the second takes its place.
        """
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                if self._repeat(writes) or self._is_committed(transaction):
                    return
                raise Collision("another commit came first")
            except CommitLost:
                continue
            except DBAPIError as error:
                if not is_lost_race(error) and not is_away(error):
                    raise
                time.sleep(SETTLE_PAUSE_SECONDS)
        raise CommitUnknown("the database went away during COMMIT and did not come back")

    def _repeat(self, writes: Sequence[Write]) -> bool:
        """Whether every write found what it found the first time, and is now committed."""
        try:
            with self._database.transaction() as connection:
                again = [connection.exec_driver_sql(w.statement, w.parameters) for w in writes]
                # Looked at after the last one: only the insert of our events is sure to wait
                # for the first transaction.
                if [result.rowcount for result in again] != [w.rowcount for w in writes]:
                    raise _Met
        except _Met:
            return False
        except DBAPIError as error:
            if is_duplicate(error):
                return False
            raise
        return True

    def _is_committed(self, transaction: StoreTransaction) -> bool:
        first = transaction.appended
        if first is None:
            return False  # a key with an answer and no events: the next attempt will read it
        with self._database.reading() as connection:
            place = dict(id=first.originator_id, version=first.originator_version)
            return connection.scalar(_commit_of, place) == transaction.commit_id


class _Met(Exception):
    """A repeated write touched other rows than it did the first time."""


_commit_of = select(events.c.commit_id).where(
    events.c.originator_id == bindparam("id"), events.c.originator_version == bindparam("version")
)
_DRAW_MYSQL = """\
INSERT INTO running_numbers (name, value) VALUES (%s, LAST_INSERT_ID(1))
ON DUPLICATE KEY UPDATE value = LAST_INSERT_ID(value + 1)"""
_DRAW_SQLITE = """\
INSERT INTO running_numbers (name, value) VALUES (?, 1)
ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"""
