"""The transparency log: a Merkle tree over the feed, kept beside it, and its signed checkpoints.

It is one more view of the feed: it grows after the positions are known, in transactions of its
own. Any number of processes may grow it: each reads and hashes on its own, and the one that
moves the head first wins; what the others made is dropped.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import uuid4

from msgspec import Meta, convert
from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.exc import DBAPIError

from infrastructure.database import CommitLost, Database
from infrastructure.event_store.faults import is_lost_race
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.tables import feed
from infrastructure.transparency import reading
from infrastructure.transparency.merkle import HASH_BYTES, Edge, Hashes, Place, Span, edge_tiles
from infrastructure.transparency.signing import Signers
from infrastructure.transparency.tables import log_head, log_tiles
from infrastructure.transparency.verifier import EMPTY_ROOT, Event, Key
from projections.sql import insert_if_absent

BATCH = 4000
"""Finding the edge of the tree and signing cost as much as 500 events do."""
HEAD = 1
"""The only row of `log_head`."""


class BrokenLog(Exception):
    """The log does not fit what it holds, or the feed was changed behind it: nothing is signed
    on top of that. `mechanic-shop audit check` says what is wrong."""


class Head(NamedTuple):
    """The log as it was signed last."""

    origin: str
    size: Annotated[int, Meta(ge=0)]
    root: Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
    note: str


class TransparencyLog:
    def __init__(self, database: Database, keyring: KeyRing, clock: Callable[[], datetime]) -> None:
        self._database, self._begun = database, False
        self.signers = Signers(database, keyring, clock)

    def head(self) -> Head:
        """Made on first use: a log of nothing, and its key."""
        with self._database.reading() as connection:
            found = find_head(connection)
        return found or self._create()

    def size(self) -> int:
        """How many events it holds, whatever else its head says; 0 before its first use."""
        with self._database.reading() as connection:
            return connection.scalar(select(log_head.c.size)) or 0

    def extend(self, limit: int = BATCH) -> int:
        """Put up to `limit` events of the feed into the log; how many those were.

        0 means that there was nothing to do, or that another process did it. Raises
        `BrokenLog`.
        """
        if not self._begun:
            self._begun = bool(self.head())
        with self._database.snapshot() as connection:
            head, keys = find_head(connection), self.signers.active()
            if head is None:
                raise BrokenLog("the log has lost its head")
            last = connection.scalar(select(func.max(feed.c.position))) or 0
            if last < head.size:
                raise BrokenLog(f"the feed ends at {last}, and the log holds {head.size} events")
            if last == head.size and signed_by(head.note) == {key.id for key in keys}:
                return 0
            before = load_tiles(connection, _edge(head.size))
            until = min(last, head.size + limit)
            hashes = reading.leaf_hashes(connection, head.size, until)
        edge = self._checked(head, before)
        full = [tile for hash in hashes for tile in edge.append(hash)]
        if edge.size < until:
            raise BrokenLog(f"the feed has no event at {edge.size + 1}")
        tiles = dict([*full, *edge.partial()])
        changed = {place: each for place, each in tiles.items() if before.get(place) != each}
        return self._advance(head, edge, changed, keys)

    @staticmethod
    def _checked(head: Head, tiles: dict[Place, bytes]) -> Edge:
        try:
            edge = Edge(head.size, tiles)
        except LookupError as missing:
            raise BrokenLog(f"the tile {missing} of the log is missing") from None
        if edge.root() != head.root:
            raise BrokenLog(f"the tiles of the log do not give its root at {head.size}")
        return edge

    def _advance(self, head: Head, edge: Edge, tiles: dict[Place, bytes], keys: list[Key]) -> int:
        try:
            root = edge.root()
            note = self.signers.sign(checkpoint_text(head.origin, edge.size, root), keys)
            moved = dict(before=head.size, size=edge.size, root=root, note=note.encode())
            rows = [(*place, hashes) for place, hashes in tiles.items()]
            with self._database.transaction() as connection:
                if not connection.execute(_move, moved).rowcount:
                    return 0
                if rows:
                    self._database.write_last(_tiles_statement(self._database), rows)
        except CommitLost:
            return 0
        except DBAPIError as error:
            if is_lost_race(error):
                return 0
            raise
        return edge.size - head.size

    def _create(self) -> Head:
        origin = f"mechanic-shop/{uuid4().hex}"
        with self._database.transaction() as connection:
            row = dict(id=HEAD, origin=origin, size=0, root=EMPTY_ROOT, note=b"")
            if connection.execute(_add_head, row).rowcount:
                key = self.signers.add(origin)
                note = self.signers.sign(checkpoint_text(origin, 0, EMPTY_ROOT), [key])
                moved = dict(before=0, size=0, root=EMPTY_ROOT, note=note.encode())
                connection.execute(_move, moved)
            found = find_head(connection)
        assert found is not None, "whoever was faster has committed"
        return found

    def hashes(self, spans: Iterable[Span]) -> Hashes:
        """The hashes of parts of the tree. Raises `LookupError` beyond its end."""
        with self._database.reading() as connection:
            return Hashes(spans, lambda places: load_tiles(connection, places))

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile, as far as there are any."""
        with self._database.reading() as connection:
            return load_tiles(connection, {(level, number)}).get((level, number), b"")

    def entry(self, position: int) -> Event | None:
        """The event at a position of the feed, as it is stored."""
        return next(iter(self.entries(position - 1, position)), None)

    def entries(self, after: int, until: int) -> list[Event]:
        """Events from behind one position up to another, as they are stored."""
        with self._database.reading() as connection:
            found = reading.entries(connection, after, until)
            return [entry for entry in found if isinstance(entry, Event)]


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n"


def signed_by(note: str) -> set[bytes]:
    """The ids of the keys whose signatures a note of ours carries."""
    lines = note.rpartition("\n\n")[2].splitlines()
    return {b64decode(line.rpartition(" ")[2])[:4] for line in lines}


def find_head(connection: Connection) -> Head | None:
    """Raises `BrokenLog` where the row is none."""
    row = connection.execute(_head).one_or_none()
    if row is None:
        return None
    try:
        return convert((row.origin, row.size, row.root, row.note.decode()), Head)
    except (AttributeError, ValueError):
        raise BrokenLog("the head of the log holds what none can") from None


def load_tiles(connection: Connection, places: Iterable[Place]) -> dict[Place, bytes]:
    """Those of the tiles that exist."""
    by_level: dict[int, list[int]] = {}
    for level, number in places:
        by_level.setdefault(level, []).append(number)
    found = {}
    for level, numbers in by_level.items():
        rows = connection.execute(_tiles, dict(level=level, numbers=numbers))
        found.update({(level, number): hashes for number, hashes in rows if type(hashes) is bytes})
    return found


def _edge(size: int) -> list[Place]:
    return [(level, number) for level, number, width in edge_tiles(size) if width]


def _tiles_statement(database: Database) -> str:
    marks = ", ".join([database.mark] * 3)
    return f"REPLACE INTO log_tiles (level, number, hashes) VALUES ({marks})"  # noqa: S608


_head = select(log_head).where(log_head.c.id == HEAD)
_add_head = insert_if_absent(log_head)
_move = (
    update(log_head)
    .where(log_head.c.id == HEAD, log_head.c.size == bindparam("before"))
    .values(size=bindparam("size"), root=bindparam("root"), note=bindparam("note"))
)
_tiles = select(log_tiles.c.number, log_tiles.c.hashes).where(
    log_tiles.c.level == bindparam("level"),
    log_tiles.c.number.in_(bindparam("numbers", expanding=True)),
)
