"""The library's recorders: events and snapshots, into the tables and out of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    Notification,
    StoredEvent,
    Subscription,
)
from sqlalchemy import Select, Table, func, insert, select
from sqlalchemy.exc import DBAPIError

from infrastructure.database import Database
from infrastructure.event_store.commits import encode_runs
from infrastructure.event_store.faults import is_duplicate
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.subscription import PollingSubscription
from infrastructure.event_store.tables import (
    events,
    feed,
    pending,
    sequenced_events,
    snapshots,
)


@dataclass(frozen=True)
class StoredRecord(StoredEvent):
    """A stored event that knows when it was recorded."""

    recorded_at: datetime


class SnapshotRecorder(AggregateRecorder):
    def __init__(self, database: Database) -> None:
        self._database = database

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        if stored_events:
            with self._database.transaction() as connection, _conflicts_told():
                connection.execute(insert(snapshots), [vars(each) for each in stored_events])

    def select_events(self, originator_id: UUID | str, **bounds: Any) -> list[StoredEvent]:
        chosen = _chosen(snapshots, select(snapshots), originator_id, **bounds)
        with self._database.reading() as connection:
            return [StoredEvent(*row) for row in connection.execute(chosen)]


class EventRecorder(ApplicationRecorder):
    """Inserts events and never touches them again.

    On SQLite, which has one writer at a time, events get their positions in the same commit;
    on MySQL when a `Sequencer` comes along.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sequencer = None if database.is_mysql else Sequencer(database)

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, commit_id: UUID | None = None, **kwargs: Any
    ) -> Sequence[int] | None:
        """Store the events of one commit. Raises the library's `IntegrityError` if another
        commit stored one of these versions first (on MySQL the transaction that this joins
        raises it, when it ends); their positions are not known yet.
        """
        if not stored_events:
            return None
        now, commit = datetime.now(UTC), commit_id or uuid4()
        # All writers in one order: two of them that touch the same aggregates wait for each
        # other instead of deadlocking.
        ordered = sorted(stored_events, key=_place)
        runs = encode_runs(stored_events)
        with _conflicts_told(), self._database.transaction() as connection:
            if self._sequencer:
                rows = [dict(recorded_at=now, commit_id=commit) | vars(each) for each in ordered]
                connection.execute(insert(events), rows)
                connection.execute(insert(pending), dict(recorded_at=now, runs=runs))
                self._sequencer.sequence()
            else:
                self._write_last(ordered, now, commit, runs)
        return None

    def _write_last(
        self, ordered: Sequence[StoredEvent], now: datetime, commit: UUID, runs: bytes
    ) -> None:
        """With COMMIT: the versions are not taken, and nobody waits for them, until then."""
        values = [
            value
            for each in ordered
            for value in (
                cast(UUID, each.originator_id).bytes,
                each.originator_version,
                each.topic,
                _naive(getattr(each, "recorded_at", now)),
                commit.bytes,
                each.state,
            )
        ]
        rows = ", ".join([_ROW] * len(ordered))
        self._database.write_last(_APPEND.format(rows=rows), (*values, _naive(now), runs))

    def select_events(self, originator_id: UUID | str, **bounds: Any) -> list[StoredRecord]:
        chosen = _chosen(events, _select_records, originator_id, **bounds)
        with self._database.reading() as connection:
            return [StoredRecord(*row) for row in connection.execute(chosen)]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> list[Notification]:
        position = feed.c.position
        chosen = _select_notifications.limit(limit)
        if start is not None:
            chosen = chosen.where(position >= start if inclusive_of_start else position > start)
        if stop is not None:
            chosen = chosen.where(position <= stop)
        if topics:
            chosen = chosen.where(events.c.topic.in_(topics))
        with self._database.reading() as connection:
            return [Notification(*row) for row in connection.execute(chosen)]

    def max_notification_id(self) -> int | None:
        with self._database.reading() as connection:
            last: int | None = connection.scalar(select(func.max(feed.c.position)))
        return last

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        return PollingSubscription(self, gt, topics)


def _place(stored: StoredEvent) -> tuple[bytes, int]:
    return cast(UUID, stored.originator_id).bytes, stored.originator_version


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


_ROW = "(%s, %s, %s, %s, %s, %s)"
_APPEND = """\
INSERT INTO events
(originator_id, originator_version, topic, recorded_at, commit_id, state) VALUES {rows};
INSERT INTO pending (recorded_at, runs) VALUES (%s, %s)"""
_select_records = select(
    events.c.originator_id,
    events.c.originator_version,
    events.c.topic,
    events.c.state,
    events.c.recorded_at,
)
_select_notifications = (
    select(
        events.c.originator_id,
        events.c.originator_version,
        events.c.topic,
        events.c.state,
        feed.c.position,
    )
    .prefix_with("STRAIGHT_JOIN", dialect="mysql")
    .select_from(sequenced_events)
    .order_by(feed.c.position)
)


def _chosen(
    table: Table,
    statement: Select[Any],
    originator_id: UUID | str,
    *,
    gt: int | None = None,
    lte: int | None = None,
    desc: bool = False,
    limit: int | None = None,
) -> Select[Any]:
    version = table.c.originator_version
    statement = statement.where(table.c.originator_id == originator_id)
    if gt is not None:
        statement = statement.where(version > gt)
    if lte is not None:
        statement = statement.where(version <= lte)
    statement = statement.order_by(version.desc() if desc else version)
    return statement if limit is None else statement.limit(limit)


@contextmanager
def _conflicts_told() -> Iterator[None]:
    """A version that exists already is the library's `IntegrityError`; no other error is."""
    try:
        yield
    except DBAPIError as error:
        if is_duplicate(error):
            raise IntegrityError(str(error.orig)) from error
        raise
