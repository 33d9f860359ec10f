"""What may be lost at any time: bodies kept ready, and how their freshness is judged.

An entry remembers the feed position it reflects. Beside the entries of a generation lies one
mark: the checkpoint last published, the floor below which entries are not to be trusted (a
worker died between its commit and its cache write), and where each kind of stream last
changed. Reading a key and the mark is one round trip.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Protocol
from uuid import UUID

import msgspec


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A body ready to serve, as of `position`.

    Where it is no single resource: `version` is 0, `tag` tells it from other bodies, and
    `link` is where it goes on.
    """

    position: int
    version: int
    owner_id: UUID | None
    body: bytes
    tag: str = ""
    link: str | None = None


def nothing(position: int) -> Entry:
    """Takes a body's place for good: less than any version that a reader could want."""
    return Entry(position, -1, None, b"")


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """How far the published cache reaches. `changed`: last position that touched each kind."""

    position: int
    floor: int
    changed: dict[str, int]

    def holds(self, entry: Entry, kinds: tuple[str, ...]) -> bool:
        """Whether an entry made from those kinds of streams is as fresh as this mark."""
        since = max((self.changed.get(kind, 0) for kind in kinds), default=0)
        return entry.position >= max(self.floor, since)


Looked = tuple[Entry | None, Mark | None]


class Cache(Protocol):
    def look(self, generation: int, key: str) -> Looked:
        """The entry and the mark, in one round trip; nothing when the cache is away."""

    def fill(self, generation: int, key: str, entry: Entry, kinds: tuple[str, ...]) -> None:
        """Keep what a reader made, unless it is older than what is there or than the last
        change published to the kinds it was made from."""

    def publish(
        self,
        generation: int,
        entries: Mapping[str, Entry],
        *,
        before: int,
        after: int,
        kinds: set[str],
    ) -> None:
        """A batch was committed: keep its bodies, then move the mark.

        If the mark does not stand at `before`, a batch was never published: the floor rises
        to `after`, so that nothing older is served. An empty batch (`before` = `after`) says
        where the views stand, and so finds that out when nothing else happens.
        """

    def distrust(self, generation: int, position: int) -> None:
        """Rows are about to change without a new position: nothing kept so far is shown
        again, and nothing read at `position` or before is kept."""


def moved(mark: Mark | None, *, before: int, after: int, kinds: set[str]) -> Mark:
    """The mark after a batch."""
    if mark is not None and mark.position >= after:
        return mark
    whole = mark is not None and mark.position == before
    changed = {**(mark.changed if mark else {}), **dict.fromkeys(kinds, after)}
    floor = mark.floor if mark is not None and whole else after
    return Mark(after, floor, changed)


class LocalCache:
    """The cache of a shop that runs in one process. Oldest entries go first."""

    ENTRIES_MAX = 50_000

    def __init__(self) -> None:
        self._entries: dict[tuple[int, str], Entry] = {}
        self._marks: dict[int, Mark] = {}
        self._pages: dict[tuple[int, str], frozenset[str]] = {}
        self._lock = Lock()

    def look(self, generation: int, key: str) -> Looked:
        # Under the lock: entry and mark must be of one moment.
        with self._lock:
            return self._entries.get((generation, key)), self._marks.get(generation)

    def fill(self, generation: int, key: str, entry: Entry, kinds: tuple[str, ...]) -> None:
        with self._lock:
            mark = self._marks.get(generation)
            superseded = any(generation < live for live in self._marks)
            if not superseded and (mark is None or mark.holds(entry, kinds)):
                self._keep((generation, key), entry)
                if not entry.version:
                    self._pages[generation, key] = frozenset(kinds)

    def publish(
        self,
        generation: int,
        entries: Mapping[str, Entry],
        *,
        before: int,
        after: int,
        kinds: set[str],
    ) -> None:
        with self._lock:
            mark = self._marks.get(generation)
            if mark is None:
                # Nobody changes the bodies of an earlier generation any more, not even when
                # a person is erased.
                self._entries.clear()
                self._marks.clear()
                self._pages.clear()
            # What is made of those kinds is served no more, and may show who was erased.
            for page in [page for page, made_of in self._pages.items() if made_of & kinds]:
                self._entries.pop(page, None)
                del self._pages[page]
            for key, entry in entries.items():
                self._keep((generation, key), entry)
            self._marks[generation] = moved(mark, before=before, after=after, kinds=kinds)

    def distrust(self, generation: int, position: int) -> None:
        with self._lock:
            mark = self._marks.get(generation, Mark(position, 0, {}))
            floor = max(mark.floor, position + 1)
            self._marks[generation] = Mark(mark.position, floor, mark.changed)

    def _keep(self, key: tuple[int, str], entry: Entry) -> None:
        known = self._entries.get(key)
        if known is None or known.position <= entry.position:
            self._entries[key] = entry
        while len(self._entries) > self.ENTRIES_MAX:
            del self._entries[next(iter(self._entries))]
