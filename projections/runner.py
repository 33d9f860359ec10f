"""Brings the views up to date with the feed: load, fold, difference, write, checkpoint.

Rows and checkpoint move in one transaction, so an event takes effect exactly once,
whatever crashes. The cache is told after the commit, and may miss it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from domain.kernel import BrokenHistory, Recorded
from projections.cache import Cache, Entry, nothing
from projections.difference import Difference, Keyed, keyed
from projections.kernel import Connections, Feed, FeedEntry, Fold, OtherFolds, Row, decoded
from projections.sql import parameter_mark
from projections.tables import generations, tables
from projections.views import FOLDS, TABLE_OF, fingerprint

BATCH_MAX = 1000
REBUILD_BATCH = 5000
"""A stream's rows are written once for a batch: the more events in it, the cheaper is each. On
SQLite writers wait for the length of a batch."""

log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Unshowable(Exception):
    """Rows of the batch from `position` on cannot be made, or the database refuses them."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class Stream:
    """One stream in a batch: its state, what it showed before and what it shows after."""

    def __init__(self, fold: Fold[Any], version: int, state: Any) -> None:
        self.fold, self.version, self.state = fold, version, state
        self.before: Keyed = keyed(fold.rows(state)) if state is not None else {}
        self.after: list[Row] = []
        self.parked: str | None = None
        self.withdrawn = False
        self.broken: Exception | None = None
        """Why what was stored of it cannot be gone on from."""

    def withdraw(self) -> None:
        """Show nothing of it any more: its person was erased, and it cannot be folded so far."""
        self.state, self.version, self.withdrawn = None, 0, True


class Runner:
    """Folds the feed into one generation of the views. A second one beside it waits its turn."""

    def __init__(
        self,
        connections: Connections,
        feed: Feed[Any],
        cache: Cache,
        clock: Callable[[], datetime],
    ) -> None:
        self._connections, self._feed, self._cache = connections, feed, cache
        self._clock = clock

    def step(self, generation: int, limit: int = BATCH_MAX) -> int:
        """Fold one batch; return how many events it held, fewer than `limit` at the end.

        What cannot be shown at all is sought by halves, so that it parks one stream and holds
        up no other. Raises `OtherFolds`.
        """
        try:
            return self._step(generation, limit)
        except Unshowable as fault:
            if limit == 1:
                return self._step(generation, 1, fault)
            half = limit // 2
            return self.step(generation, half) + self.step(generation, limit - half)

    def _step(self, generation: int, limit: int, fault: Unshowable | None = None) -> int:
        batch: Sequence[FeedEntry] = ()
        streams: dict[UUID, Stream] = {}
        try:
            with self._connections.transaction() as connection:
                row = connection.execute(_lock(generation)).one_or_none()
                if row is None:
                    return 0
                if row.folds != fingerprint():
                    raise OtherFolds(generation)
                before, batch = row.position, self._feed.read(row.position, limit)
                if batch:
                    with _unshowable(batch[0].position):
                        streams, difference = self._fold(connection, generation, batch, fault)
                        difference.write(connection, generation, self._connections.write_last)
                    position = (batch[-1].position, generation)
                    self._connections.write_last(_advance(connection), position)
        except (DataError, IntegrityError) as error:
            if not batch:
                raise
            raise Unshowable(str(error.orig), batch[0].position) from error
        if row.live:
            # Also when nothing was new: a batch that another worker never published shows.
            after = batch[-1].position if batch else before
            touched = {id: s for id, s in streams.items() if s.state is not None or s.withdrawn}
            entries = {body_key(s.fold.kind, id): _entry(s, after) for id, s in touched.items()}
            kinds = {stream.fold.kind for stream in touched.values()}
            self._cache.publish(generation, entries, before=before, after=after, kinds=kinds)
        return len(batch)

    def _fold(
        self,
        connection: Connection,
        generation: int,
        batch: Sequence[FeedEntry],
        fault: Unshowable | None,
    ) -> tuple[dict[UUID, Stream], Difference]:
        shown = [entry for entry in batch if _kind(entry) in FOLDS]
        streams = self._load(connection, generation, {e.originator_id: _kind(e) for e in shown})
        difference, parked = Difference(), []
        facts = decoded(self._feed, shown)
        # Unless another runner has been there since.
        if fault is not None and fault.position == batch[0].position:
            facts = [fault] * len(shown)
        for entry, recorded in zip(shown, facts, strict=True):
            stream = streams[entry.originator_id]
            if entry.originator_version <= stream.version:
                continue
            if stream.parked is None:
                try:
                    self._apply(stream, recorded, difference)
                except Exception as error:
                    log.exception("parked %s at position %d", entry.originator_id, entry.position)
                    stream.parked = f"{type(error).__name__}: {error}"
                    parked.append(self._dead_letter(entry, stream.parked))
            if stream.parked is not None and entry.topic == stream.fold.erasure:
                stream.withdraw()
        live = {id: s for id, s in streams.items() if s.state is not None}
        for stream in live.values():
            stream.after = list(stream.fold.rows(stream.state))
            difference.add(stream.before, keyed(stream.after))
        for id, stream in streams.items():
            if stream.withdrawn and stream.before:
                difference.add(stream.before, {})
                difference.deletes["streams"].append((id,))
        difference.upserts["streams"] = [
            dict(id=id, kind=s.fold.kind, version=s.version, state=_encode(s.state))
            for id, s in live.items()
        ]
        difference.upserts["dead_letters"] = parked
        for name in ("streams", "dead_letters"):
            if not difference.upserts[name]:
                del difference.upserts[name]
        return streams, difference

    @staticmethod
    def _apply(stream: Stream, recorded: Recorded[Any] | Exception, difference: Difference) -> None:
        if stream.broken is not None:
            raise stream.broken
        if isinstance(recorded, Exception):
            raise recorded
        if recorded.originator_version != stream.version + 1:
            raise BrokenHistory(
                f"version {recorded.originator_version} follows version {stream.version}"
            )
        state = stream.fold.evolve(stream.state, recorded)
        difference.append(stream.fold.entries(state, recorded))
        stream.state, stream.version = state, recorded.originator_version

    @staticmethod
    def _load(
        connection: Connection, generation: int, kinds: dict[UUID, str]
    ) -> dict[UUID, Stream]:
        stored, parked = dict[bytes, tuple[int, bytes]](), dict[bytes, str]()
        for id, version, state, why in _stored(connection, generation, [id.bytes for id in kinds]):
            if state is None:
                parked[id] = why
            else:
                stored[id] = version, state
        streams = dict[UUID, Stream]()
        for id, kind in kinds.items():
            fold, (version, state) = FOLDS[kind], stored.get(id.bytes, _NOTHING)
            try:
                stream = Stream(fold, version, state and fold.decode(state))
            except Exception as error:
                stream = Stream(fold, version, None)
                stream.broken, stream.before = error, {(TABLE_OF[kind], (id,)): {}}
            stream.parked = parked.get(id.bytes)
            streams[id] = stream
        return streams

    def _dead_letter(self, entry: FeedEntry, error: str) -> dict[str, Any]:
        return dict(
            stream_id=entry.originator_id,
            position=entry.position,
            version=entry.originator_version,
            topic=entry.topic,
            error=error[:4000],
            parked_at=self._clock(),
        )


