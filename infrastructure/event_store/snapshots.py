"""Snapshots spare hot streams the replay of their whole past; losing them loses nothing."""

from __future__ import annotations

import inspect
from functools import cache
from hashlib import sha256
from threading import Lock
from typing import Any, get_type_hints

import msgspec
from eventsourcing.persistence import StoredEvent
from sqlalchemy import bindparam, delete

from domain.kernel import Aggregate
from infrastructure.database import Database
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.recorder import SnapshotRecorder
from infrastructure.event_store.tables import snapshots

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
    """Takes them; `loading` uses them."""

    def __init__(self, database: Database, mapper: EventMapper) -> None:
        self._database = database
        self._mapper = mapper
        self._recorder = SnapshotRecorder(database)

    def take(self, aggregate: Aggregate[Any]) -> None:
        """Keep the aggregate as it is in place of its earlier snapshot."""
        topic = snapshot_topic(type(aggregate))
        state = self._mapper.seal_state(aggregate)
        memo = StoredEvent(aggregate.id, aggregate.version, topic, state)
        older = dict(id=aggregate.id, topic=topic, version=aggregate.version)
        with self._database.transaction() as connection:
            self._recorder.insert_events([memo])
            connection.execute(_drop_older, older)


_drop_older = delete(snapshots).where(
    snapshots.c.originator_id == bindparam("id"),
    snapshots.c.topic == bindparam("topic"),
    snapshots.c.originator_version < bindparam("version"),
)
