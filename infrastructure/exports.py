"""Exports asked for, and their files in chunks: nothing but the database is shared.

The table is the queue. Whoever works on an export holds it by the id of the attempt, under
which its chunks are kept too: an attempt that was given up leaves chunks that nobody reads and
the sweep removes, and never a part of the file that another makes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    BINARY,
    BigInteger,
    Column,
    Integer,
    String,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from commands.store import Key, KeyReused
from infrastructure.database import Database
from infrastructure.event_store.faults import is_duplicate
from infrastructure.event_store.tables import metadata
from infrastructure.ids import uuid7
from projections.sql import TABLE_OPTIONS, Bytes, Id, Instant

CHUNK_BYTES = 1 << 20
"""Every chunk of a file but its last has as many."""
EXPORTS_MAX = 20
"""Of one account, until they are removed or expire."""
FAILURES_MAX = 3
ABANDONED_SECONDS = 60
"""Whoever has not been heard of for so long works on it no more."""
SWEPT_CHUNKS = 64

QUEUED, RUNNING, FINISHED, FAILED = "queued", "running", "finished", "failed"

exports = Table(
    "exports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("role", String(16), nullable=False),
    Column("wanted", Bytes, nullable=False),
    Column("idempotency_key", BINARY(32), unique=True),
    Column("fingerprint", BINARY(32)),
    Column("status", String(16), nullable=False),
    Column("attempt", Id),
    Column("failures", Integer, nullable=False),
    Column("position", BigInteger),
    Column("rows_done", BigInteger, nullable=False),
    Column("rows_total", BigInteger),
    Column("size", BigInteger),
    Column("sha256", BINARY(32)),
    Column("requested_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    **TABLE_OPTIONS,
)
chunks = Table(
    "export_chunks",
    metadata,
    Column("attempt", Id, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("data", Bytes, nullable=False),
    **TABLE_OPTIONS,
)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Days of the shop, both included."""

    kind: Literal["tickets", "stock_movements", "daily_figures"]
    first: date
    last: date
    format: Literal["csv", "ndjson"]


class Export(NamedTuple):
    """`position` of the feed that its rows reflect; `sha256` and `size` of its file. `role` is
    that of the account when it was asked for."""

    id: UUID
    account_id: UUID
    role: str
    wanted: Wanted
    status: str
    attempt: UUID | None
    position: int | None
    rows_done: int
    rows_total: int | None
    size: int | None
    sha256: bytes | None
    requested_at: datetime
    expires_at: datetime


class Held(NamedTuple):
    """An export that somebody works on."""

    id: UUID
    attempt: UUID
    wanted: Wanted


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

    def ask(self, account_id: UUID, role: str, wanted: Wanted, key: Key | None) -> UUID:
        """The id of a new export, or of that which the same key asked for before. Raises
        `TooManyExports` and `KeyReused`."""
        if key is not None and (known := self._of_key(key)) is not None:
            return known
        id, now = uuid7(), self._clock()
        row = dict(id=id, account_id=account_id, role=role, wanted=msgspec.json.encode(wanted))
        row |= dict(status=QUEUED, failures=0, rows_done=0, requested_at=now, seen_at=now)
        row |= dict(expires_at=now + self._lifetime)
        if key is not None:
            row |= dict(idempotency_key=key.scope, fingerprint=key.fingerprint)
        try:
            with self._database.transaction() as connection:
                own = select(func.count()).where(exports.c.account_id == account_id)
                if (connection.scalar(own) or 0) >= EXPORTS_MAX:
                    raise TooManyExports
                connection.execute(insert(exports), row)
        except DBAPIError as error:
            if key is None or not is_duplicate(error) or (known := self._of_key(key)) is None:
                raise
            return known
        return id

    def _of_key(self, key: Key) -> UUID | None:
        query = select(exports.c.id, exports.c.fingerprint).where(
            exports.c.idempotency_key == key.scope
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is not None and bytes(row.fingerprint) != key.fingerprint:
            raise KeyReused
        return row.id if row is not None else None

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

    def chunk(self, attempt: UUID, number: int) -> bytes | None:
        query = select(chunks.c.data).where(chunks.c.attempt == attempt, chunks.c.number == number)
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
            taken |= dict(rows_done=0, rows_total=None, position=None)
            try:
                self._change(row.id, row.attempt, **taken)
            except Lost:
                continue  # Another took it.
            if status == RUNNING:
                return Held(row.id, attempt, msgspec.json.decode(row.wanted, type=Wanted))

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
                row = dict(attempt=held.attempt, number=number, data=data)
                connection.execute(insert(chunks), row)

    def finish(
        self, held: Held, rows_done: int, last: tuple[int, bytes], size: int, sha256: bytes
    ) -> None:
        """From here on there is a file, all of it at once."""
        expires_at = self._clock() + self._lifetime
        done = dict(status=FINISHED, size=size, sha256=sha256, expires_at=expires_at)
        self.progress(held, rows_done, [last], **done)

    def give_up(self, held: Held, *, failed: bool) -> None:
        """To be begun again, by whoever comes next; after FAILURES_MAX failures never."""
        with self._database.reading() as connection:
            failures = connection.scalar(select(exports.c.failures).where(exports.c.id == held.id))
        failures = (failures or 0) + failed
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
        known = select(exports.c.attempt).where(exports.c.attempt.is_not(None))
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
