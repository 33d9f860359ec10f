"""Reading events exactly as they are stored, in the order of the feed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, bindparam, select

from infrastructure.event_store.tables import feed
from infrastructure.transparency.verifier import Event, leaf


class Gone(NamedTuple):
    """A position of the feed whose event does not exist."""

    position: int
    stream_id: bytes
    version: int


def entries(connection: Connection, after: int, until: int) -> Iterator[Event | Gone]:
    """What the feed holds from behind one position up to and including another."""
    statement = _ENTRIES.format(mark=_mark(connection))
    for row in connection.exec_driver_sql(statement, (after, until)):
        position, stream_id, version, topic, recorded_at, commit_id, state = row
        if topic is None:
            yield Gone(position, bytes(stream_id), version)
        else:
            moment = microseconds(recorded_at)
            yield Event(position, stream_id, version, topic, moment, commit_id, state)


def leaves(connection: Connection, after: int, until: int) -> list[bytes | None]:
    """The leaves of what the feed holds there, in order; `None` for an event that is gone.

    MySQL puts them together itself: seven columns of a row cost its driver more than all the
    hashing.
    """
    if connection.dialect.name == "sqlite":
        found = entries(connection, after, until)
        return [leaf(entry) if isinstance(entry, Event) else None for entry in found]
    return [row for (row,) in connection.exec_driver_sql(_LEAVES, (after, until))]


def of_stream(connection: Connection, id: UUID) -> list[Event]:
    """A stream's events that are in the feed, by version."""
    statement = _STREAM.format(mark=_mark(connection))
    rows = connection.exec_driver_sql(statement, (id.bytes,))
    return [
        Event(position, stream_id, version, topic, microseconds(recorded_at), commit_id, state)
        for position, stream_id, version, topic, recorded_at, commit_id, state in rows
    ]


def position_of(connection: Connection, id: UUID, version: int) -> int | None:
    """`None` while the event is not sequenced, or where there is none."""
    return connection.scalar(_position, dict(id=id, version=version))


def _mark(connection: Connection) -> str:
    return "?" if connection.dialect.name == "sqlite" else "%s"


def microseconds(moment: Any) -> int:
    """Of UTC since 1970. SQLite gives moments as text."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    passed = moment - _EPOCH
    return int((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds)


_EPOCH = datetime(1970, 1, 1)
_position = select(feed.c.position).where(
    feed.c.originator_id == bindparam("id"), feed.c.originator_version == bindparam("version")
)
_COLUMNS = """\
SELECT f.position, f.originator_id, f.originator_version, e.topic, e.recorded_at, e.commit_id,
    e.state"""
_LEAVES = """\
SELECT CONCAT(
    X'01', UNHEX(LPAD(HEX(f.position), 16, '0')), f.originator_id,
    UNHEX(LPAD(HEX(f.originator_version), 8, '0')),
    UNHEX(LPAD(HEX(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', e.recorded_at)), 16, '0')),
    e.commit_id, UNHEX(SHA2(e.state, 256)), CAST(e.topic AS BINARY)
) FROM feed f LEFT JOIN events e
ON e.originator_id = f.originator_id AND e.originator_version = f.originator_version
WHERE f.position > %s AND f.position <= %s ORDER BY f.position"""
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
