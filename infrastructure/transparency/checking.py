"""Re-verifies the whole log against the database, and against what an auditor kept.

Events are read as they are stored, as of one moment, and hashed anew; memory does not grow with
their number but for one hash in 256.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Connection, func, select

from infrastructure.database import Database
from infrastructure.event_store import checks
from infrastructure.event_store.tables import feed
from infrastructure.transparency import reading
from infrastructure.transparency.log import BrokenLog, Head, find_head, load_tiles
from infrastructure.transparency.merkle import HASH_BYTES, TILE_WIDTH, Edge, Place, split
from infrastructure.transparency.tables import log_keys, log_tiles
from infrastructure.transparency.verifier import (
    EMPTY_ROOT,
    Checkpoint,
    Event,
    Fault,
    Key,
    leaf,
    leaf_hash,
    open_checkpoint,
)

CHUNK = 4 * TILE_WIDTH

T = TypeVar("T")


class Finding(msgspec.Struct):
    """Something wrong, in a sentence; which event it is about where that can be told."""

    says: str
    position: int | None = None
    stream_id: UUID | None = None
    version: int | None = None


class Checked(NamedTuple):
    """The checkpoint of the log that was checked, and all that is wrong."""

    head: Head | None
    faults: list[Finding]


def check(database: Database, keys: Sequence[str] = (), held: str | None = None) -> Checked:
    """`keys`: the only public keys to trust, else those that the log publishes; `held`: a
    checkpoint that somebody kept, which the log must continue."""
    patient = database.patient()
    try:
        with patient.snapshot() as connection:
            head, faults = None, list[Finding]()
            try:
                head = find_head(connection)
            except BrokenLog as broken:
                faults.append(Finding(str(broken)))
            faults += _findings(connection, head, keys, held, headed=not faults)
            return Checked(head, faults)
    finally:
        patient.close()


def _findings(
    connection: Connection,
    found: Head | None,
    keys: Sequence[str],
    held: str | None,
    *,
    headed: bool,
) -> Iterator[Finding]:
    """`headed`: the head can be read, if there is one. Else what is held stands for it."""
    trusted = yield from _trusted(connection, keys)
    if found is not None and (wrong := _misnoted(found, trusted)):
        yield Finding(f"the head of the log is not what was signed: {wrong}")
    kept = yield from _kept(held, trusted)
    head = found or Head("", 0, EMPTY_ROOT, "")
    if kept is not None and not headed:
        head = Head(*kept, "")
    if kept is not None and kept.origin != head.origin:
        yield Finding(f"the log calls itself {head.origin}, the checkpoint held is {kept.origin}'s")
    edge, passed = yield from _grown(connection, head, kept)
    if headed:
        for place, hashes in edge.partial():
            yield from _unlike(connection, place, hashes)
        yield from _surplus(connection, edge.size)
    if edge.root() != head.root:
        yield Finding(f"the leaves of the log do not give its root at {head.size}")
    if kept is not None:
        yield from _broken_off(head, kept, passed)
    yield from map(Finding, checks.faults(connection))


Findings = Generator[Finding, None, T]
"""What is wrong on the way to something."""


def _trusted(connection: Connection, keys: Sequence[str]) -> Findings[list[Key]]:
    """These keys, else those that the log publishes."""
    trusted = list[Key]()
    for text, id in [(key, None) for key in keys] or connection.execute(_keys):
        try:
            trusted.append(key := Key.parse(str(text)))
        except Fault as fault:
            yield Finding(str(fault))
            continue
        if not keys and id != key.id:
            yield Finding(f"the log keeps the key {key.id.hex()} under another id")
    return trusted


def _kept(held: str | None, trusted: Sequence[Key]) -> Findings[Checkpoint | None]:
    """The checkpoint that somebody kept."""
    if held is None:
        return None
    try:
        return open_checkpoint(held, trusted)
    except Fault as fault:
        yield Finding(f"the checkpoint held: {fault}")
        return None


def _grown(
    connection: Connection, head: Head, kept: Checkpoint | None
) -> Findings[tuple[Edge, bytes]]:
    """The tree that the leaves of the log give, and its root where the one kept ends."""
    edge, passed = Edge(), EMPTY_ROOT
    size = head.size
    if size > _most(connection):
        size = connection.scalar(select(func.count()).select_from(feed)) or 0
        yield Finding(f"the log has {head.size} events by its head, the feed has {size}")
    for hash, wrongs in _leaves(connection, size):
        yield from wrongs
        for place, hashes in edge.append(hash):
            yield from _unlike(connection, place, hashes)
        if kept is not None and edge.size == kept.size:
            passed = edge.root()
    return edge, passed


_keys = select(log_keys.c.public_key, log_keys.c.key_id)


def _misnoted(head: Head, trusted: Sequence[Key]) -> str | None:
    try:
        signed = open_checkpoint(head.note, trusted)
    except Fault as fault:
        return str(fault)
    if signed != (head.origin, head.size, head.root):
        return f"that is {signed.size} events with another root, or of another log"
    return None


def _most(connection: Connection) -> int:
    """More events than feed or tiles have room for there are not, whatever the head says."""
    positions = connection.scalar(select(func.count()).select_from(feed)) or 0
    lowest = select(func.count()).select_from(log_tiles).where(log_tiles.c.level == 0)
    return max(positions, TILE_WIDTH * (connection.scalar(lowest) or 0))


def _leaves(connection: Connection, size: int) -> Iterator[tuple[bytes, list[Finding]]]:
    """The hash of each leaf as it was logged, and what is wrong with the event there.

    Where the log itself has no hash, that of the event stands in.
    """
    for start in range(0, size, CHUNK):
        until = min(size, start + CHUNK)
        tiles = load_tiles(connection, [(0, n) for n in range(start >> 8, (until - 1 >> 8) + 1)])
        logged = {
            (number << 8) + index + 1: hash
            for (_, number), hashes in tiles.items()
            for index, hash in enumerate(split(hashes))
            if len(hash) == HASH_BYTES
        }
        found = {entry.position: entry for entry in reading.entries(connection, start, until)}
        gaps = _gaps(position for position in range(start + 1, until + 1) if position not in found)
        for position in range(start + 1, until + 1):
            hash, entry = logged.get(position), found.get(position)
            if entry is None:
                wrongs = gaps.get(position, [])
            elif isinstance(entry, Event):
                wrongs = _differing(entry, hash)
                hash = hash or leaf_hash(leaf(entry))
            else:
                wrongs = [_finding(f"{_name(entry)} is in the feed and {entry.why}", entry)]
            yield hash or bytes(32), wrongs


def _gaps(missing: Iterator[int]) -> dict[int, list[Finding]]:
    """One finding for each row of positions that are missing, at the first of them."""
    rows = groupby(enumerate(missing), lambda pair: pair[1] - pair[0])
    found = {}
    for _, row in rows:
        positions = [position for _, position in row]
        first, last = positions[0], positions[-1]
        range_ = f"position {first}" if first == last else f"positions {first} to {last}"
        found[first] = [Finding(f"the feed has lost {range_}", position=first)]
    return found


def _differing(event: Event, logged: bytes | None) -> list[Finding]:
    if logged is None:
        return [_finding(f"the log has lost the hash of {_name(event)}", event)]
    if leaf_hash(leaf(event)) == logged:
        return []
    return [_finding(f"{_name(event)} is not what was logged: {_what(event)}", event)]


def _what(event: Event) -> str:
    """The columns beside the stored bytes, which say most of it too."""
    try:
        record = msgspec.json.decode(event.state)
        recorded_at = msgspec.convert(record["recorded_at"], datetime)
        said = {
            "stream": UUID(record["originator_id"]),
            "version": record["originator_version"],
            "topic": record["event"]["type"],
            "recorded_at": reading.microseconds(recorded_at.replace(tzinfo=None)),
        }
    except (msgspec.MsgspecError, ValueError, TypeError, LookupError):
        return "its stored bytes are no event any more"
    columns: dict[str, Any] = {
        "stream": UUID(bytes=event.stream_id),
        "version": event.version,
        "topic": event.topic,
        "recorded_at": event.recorded_at,
    }
    wrong = [name for name, value in columns.items() if said[name] != value]
    if wrong:
        return f"its columns and its stored bytes disagree on {', '.join(wrong)}"
    return "its stored bytes, its commit or its place were changed"


def _name(entry: Event | reading.Broken) -> str:
    topic = f"{entry.topic}, " if isinstance(entry, Event) else ""
    place = f"version {entry.version} of {_stream(entry)}"
    return f"the event at position {entry.position} ({topic}{place})"


def _finding(says: str, entry: Event | reading.Broken) -> Finding:
    return Finding(says, entry.position, _stream(entry), entry.version)


def _stream(entry: Event | reading.Broken) -> UUID | None:
    id = entry.stream_id
    return UUID(bytes=id) if isinstance(id, bytes) else id


def _unlike(connection: Connection, place: Place, hashes: bytes) -> Iterator[Finding]:
    stored = load_tiles(connection, [place]).get(place)
    if stored != hashes:
        how = "missing" if stored is None else "not what its leaves give"
        yield Finding(f"the tile {place[1]} of level {place[0]} is {how}")


def _surplus(connection: Connection, size: int) -> Iterator[Finding]:
    """Tiles beyond the head: it was set back."""
    due = 0
    while size:
        due, size = due + -(-size // TILE_WIDTH), size // TILE_WIDTH
    stored = connection.scalar(select(func.count()).select_from(log_tiles)) or 0
    if stored > due:
        yield Finding(f"the log has {stored} tiles where its head accounts for {due}")


def _broken_off(head: Head, kept: Checkpoint, root: bytes) -> Iterator[Finding]:
    if kept.size > head.size:
        yield Finding(
            f"the log ends at {head.size}, before the checkpoint held at {kept.size}: "
            "it was rolled back or cut off"
        )
    elif root != kept.root:
        yield Finding(
            f"the log does not continue the checkpoint held: its first {kept.size} events "
            "are not those that were signed"
        )