@contextmanager
def _unshowable(position: int) -> Iterator[None]:
    """Tells rows that cannot be made from a database that fails or refuses them."""
    try:
        yield
    except DBAPIError:
        raise
    except Exception as error:
        raise Unshowable(f"{type(error).__name__}: {error}", position) from error


def body_key(kind: str, id: UUID) -> str:
    return f"{kind}:{id.hex}"


def _kind(entry: FeedEntry) -> str:
    return _kind_of(entry.topic)


@cache
def _kind_of(topic: str) -> str:
    return topic.partition(".")[0]


_NOTHING = (0, None)
# A stream may be parked before it has a state.
_STORED = """\
SELECT id, version, state, NULL FROM {streams} WHERE id IN ({marks})
UNION ALL
SELECT stream_id, NULL, NULL, error FROM {dead_letters} WHERE stream_id IN ({marks})"""


def _stored(connection: Connection, generation: int, ids: list[bytes]) -> Iterable[Any]:
    """What is kept of these streams, and why some are parked. Given to the driver as it is:
    SQLAlchemy's way with hundreds of parameters costs more than the statement."""
    if not ids:
        return ()
    names = {name: table.name for name, table in tables(generation).items()}
    marks = ", ".join([parameter_mark(connection.dialect)] * len(ids))
    return connection.exec_driver_sql(_STORED.format(**names, marks=marks), (*ids, *ids))


def _entry(stream: Stream, position: int) -> Entry:
    if stream.withdrawn:
        return nothing(position)
    name, row = stream.after[0]
    assert name == TABLE_OF[stream.fold.kind], "a fold's first row is the resource itself"
    return Entry(position, stream.version, row["owner_id"], row["body"])


def _lock(generation: int) -> Any:
    """The lock keeps a second runner from folding the same batch."""
    return (
        select(generations.c.position, generations.c.live, generations.c.folds)
        .where(generations.c.generation == generation)
        .with_for_update()
    )


def _advance(connection: Connection) -> str:
    mark = parameter_mark(connection.dialect)
    return f"UPDATE {generations.name} SET position = {mark} WHERE generation = {mark}"  # noqa: S608
