"""Reading events exactly as they are stored, in the order of the feed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from msgspec import Meta, Struct, convert
from sqlalchemy import Connection, Row, bindparam, select

from infrastructure.event_store.tables import feed
from infrastructure.transparency.merkle import HASH_BYTES, split
from infrastructure.transparency.verifier import Event, leaf, leaf_hash
from projections.sql import parameter_mark


class Broken(NamedTuple):
    """A position of the feed whose event does not exist, or holds what no event can.

    SQLite keeps whatever it is given, of whatever type: `stream_id` and `version` are `None`
    where they are none.
    """

    position: int
    stream_id: UUID | None
    version: int | None
    why: str


class _Row(Struct, array_like=True):
    """What an event's row holds. A class: msgspec looks at other types anew at every call."""

    position: int
    stream_id: _Id
    version: _Version
    topic: str
    recorded_at: _Moment
    commit_id: _Id
    state: bytes


def entries(connection: Connection, after: int, until: int) -> Iterator[Event | Broken]:
    """What the feed holds from behind one position up to and including another."""
    statement = _ENTRIES.format(mark=parameter_mark(connection.dialect))
    for row in connection.exec_driver_sql(statement, (after, until)):
        yield _entry(row)


def leaf_hashes(connection: Connection, after: int, until: int) -> list[bytes]:
    """The hashes of the leaves of what the feed holds there, as far as it has no hole.

    MySQL makes them itself and gives them as one value: to read a row costs its driver more than
    to hash it. What it made is checked as often as somebody checks the log.
    """
    if connection.dialect.name != "sqlite":
        hashes = connection.exec_driver_sql(_LEAF_HASHES, (after, until)).scalar() or b""
        if len(hashes) == (until - after) * HASH_BYTES:
            return split(hashes)
    whole = list[bytes]()
    for entry in entries(connection, after, until):
        if not isinstance(entry, Event) or entry.position != after + len(whole) + 1:
            break
        whole.append(leaf_hash(leaf(entry)))
    return whole


def of_stream(connection: Connection, id: UUID) -> list[Event | Broken]:
    """A stream's events that are in the feed, by version."""
    statement = _STREAM.format(mark=parameter_mark(connection.dialect))
    rows = connection.exec_driver_sql(statement, (id.bytes,))
    return [_entry(row) for row in rows]


def position_of(connection: Connection, id: UUID, version: int) -> int | None:
    """`None` while the event is not sequenced, or where there is none."""
    return connection.scalar(_position, dict(id=id, version=version))


def _entry(row: Row[Any]) -> Event | Broken:
    try:
        held = convert(tuple(row), _Row)
        place = held.position, held.stream_id, held.version, held.topic
        return Event(*place, microseconds(held.recorded_at), held.commit_id, held.state)
    except (TypeError, ValueError):
        return _broken(tuple(row))


def _broken(row: Sequence[Any]) -> Broken:
    position, stream_id, version, *columns = row
    if not any(column is not None for column in columns):
        why = "does not exist"
    else:
        wrong = [
            name
            for name, column, holds in zip(_NAMES, columns, _HOLDS, strict=True)
            if not _is(holds, column)
        ]
        why = f"holds what no event can in its {', '.join(wrong) or 'key'}"
    id = UUID(bytes=stream_id) if _is(_Id, stream_id) else None
    return Broken(position, id, version if _is(_Version, version) else None, why)


def _is(holds: Any, column: Any) -> bool:
    try:
        if holds is _Moment:
            microseconds(column)
        else:
            convert(column, holds)
    except (TypeError, ValueError):
        return False
    return True


def microseconds(moment: Any) -> int:
    """Of UTC since 1970. SQLite gives moments as text."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    passed = moment - _EPOCH
    return int((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds)


_EPOCH = datetime(1970, 1, 1)
_Id = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Version = Annotated[int, Meta(ge=0, lt=2**32)]
_Moment = Any
_HOLDS = str, _Moment, _Id, bytes
_NAMES = "topic", "recorded_at", "commit", "stored bytes"
_position = select(feed.c.position).where(
    feed.c.originator_id == bindparam("id"), feed.c.originator_version == bindparam("version")
)
_COLUMNS = """\
SELECT f.position, f.originator_id, f.originator_version, e.topic, e.recorded_at, e.commit_id,
    e.state"""
# NULL where an event is gone, which GROUP_CONCAT leaves out.
_LEAF_HASHES = """\
SELECT GROUP_CONCAT(UNHEX(SHA2(UNHEX(CONCAT(
    '0001', LPAD(HEX(f.position), 16, '0'), HEX(f.originator_id),
    LPAD(HEX(f.originator_version), 8, '0'),
    LPAD(HEX(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', e.recorded_at)), 16, '0'),
    HEX(e.commit_id), SHA2(e.state, 256), HEX(e.topic)
)), 256)) ORDER BY f.position SEPARATOR '')
FROM feed f STRAIGHT_JOIN events e
ON e.originator_id = f.originator_id AND e.originator_version = f.originator_version
WHERE f.position > %s AND f.position <= %s"""
_ENTRIES = (
    _COLUMNS
    + """ FROM feed f LEFT JOIN events e
ON e.originator_id = f.originator_id AND e.originator_version = f.originator_version
WHERE f.position > {mark} AND f.position <= {mark} ORDER BY f.position"""
)
_STREAM = (
    _COLUMNS
    + """ FROM events e JOIN feed f
ON f.originator_id = e.originator_id AND f.originator_version = e.originator_version
WHERE e.originator_id = {mark} ORDER BY e.originator_version"""
)
