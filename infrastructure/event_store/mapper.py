"""Between facts and stored bytes.

What is stored is the whole record as JSON, readable by itself, under the event's tag: no
import path is ever written down. Personal fields are sealed with their subject's key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, get_args, get_type_hints
from uuid import UUID

import msgspec
from eventsourcing.persistence import Mapper, StoredEvent

from domain.events import AnyEvent
from domain.kernel import A, Aggregate, Recorded
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.recorder import StoredRecord
from infrastructure.event_store.sealing import (
    event_place,
    holds_personal,
    personal_fields,
    seal,
    snapshot_place,
    unseal,
)
from infrastructure.event_store.upcasters import UPCASTERS, Upcasters
from projections.kernel import Unreadable

_encode = msgspec.json.Encoder().encode


class Stored(Protocol):
    """What a stored event must tell to be decoded."""

    @property
    def originator_id(self) -> UUID | str: ...
    @property
    def originator_version(self) -> int: ...
    @property
    def topic(self) -> str: ...
    @property
    def state(self) -> bytes: ...


class UndecodableEvent(Unreadable):
    """Stored bytes that make no event; the log goes on, this stream cannot."""

    def __init__(self, stored: Stored, why: object) -> None:
        self.topic, self.version = stored.topic, stored.originator_version
        self.id = stored.originator_id
        super().__init__(f"cannot read {self.topic}, version {self.version} of {self.id}: {why}")


class UndecodableSnapshot(Exception):
    """A snapshot of another shape, or damaged: replay the stream from its first event."""

    def __init__(self, kind: type[Aggregate[Any]], id: UUID, why: object) -> None:
        super().__init__(f"cannot read the snapshot of {kind.noun} {id}: {why}")


class EventMapper(Mapper[UUID]):
    """Encodes and decodes the events of a union, and snapshots of aggregates.

    Sealing joins the current transaction and makes a key for a subject that has none.
    """

    def __init__(
        self,
        keyring: KeyRing,
        event_type: Any = AnyEvent,
        *,
        upcasters: Upcasters = UPCASTERS,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        recorded: Any = Recorded
        self._decode = msgspec.json.Decoder(recorded[event_type]).decode
        kinds = get_args(event_type) or (event_type,)
        self._tags: dict[type, str] = {kind: kind.__struct_config__.tag for kind in kinds}
        self._personal = frozenset(kind for kind in kinds if personal_fields(kind))
        if in_use := upcasters.keys() & self._tags.values():
            raise TypeError(f"tags in use cannot be upcast: {', '.join(sorted(in_use))}")
        self._keyring, self._upcasters, self._random = keyring, upcasters, random

    def to_stored_event(self, domain_event: Any) -> StoredRecord:
        return self.to_stored_events([domain_event])[0]

    def to_stored_events(self, events: Sequence[Recorded[Any]]) -> list[StoredRecord]:
        """Raises `Forgotten` for personal text of a subject whose key was destroyed."""
        keys = self._sealing_keys(
            recorded.originator_id for recorded in events if self._is_personal(recorded)
        )
        return [self._stored(recorded, keys) for recorded in events]

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        return self.to_domain_events([stored_event])[0]

    def to_domain_events(
        self, stored: Sequence[Stored], keys: Mapping[UUID, bytes] | None = None
    ) -> list[Recorded[Any]]:
        """Without the keys given, looks them up once, and only if there is something to open.

        Raises `UndecodableEvent` for the first one that cannot be read.
        """
        events = [self._decoded(each) for each in stored]
        sealed = [n for n, recorded in enumerate(events) if self._is_personal(recorded)]
        if keys is None:
            keys = self._keyring.keys_of({events[n].originator_id for n in sealed})
        for n in sealed:
            events[n] = self._opened(stored[n], events[n], keys)
        return events

    def seal_state(
        self, aggregate: Aggregate[Any], keys: Mapping[UUID, bytes] | None = None
    ) -> bytes:
        """A snapshot: what the aggregate knows, without what it has just emitted."""
        state = {name: getattr(aggregate, name) for name in _state_hints(type(aggregate))}
        if holds_personal(aggregate):
            key = (keys or self._sealing_keys([aggregate.id]))[aggregate.id]
            place = snapshot_place(aggregate.id, aggregate.version)
            state |= seal(aggregate, key, place, self._random)
        return _encode(state)

    def open_state(
        self, kind: type[A], id: UUID, state: bytes, keys: Mapping[UUID, bytes] | None = None
    ) -> A:
        """The aggregate a snapshot was taken of. Raises `UndecodableSnapshot`, also when the
        fields of `kind` are no longer those of the snapshot.
        """
        try:
            memo = _state_decoder(kind).decode(state)
            if memo.id != id:
                raise ValueError(f"it is that of {memo.id}")
            fields = msgspec.structs.asdict(memo)
            if any(fields[name] is not None for name in personal_fields(kind)):
                key = (self._keyring.keys_of([id]) if keys is None else keys).get(id)
                fields |= unseal(memo, key, snapshot_place(id, memo.version), kind)
        except ValueError as error:
            raise UndecodableSnapshot(kind, id, error) from error
        return kind(**fields)

    def _is_personal(self, recorded: Recorded[Any]) -> bool:
        return type(recorded.event) in self._personal and holds_personal(recorded.event)

    def _sealing_keys(self, subjects: Iterable[UUID]) -> dict[UUID, bytes]:
        wanted = set(subjects)
        keys = self._keyring.keys_of(wanted)
        for subject in sorted(wanted - keys.keys()):
            keys[subject] = self._keyring.create(subject)
        return keys

    def _stored(self, recorded: Recorded[Any], keys: dict[UUID, bytes]) -> StoredRecord:
        id, version = recorded.originator_id, recorded.originator_version
        to_write = recorded
        if self._is_personal(recorded):
            sealed = seal(recorded.event, keys[id], event_place(id, version), self._random)
            event = msgspec.structs.replace(recorded.event, **sealed)
            to_write = msgspec.structs.replace(recorded, event=event)
        return StoredRecord(
            originator_id=id,
            originator_version=version,
            topic=self._tags[type(recorded.event)],
            state=_encode(to_write),
            recorded_at=recorded.recorded_at,
        )

    def _decoded(self, stored: Stored) -> Recorded[Any]:
        retired = stored.topic in self._upcasters
        try:
            state = self._upcast(stored.state) if retired else stored.state
            recorded: Recorded[Any] = self._decode(state)
        except Exception as error:
            raise UndecodableEvent(stored, error) from error
        if (
            recorded.originator_version != stored.originator_version
            or recorded.originator_id != stored.originator_id
            or (self._tags[type(recorded.event)] != stored.topic and not retired)
        ):
            raise UndecodableEvent(stored, "its bytes belong to another event")
        return recorded

    def _upcast(self, state: bytes) -> bytes:
        record = msgspec.json.decode(state)
        record["event"] = self._upcasters.apply(record["event"])
        return _encode(record)

    def _opened(
        self, stored: Stored, recorded: Recorded[Any], keys: Mapping[UUID, bytes]
    ) -> Recorded[Any]:
        id, event = recorded.originator_id, recorded.event
        try:
            place = event_place(id, recorded.originator_version)
            opened = unseal(event, keys.get(id), place, type(event))
        except ValueError as error:
            raise UndecodableEvent(stored, error) from error
        return msgspec.structs.replace(recorded, event=msgspec.structs.replace(event, **opened))


@cache
def _state_hints(kind: type[Aggregate[Any]]) -> dict[str, Any]:
    """The fields of a snapshot and their types."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__struct_fields__ if name != "emitted"}


@cache
def _state_decoder(kind: type[Aggregate[Any]]) -> msgspec.json.Decoder[Any]:
    """Strict about its fields: a snapshot from before a field existed would lack its history."""
    memo = msgspec.defstruct(
        f"{kind.__name__}State", list(_state_hints(kind).items()), forbid_unknown_fields=True
    )
    return msgspec.json.Decoder(memo)
