"""Aggregates out of the store: several at once, in one round trip.

A process remembers what it has replayed as snapshots of its own. They are never believed
alone: with every load come the event such a snapshot stands on and all that came after, so
what is loaded is what the log says now.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from domain.kernel import Aggregate, replay
from infrastructure.database import Database
from infrastructure.event_store.application import own_history
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper, Stored, UndecodableSnapshot
from infrastructure.event_store.recorder import EventRecorder
from infrastructure.event_store.sealing import personal_fields
from infrastructure.event_store.snapshots import snapshot_topic

log = logging.getLogger(__name__)

REMEMBERED_MAX = 2_000
REPLAYED_MIN = 4
"""Replaying fewer events costs less than a snapshot of their outcome."""

Wanted = tuple[type[Aggregate[Any]], UUID]


class Loaded(NamedTuple):
    """`snapshot_version` is that of the usable snapshot in the store, 0 if there is none."""

    aggregate: Aggregate[Any]
    snapshot_version: int


class Row(NamedTuple):
    """An event, a snapshot or a key, as it comes out of the database."""

    originator_id: UUID
    originator_version: int
    topic: str
    state: bytes


class Memory(NamedTuple):
    """A snapshot, and the bytes of the event it stands on."""

    version: int
    state: bytes
    event: bytes
    snapshot_version: int


class _Found:
    """The rows of one aggregate."""

    def __init__(self) -> None:
        self.events: list[Stored] = []
        self.snapshot: Row | None = None
        self.key: Row | None = None


class Loader:
    def __init__(self, database: Database, mapper: EventMapper, keyring: KeyRing) -> None:
        self._database, self._mapper, self._keyring = database, mapper, keyring
        self._events = EventRecorder(database)
        self._remembered = OrderedDict[tuple[str, UUID], Memory]()

    def load(self, wanted: Sequence[Wanted]) -> list[Loaded]:
        """The aggregates as they stand; blank where there is none of that kind.

        One round trip; more where a snapshot is damaged.
        """
        memories = [self._remembered.get(_name(*each)) for each in wanted]
        found = self._found(wanted, memories)
        return [
            self._loaded(kind, id, memory, rows)
            for (kind, id), memory, rows in zip(wanted, memories, found, strict=True)
        ]

    def forget(self, kind: type[Aggregate[Any]], id: UUID) -> None:
        self._remembered.pop(_name(kind, id), None)

    def _found(self, wanted: Sequence[Wanted], memories: Sequence[Memory | None]) -> list[_Found]:
        parts, parameters = list[str](), list[Any]()
        for n, ((kind, id), memory) in enumerate(zip(wanted, memories, strict=True)):
            if memory is None and kind.snapshot_every is not None:
                last = (id.bytes, snapshot_topic(kind))
                parts += [_LATEST.format(n=n), _SINCE_LATEST.format(n=n)]
                parameters += [*last, *last, id.bytes, *last]
            else:
                parts.append(_SINCE.format(n=n))
                parameters += [id.bytes, memory.version if memory else 0]
            if personal_fields(kind):
                parts.append(_KEY_OF.format(n=n))
                parameters.append(id.bytes)
        statement = "\nUNION ALL ".join(parts).replace("?", self._database.mark)
        found = [_Found() for _ in wanted]
        with self._database.reading() as connection:
            rows = connection.exec_driver_sql(statement, tuple(parameters)).all()
        for n, what, version, topic, state in rows:
            stored = Row(wanted[n][1], version, topic, bytes(state))
            if what == _EVENT:
                found[n].events.append(stored)
            elif what == _SNAPSHOT:
                found[n].snapshot = stored
            else:
                found[n].key = stored
        for each in found:
            each.events.sort(key=lambda stored: stored.originator_version)
        return found

    def _loaded(
        self, kind: type[Aggregate[Any]], id: UUID, memory: Memory | None, rows: _Found
    ) -> Loaded:
        keys = {}
        if rows.key is not None:
            keys[id] = self._keyring.opened(id, rows.key.topic, rows.key.state)
        start: Aggregate[Any] | None = None
        snapshot_version = 0
        if memory is not None:
            if not rows.events or rows.events[0].state != memory.event:
                # Another log than the one remembered, as after a restored backup.
                self.forget(kind, id)
                return self.load([(kind, id)])[0]
            start = self._mapper.open_state(kind, id, memory.state, keys)
            snapshot_version = memory.snapshot_version
        elif rows.snapshot is not None:
            start = self._opened(kind, rows.snapshot, rows.events, keys)
            snapshot_version = start.version if start else 0
            if start is None:
                rows.events = list(self._events.select_events(id))
        stored = rows.events[1:] if start else rows.events
        history = self._mapper.to_domain_events(stored, keys)
        aggregate = replay(start or kind(id=id), history if start else own_history(kind, history))
        if kind.snapshot_every is not None and aggregate.version and len(stored) >= REPLAYED_MIN:
            state = self._mapper.seal_state(aggregate, keys)
            memory = Memory(aggregate.version, state, rows.events[-1].state, snapshot_version)
            self._remember(_name(kind, id), memory)
        return Loaded(aggregate, snapshot_version)

    def _opened(
        self,
        kind: type[Aggregate[Any]],
        snapshot: Row,
        events: Sequence[Stored],
        keys: dict[UUID, bytes],
    ) -> Aggregate[Any] | None:
        """The aggregate of a snapshot; nothing if it is damaged, or if the log lacks the event
        it claims to stand on.
        """
        id = snapshot.originator_id
        try:
            aggregate = self._mapper.open_state(kind, id, snapshot.state, keys)
        except UndecodableSnapshot as error:
            log.warning("%s; replaying its events instead", error)
            return None
        version = events[0].originator_version if events else None
        if version == snapshot.originator_version == aggregate.version:
            return aggregate
        log.warning("the snapshot of %s %s is of no version it has", kind.noun, id)
        return None

    def _remember(self, name: tuple[str, UUID], memory: Memory) -> None:
        # Each step is one of its own: threads do so at once.
        self._remembered.pop(name, None)
        self._remembered[name] = memory
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)


_EVENT, _SNAPSHOT, _KEY = range(3)
_SINCE = """\
SELECT {n}, 0, originator_version, topic, state FROM events
WHERE originator_id = ? AND originator_version >= ?"""
_LATEST = """\
SELECT {n}, 1, originator_version, topic, state FROM snapshots
WHERE originator_id = ? AND topic = ? AND originator_version =
(SELECT MAX(originator_version) FROM snapshots WHERE originator_id = ? AND topic = ?)"""
# The event a snapshot stands on comes along, to see that it exists.
_SINCE_LATEST = """\
SELECT {n}, 0, originator_version, topic, state FROM events
WHERE originator_id = ? AND originator_version >= COALESCE(
(SELECT MAX(originator_version) FROM snapshots WHERE originator_id = ? AND topic = ?), 0)"""
_KEY_OF = """\
SELECT {n}, 2, 0, master_kid, wrapped FROM subject_keys
WHERE subject_id = ? AND wrapped IS NOT NULL"""


def _name(kind: type[Aggregate[Any]], id: UUID) -> tuple[str, UUID]:
    return snapshot_topic(kind), id
