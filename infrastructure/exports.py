"""Exports asked for, and their files in chunks: nothing but the database is shared.

The table is the queue. Whoever works on an export holds it by the id of the attempt. Chunks
are kept under the id of the attempt that began the file. Where a file can be gone on with, it
has a mark, and the next attempt adds to it; where it cannot, the next begins a file of its own,
and the chunks of the one that was given up are removed by the sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from commands.store import Key, KeyReused
from infrastructure.database import Database
from infrastructure.event_store.transaction import queue_at
from infrastructure.export_tables import chunks, exports
from infrastructure.ids import uuid7

CHUNK_BYTES = 1 << 20
"""Every chunk of a file but its last has as many."""
EXPORTS_MAX = 20
"""Of one account, until they are removed or expire."""
FAILURES_MAX = 3
ABANDONED_SECONDS = 60
"""Whoever has not been heard of for so long works on it no more."""
SWEPT_CHUNKS = 64

QUEUED, RUNNING, FINISHED, FAILED = "queued", "running", "finished", "failed"

Kind = Literal["tickets", "stock_movements", "daily_figures", "events"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Days of the shop, both included."""

    kind: Kind
    first: date
    last: date
    format: Literal["csv", "ndjson"]


class Export(NamedTuple):
    """`position` of the feed that its rows reflect; `sha256` and `size` of its file. `role` is
    that of the account when it was asked for. `failures`: attempts that failed or died, since
    one of them got further."""

    id: UUID
    account_id: UUID
    role: str
    wanted: Wanted
    status: str
    attempt: UUID | None
    file: UUID | None
    failures: int
    position: int | None
    rows_done: int
    rows_total: int | None
    size: int | None
    sha256: bytes | None
    requested_at: datetime
    expires_at: datetime


class Mark(msgspec.Struct, frozen=True):
    """Where a file can be gone on with: `chunks` of it are kept, `left` is made and in none of
    them, `rows` are in both, and what follows is behind `cursor`."""

    chunks: int
    rows: int
    cursor: str
    left: bytes


class Held(NamedTuple):
    """An export that somebody works on; `position` is known where a `mark` is left."""

    id: UUID
    attempt: UUID
    file: UUID
    account_id: UUID
    role: str
    wanted: Wanted
    mark: Mark | None
    position: int | None


class Lost(Exception):
    """The export was removed, or another works on it now."""


class TooManyExports(Exception):
    """The account has EXPORTS_MAX."""

    def __init__(self) -> None:
        super().__init__(f"an account has at most {EXPORTS_MAX} exports; remove one first")


