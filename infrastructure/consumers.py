"""Named consumers: how far each has come in the feed, kept for them.

A cursor moves only from where its consumer believes it to be, so two processes that work for
one consumer cannot undo each other's progress unnoticed. Like passwords and tokens, this lies
in ordinary tables beside the log: it says nothing about the shop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    BINARY,
    BigInteger,
    Column,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from infrastructure.database import Database
from infrastructure.event_store.faults import is_duplicate, is_lost_race
from infrastructure.event_store.tables import events, feed, metadata, sequenced_events
from infrastructure.event_store.transaction import queue_at
from infrastructure.feed_cursors import DIGEST_BYTES, Cursor
from projections.sql import TABLE_OPTIONS, Bytes, Id, Instant

NAME_LENGTH_MAX = 64
CONSUMERS_MAX = 100
"""Of one account."""
REWINDS_SHOWN = 20
ATTEMPTS_MAX = 3

consumers = Table(
    "consumers",
    metadata,
    Column("name", String(NAME_LENGTH_MAX), primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("filter", Bytes, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("event", BINARY(DIGEST_BYTES), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("committed_at", Instant),
    Index("consumers_account", "account_id"),
    **TABLE_OPTIONS,
)
rewinds = Table(
    "consumer_rewinds",
    metadata,
    Column(
        "id",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("name", String(NAME_LENGTH_MAX), nullable=False),
    Column("account_id", Id, nullable=False),
    Column("rewound_at", Instant, nullable=False),
    Column("from_position", BigInteger, nullable=False),
    Column("to_position", BigInteger, nullable=False),
    Index("consumer_rewinds_name", "name"),
    # SQLite counts rows up only in tables that have row ids.
    **(TABLE_OPTIONS | {"sqlite_with_rowid": True}),
)
"""Each time a cursor went back: by whom, when, from where to where."""


class Filter(msgspec.Struct, frozen=True):
    """Events of these types and of these aggregates; all that one may read if both are empty."""

    types: list[str] = []
    aggregates: list[str] = []


class Consumer(NamedTuple):
    """`cursor` is the committed one: everything before it is done with."""

    name: str
    account_id: UUID
    filter: Filter
    cursor: Cursor
    created_at: datetime
    committed_at: datetime | None


class Lag(NamedTuple):
    """How many sequenced events lie behind a cursor, and for how long the oldest has waited."""

    events: int
    seconds: float


class Rewind(msgspec.Struct, frozen=True):
    """A cursor went back: on whose word, and from where to where."""

    account_id: UUID
    rewound_at: datetime
    from_position: int
    to_position: int


class NameTaken(Exception):
    """A consumer of that name belongs to another account."""


class TooManyConsumers(Exception):
    """The account has CONSUMERS_MAX."""

    def __init__(self) -> None:
        super().__init__(f"an account has at most {CONSUMERS_MAX} consumers; delete one first")


class CursorMoved(Exception):
    """The consumer's cursor is not where it was expected to be: somebody else moved it."""

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(
            f"the committed cursor of {consumer.name} is at event {consumer.cursor.position}, "
            "not where it was expected: another process has moved it"
        )


