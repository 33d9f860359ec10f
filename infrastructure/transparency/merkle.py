"""The tree of the log: growing it, and finding what a proof consists of (RFC 9162, section 2.1).

A node (level, index) is the root of the complete subtree over the leaves from
`index << level` to `(index + 1) << level`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

from infrastructure.transparency.verifier import EMPTY_ROOT, node_hash

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
HASH_BYTES = 32

Node = tuple[int, int]
Place = tuple[int, int]
"""Of a tile: its level (of tiles) and its number in it."""


class Edge:
    """The right edge of a tree, which is all that growing needs.

    Begins empty, or at `size` with the partial tiles at the edge, by their places.
    """

    def __init__(self, size: int = 0, partial: Mapping[Place, bytes] | None = None) -> None:
        self.size = size
        self._levels: list[list[bytes]] = []
        for level, number, width in edge_tiles(size):
            hashes = (partial or {})[level, number] if width else b""
            self._levels.append(split(hashes)[:width])

    def append(self, hash: bytes) -> Iterator[tuple[Place, bytes]]:
        """Add a leaf by its hash; gives the tiles that are full now."""
        self.size += 1
        level = 0
        while True:
            if level == len(self._levels):
                self._levels.append([])
            hashes = self._levels[level]
            hashes.append(hash)
            if len(hashes) < TILE_WIDTH:
                return
            number = (self.size - 1) >> TILE_HEIGHT * (level + 1)
            yield (level, number), b"".join(hashes)
            hash, self._levels[level] = _peaks(hashes)[0], []
            level += 1

    def partial(self) -> Iterator[tuple[Place, bytes]]:
        """The tiles at the edge that are not full."""
        for level, hashes in enumerate(self._levels):
            if hashes:
                yield (level, self.size >> TILE_HEIGHT * (level + 1)), b"".join(hashes)

    def root(self) -> bytes:
        root = None
        for hashes in self._levels:
            for peak in reversed(_peaks(hashes)):
                root = peak if root is None else node_hash(peak, root)
        return EMPTY_ROOT if root is None else root


def edge_tiles(size: int) -> Iterator[tuple[int, int, int]]:
    """Level, number and width of the partial tiles of a tree; width 0 where there is none."""
    level = 0
    while size >> TILE_HEIGHT * level:
        number = size >> TILE_HEIGHT * (level + 1)
        yield level, number, (size >> TILE_HEIGHT * level) % TILE_WIDTH
        level += 1


def split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _peaks(hashes: Sequence[bytes]) -> list[bytes]:
    """The roots of the complete subtrees these hashes make, the largest first."""
    peaks, row = list[bytes](), list(hashes)
    while row:
        if len(row) % 2:
            peaks.append(row.pop())
        # `node_hash`, without a call of ours for each of them.
        row = [sha256(b"\x01" + a + b).digest() for a, b in zip(row[::2], row[1::2], strict=True)]
    return peaks[::-1]


Span = tuple[int, int]
"""Leaves from the first up to but not including the second."""


def inclusion(indexes: Iterable[int], size: int) -> list[Span]:
    """What is beside the ways of leaves to the root and does not follow from them: the lowest
    level first, each from the left. Of one leaf it is the path of RFC 9162."""
    beside, nodes, level, last = list[Span](), sorted(set(indexes)), 0, size - 1
    while last:
        known = set(nodes)
        for node in nodes:
            if (other := node ^ 1) <= last and other not in known:
                beside.append((other << level, min(other + 1 << level, size)))
        nodes = list(dict.fromkeys(node >> 1 for node in nodes))
        level, last = level + 1, last >> 1
    return beside


def consistency(old: int, size: int) -> list[Span]:
    """What proves that the tree of `old` leaves is the beginning of that of `size`."""
    if old == 0:
        return []
    beside, low, high = list[Span](), 0, size
    while old != high:
        middle = low + _half(high - low)
        if old <= middle:
            beside.append((middle, high))
            high = middle
        else:
            beside.append((low, middle))
            low = middle
    # The old root itself is what the verifier has.
    return ([(low, high)] if low else []) + beside[::-1]


def _half(count: int) -> int:
    """The largest power of two below it."""
    return 1 << (count - 1).bit_length() - 1


def nodes(span: Span) -> Iterator[Node]:
    """The complete subtrees that a span consists of, from the left."""
    low, high = span
    while low < high:
        level = (high - low).bit_length() - 1
        if low:
            level = min(level, (low & -low).bit_length() - 1)
        yield level, low >> level
        low += 1 << level


def tile_of(node: Node) -> Place:
    """The tile from whose hashes the node follows."""
    level, index = node
    return level // TILE_HEIGHT, index << level % TILE_HEIGHT >> TILE_HEIGHT


class Hashes:
    """The hashes of spans, from tiles that `load` fetches all at once."""

    def __init__(self, spans: Iterable[Span], load: Callable[[set[Place]], dict[Place, bytes]]):
        places = {tile_of(node) for span in set(spans) for node in nodes(span)}
        self._rows = {place: [split(hashes)] for place, hashes in load(places).items()}

    def of(self, span: Span) -> bytes:
        """Raises `LookupError` where a tile is missing or too short."""
        root = None
        for node in reversed([*nodes(span)]):
            peak = self._node(*node)
            root = peak if root is None else node_hash(peak, root)
        return EMPTY_ROOT if root is None else root

    def _node(self, level: int, index: int) -> bytes:
        """Whoever asks for one node of a row of a tile asks for most of them."""
        rows, height = self._rows[tile_of((level, index))], level % TILE_HEIGHT
        while len(rows) <= height:
            row = rows[-1]
            rows.append([node_hash(*pair) for pair in zip(row[::2], row[1::2], strict=False)])
        hash = rows[height][index % (TILE_WIDTH >> height)]
        if len(hash) != HASH_BYTES:
            raise LookupError(f"a tile of level {level // TILE_HEIGHT} is too short")
        return hash