class Exports:
    """Every method is one transaction, but for those that remove chunks."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], lifetime: timedelta
    ) -> None:
        self._database, self._clock, self._lifetime = database, clock, lifetime

    def ask(
        self,
        account_id: UUID,
        role: str,
        wanted: Wanted,
        key: Key | None,
        *,
        personal: bool = False,
    ) -> UUID:
        """The id of a new export, or of that which the same key asked for before. `personal`: it
        tells about persons, and goes when one of them is erased. Raises `TooManyExports` and
        `KeyReused`."""
        id, now = uuid7(), self._clock()
        row = dict(id=id, account_id=account_id, role=role, wanted=msgspec.json.encode(wanted))
        row |= dict(status=QUEUED, failures=0, rows_done=0, requested_at=now, seen_at=now)
        row |= dict(expires_at=now + self._lifetime, personal=personal)
        if key is not None:
            row |= dict(idempotency_key=key.scope, fingerprint=key.fingerprint)
        with self._database.transaction() as connection:
            # Of several at once each must see those before it: keys are their account's own.
            queue_at(connection, [account_id])
            if key is not None and (known := _asked_with(connection, key)) is not None:
                return known
            own = select(func.count()).where(exports.c.account_id == account_id)
            if (connection.scalar(own) or 0) >= EXPORTS_MAX:
                raise TooManyExports
            connection.execute(insert(exports), row)
        return id

    def find(self, id: UUID) -> Export | None:
        """Unless it has expired."""
        found = self._found(exports.c.id == id)
        return found[0] if found else None

    def list(self, account_id: UUID | None = None) -> Sequence[Export]:
        """The latest first; those of one account, or all."""
        return self._found(*([exports.c.account_id == account_id] if account_id else []))

    def _found(self, *conditions: Any) -> Sequence[Export]:
        columns = [exports.c[name] for name in Export._fields]
        query = select(*columns).where(exports.c.expires_at > self._clock(), *conditions)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(exports.c.id.desc())).all()
        return [
            Export(*row)._replace(wanted=msgspec.json.decode(row.wanted, type=Wanted))
            for row in rows
        ]

    def remove(self, id: UUID) -> None:
        """Also while somebody works on it: they find out with their next chunk."""
        with self._database.transaction() as connection:
            connection.execute(delete(exports).where(exports.c.id == id))
        self._remove_chunks()

    def chunk(self, file: UUID, number: int) -> bytes | None:
        query = select(chunks.c.data).where(chunks.c.attempt == file, chunks.c.number == number)
        with self._database.reading() as connection:
            return connection.scalar(query)

    def take(self) -> Held | None:
        """The next one to work on: queued, or abandoned by who worked on it."""
        while True:
            now = self._clock()
            abandoned = now - timedelta(seconds=ABANDONED_SECONDS)
            waiting = or_(
                exports.c.status == QUEUED,
                and_(exports.c.status == RUNNING, exports.c.seen_at < abandoned),
            )
            query = select(exports).where(waiting, exports.c.expires_at > now)
            with self._database.reading() as connection:
                row = connection.execute(query.order_by(exports.c.id).limit(1)).one_or_none()
            if row is None:
                return None
            attempt = uuid7()
            failures = row.failures + (row.status == RUNNING)
            status = RUNNING if failures < FAILURES_MAX else FAILED
            taken = dict(attempt=attempt, seen_at=now, failures=failures, status=status)
            if row.mark is None:
                taken |= dict(file=attempt, rows_done=0, rows_total=None, position=None)
            try:
                self._change(row.id, row.attempt, **taken)
            except Lost:
                continue  # Another took it.
            if status == RUNNING:
                return _held(row, attempt)

    def begin(self, held: Held, position: int, rows_total: int) -> None:
        """Raises `Lost`, as everything below does."""
        self._change(held.id, held.attempt, position=position, rows_total=rows_total)

    def progress(
        self, held: Held, rows_done: int, filled: Sequence[tuple[int, bytes]] = (), **more: Any
    ) -> None:
        """Keep chunks by their numbers, and say how far it is."""
        with self._database.transaction() as connection:
            self._change(held.id, held.attempt, rows_done=rows_done, seen_at=self._clock(), **more)
            for number, data in filled:
                row = dict(attempt=held.file, number=number, data=data)
                connection.execute(insert(chunks), row)

    def further(self, held: Held, filled: Sequence[tuple[int, bytes]], mark: Mark) -> None:
        """The same, and from here the next attempt goes on: what failed before is forgiven."""
        self.progress(held, mark.rows, filled, mark=msgspec.json.encode(mark), failures=0)

    def finish(
        self, held: Held, rows_done: int, last: tuple[int, bytes], size: int, sha256: bytes
    ) -> None:
        """From here on there is a file, all of it at once."""
        expires_at = self._clock() + self._lifetime
        done = dict(status=FINISHED, size=size, sha256=sha256, expires_at=expires_at, mark=None)
        self.progress(held, rows_done, [last], **done)

    def give_up(self, held: Held, more: int) -> None:
        """To be taken up again, by whoever comes next; after FAILURES_MAX failures never. There
        were so many `more` now."""
        with self._database.reading() as connection:
            failures = connection.scalar(select(exports.c.failures).where(exports.c.id == held.id))
        failures = (failures or 0) + more
        status = FAILED if failures >= FAILURES_MAX else QUEUED
        self._change(held.id, held.attempt, status=status, failures=failures)

    def _change(self, id: UUID, holder: UUID | None, /, **values: Any) -> None:
        held = exports.c.attempt.is_(None) if holder is None else exports.c.attempt == holder
        change = update(exports).where(exports.c.id == id, held).values(values)
        with self._database.transaction() as connection:
            if connection.execute(change).rowcount == 0:
                raise Lost

    def sweep(self) -> int:
        """Remove what has expired; how many."""
        with self._database.transaction() as connection:
            expired = delete(exports).where(exports.c.expires_at <= self._clock())
            removed = connection.execute(expired).rowcount
        self._remove_chunks()
        return removed

    def _remove_chunks(self) -> None:
        """Those of no export there is, a few in each transaction."""
        known = select(exports.c.file).where(exports.c.file.is_not(None))
        query = (
            select(chunks.c.attempt, chunks.c.number)
            .where(chunks.c.attempt.not_in(known))
            .limit(SWEPT_CHUNKS)
        )
        while True:
            with self._database.reading() as connection:
                orphans = connection.execute(query).all()
            if not orphans:
                return
            with self._database.transaction() as connection:
                for row in orphans:
                    these = and_(chunks.c.attempt == row.attempt, chunks.c.number == row.number)
                    connection.execute(delete(chunks).where(these))


def _asked_with(connection: Connection, key: Key) -> UUID | None:
    query = select(exports.c.id, exports.c.fingerprint)
    row = connection.execute(query.where(exports.c.idempotency_key == key.scope)).one_or_none()
    if row is not None and row.fingerprint != key.fingerprint:
        raise KeyReused
    return row.id if row is not None else None


def _held(row: Any, attempt: UUID) -> Held:
    wanted = msgspec.json.decode(row.wanted, type=Wanted)
    mark = None if row.mark is None else msgspec.json.decode(row.mark, type=Mark)
    file, position = (attempt, None) if mark is None else (row.file, row.position)
    return Held(row.id, attempt, file, row.account_id, row.role, wanted, mark, position)