class Consumers:
    """Every method is one transaction."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock

    def find(self, name: str) -> Consumer | None:
        with self._database.reading() as connection:
            row = connection.execute(_one, dict(name=name)).one_or_none()
        return _consumer(row) if row is not None else None

    def list(self, account_id: UUID | None = None) -> Sequence[Consumer]:
        """By name; those of one account, or all."""
        wanted = _all if account_id is None else _own
        with self._database.reading() as connection:
            rows = connection.execute(wanted, dict(account=account_id) if account_id else {})
            return [_consumer(row) for row in rows]

    def put(
        self, name: str, account_id: UUID, filter: Filter, start: Cursor, *, of_anybody: bool
    ) -> bool:
        """Create the consumer at `start`, or change its filter and leave its cursor alone;
        whether it was created. Raises `NameTaken` and `TooManyConsumers`."""
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                return self._put(name, account_id, filter, start, of_anybody=of_anybody)
            except DBAPIError as error:
                # Somebody else creates it at this moment: now it is there.
                if not is_duplicate(error) and not is_lost_race(error):
                    raise
        return self._put(name, account_id, filter, start, of_anybody=of_anybody)

    def _put(
        self, name: str, account_id: UUID, filter: Filter, start: Cursor, *, of_anybody: bool
    ) -> bool:
        encoded = msgspec.json.encode(filter)
        with self._database.transaction() as connection:
            # Of several at once each must count those before it.
            queue_at(connection, [account_id])
            row = connection.execute(_one.with_for_update(), dict(name=name)).one_or_none()
            if row is not None:
                if row.account_id != account_id and not of_anybody:
                    raise NameTaken
                connection.execute(_change, dict(consumer=name, filter=encoded))
                return False
            if (connection.scalar(_count, dict(account=account_id)) or 0) >= CONSUMERS_MAX:
                raise TooManyConsumers
            values = dict(name=name, account_id=account_id, filter=encoded)
            values |= dict(position=start.position, event=start.event, created_at=self._clock())
            connection.execute(insert(consumers), values)
        return True

    def commit(self, name: str, expected: Cursor, cursor: Cursor, by: UUID) -> bool:
        """Move the cursor; `False` if there is no such consumer. Raises `CursorMoved` unless it
        is where `expected` says, or where it shall go: that commit was repeated."""
        with self._database.transaction() as connection:
            row = connection.execute(_one.with_for_update(), dict(name=name)).one_or_none()
            if row is None:
                return False
            consumer = _consumer(row)
            if consumer.cursor not in (expected, cursor):
                raise CursorMoved(consumer)
            now = self._clock()
            move = dict(position=cursor.position, event=cursor.event, committed_at=now)
            connection.execute(_move, dict(consumer=name, **move))
            if cursor.position < consumer.cursor.position:
                rewound = dict(name=name, account_id=by, rewound_at=now)
                rewound |= dict(from_position=consumer.cursor.position)
                connection.execute(insert(rewinds), rewound | dict(to_position=cursor.position))
        return True

    def delete(self, name: str) -> bool:
        """Whether it existed."""
        with self._database.transaction() as connection:
            # First what a commit under way holds: it may be about to go back.
            done = connection.execute(delete(consumers).where(consumers.c.name == name))
            connection.execute(delete(rewinds).where(rewinds.c.name == name))
        return done.rowcount > 0

    def rewinds(self, name: str) -> Sequence[Rewind]:
        """The latest first, REWINDS_SHOWN at most."""
        with self._database.reading() as connection:
            return [Rewind(*row) for row in connection.execute(_rewinds, dict(name=name))]

    def lags(self, which: Sequence[Consumer]) -> dict[str, Lag]:
        """By name, in two statements however many there are."""
        if not which:
            return {}
        waiting = [each.cursor.position + 1 for each in which]
        with self._database.reading() as connection:
            head = connection.scalar(_head) or 0
            rows = connection.execute(_recorded, dict(positions=waiting)).all()
        since: dict[int, datetime] = {row.position: row.recorded_at for row in rows}
        now = self._clock()
        return {
            each.name: Lag(
                max(0, head - each.cursor.position),
                max(0.0, (now - since.get(each.cursor.position + 1, now)).total_seconds()),
            )
            for each in which
        }


def _consumer(row: Any) -> Consumer:
    return Consumer(
        row.name,
        row.account_id,
        msgspec.json.decode(row.filter, type=Filter),
        Cursor(row.position, bytes(row.event)),
        row.created_at,
        row.committed_at,
    )


_all = select(consumers).order_by(consumers.c.name)
_one = select(consumers).where(consumers.c.name == bindparam("name"))
_own = _all.where(consumers.c.account_id == bindparam("account"))
_count = select(func.count()).where(consumers.c.account_id == bindparam("account"))
_this = consumers.c.name == bindparam("consumer")
_change = update(consumers).where(_this).values(filter=bindparam("filter"))
_move = (
    update(consumers)
    .where(_this)
    .values({name: bindparam(name) for name in ("position", "event", "committed_at")})
)
_rewinds = (
    select(
        rewinds.c.account_id, rewinds.c.rewound_at, rewinds.c.from_position, rewinds.c.to_position
    )
    .where(rewinds.c.name == bindparam("name"))
    .order_by(rewinds.c.id.desc())
    .limit(REWINDS_SHOWN)
)
_head = select(func.max(feed.c.position))
_recorded = (
    select(feed.c.position, events.c.recorded_at)
    .prefix_with("STRAIGHT_JOIN", dialect="mysql")
    .select_from(sequenced_events)
    .where(feed.c.position.in_(bindparam("positions", expanding=True)))
)
