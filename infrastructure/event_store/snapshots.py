"""Snapshots spare hot streams the replay of their whole past; losing them loses nothing."""

from __future__ import annotations

import inspect
import logging
from functools import cache
from hashlib import sha256
from threading import Lock
from typing import Any, get_type_hints
from uuid import UUID

import msgspec
from eventsourcing.persistence import StoredEvent
from sqlalchemy import bindparam, delete, func, literal, null, select, type_coerce, union_all

from domain.kernel import A, Aggregate, replay
from infrastructure.database import Database
from infrastructure.event_store.application import own_history
from infrastructure.event_store.mapper import EventMapper, UndecodableSnapshot
from infrastructure.event_store.recorder import EventRecorder, SnapshotRecorder, StoredRecord
from infrastructure.event_store.tables import events, snapshots
from projections.sql import Instant

log = logging.getLogger(__name__)

_SNAPSHOT, _EVENT = 0, 1


_parsing = Lock()


@cache
def snapshot_topic(kind: type[Aggregate[Any]]) -> str:
    """Names the class as it is now, fields and code: a changed one ignores old snapshots."""
    try:
        # It makes a syntax tree, which fails now and then (SystemError, CPython 3.11) where two
        # threads do so at once: as the first requests of a process do.
        with _parsing:
            code = inspect.getsource(kind)
    except OSError:  # installed without sources
        code = ""
    hints = get_type_hints(kind, include_extras=True)
    fields = [(name, hints[name]) for name in kind.__struct_fields__ if name != "emitted"]
    shape = msgspec.json.schema(msgspec.defstruct(kind.__name__, fields))
    schema = msgspec.json.encode(shape, order="deterministic")
    return f"{kind.stream}@{sha256(schema + code.encode()).hexdigest()[:16]}"


class Snapshots:
    def __init__(self, database: Database, mapper: EventMapper) -> None:
        self._database = database
        self._mapper = mapper
        self._recorder = SnapshotRecorder(database)
        self._events = EventRecorder(database)

    def load(self, kind: type[A], id: UUID) -> tuple[A, int]:
        """The aggregate as it stands, and the version of the snapshot that helped (0 if none).

        One round trip; two if the snapshot is damaged.
        """
        parameters = dict(id=id, topic=snapshot_topic(kind))
        with self._database.reading() as connection:
            rows = connection.execute(_latest, parameters).all()
        memos = [row for row in rows if row.what == _SNAPSHOT]
        stored = sorted(
            (StoredRecord(id, *row[1:]) for row in rows if row.what == _EVENT),
            key=lambda record: record.originator_version,
        )
        start = self._opened(kind, id, memos[0], stored) if memos else None
        if memos and start is None:
            stored = self._events.select_events(id)
        aggregate = start or kind(id=id)
        version = aggregate.version
        history = self._mapper.to_domain_events(stored[1:] if start else stored)
        return replay(aggregate, history if start else own_history(kind, history)), version

    def _opened(self, kind: type[A], id: UUID, memo: Any, stored: list[StoredRecord]) -> A | None:
        """The aggregate of a snapshot; nothing if it is damaged, or if the log lacks the event
        it claims to stand on.
        """
        try:
            aggregate = self._mapper.open_state(kind, id, memo.state)
        except UndecodableSnapshot as error:
            log.warning("%s; replaying its events instead", error)
            return None
        version = stored[0].originator_version if stored else None
        if version == memo.originator_version == aggregate.version:
            return aggregate
        log.warning("the snapshot of %s %s is of no version it has", kind.noun, id)
        return None

    def take(self, aggregate: Aggregate[Any]) -> None:
        """Keep the aggregate as it is in place of its earlier snapshot."""
        topic = snapshot_topic(type(aggregate))
        state = self._mapper.seal_state(aggregate)
        memo = StoredEvent(aggregate.id, aggregate.version, topic, state)
        older = dict(id=aggregate.id, topic=topic, version=aggregate.version)
        with self._database.transaction() as connection:
            self._recorder.insert_events([memo])
            connection.execute(_drop_older, older)


_of_kind = (
    snapshots.c.originator_id == bindparam("id"),
    snapshots.c.topic == bindparam("topic"),
)
_last_version = select(func.max(snapshots.c.originator_version)).where(*_of_kind).scalar_subquery()
_latest = union_all(
    select(
        literal(_SNAPSHOT).label("what"),
        snapshots.c.originator_version,
        snapshots.c.topic,
        snapshots.c.state,
        type_coerce(null(), Instant).label("recorded_at"),
    ).where(*_of_kind, snapshots.c.originator_version == _last_version),
    # The event the snapshot stands on comes along, to see that it exists.
    select(
        literal(_EVENT).label("what"),
        events.c.originator_version,
        events.c.topic,
        events.c.state,
        events.c.recorded_at,
    ).where(
        events.c.originator_id == bindparam("id"),
        events.c.originator_version >= func.coalesce(_last_version, 0),
    ),
)
_drop_older = delete(snapshots).where(
    *_of_kind, snapshots.c.originator_version < bindparam("version")
)
