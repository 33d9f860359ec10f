"""Streams that are parked: which they are, why, and trying them once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, delete, func, select
from sqlalchemy.exc import DataError, IntegrityError

from domain.kernel import BrokenHistory
from projections import kernel
from projections.cache import Cache, Entry, nothing
from projections.difference import Difference, Keyed, keyed
from projections.kernel import Connections, OtherFolds, StreamEntry, Streams, decoded
from projections.runner import body_key
from projections.tables import generations, tables
from projections.views import FOLDS, TABLE_OF, fingerprint

PAGE = 500
ERROR_MAX = 4000


class DeadLetter(msgspec.Struct, frozen=True):
    """A stream that is parked before `version`, whose event cannot be shown. `waiting`: how
    many of its events are not shown, that one included."""

    stream_id: UUID
    topic: str
    version: int
    position: int
    error: str
    parked_at: datetime
    waiting: int


class DeadLetters:
    """The dead letters of one generation; a runner that works at the same time waits its turn."""

    def __init__(
        self,
        connections: Connections,
        streams: Streams[Any],
        cache: Cache,
        clock: Callable[[], datetime],
    ) -> None:
        self._connections, self._streams, self._cache = connections, streams, cache
        self._clock = clock

    def count(self, generation: int) -> int:
        with self._connections.reading() as connection:
            table = tables(generation)["dead_letters"]
            return connection.scalar(select(func.count()).select_from(table)) or 0

    def all(self, generation: int) -> list[DeadLetter]:
        """In the order of their positions."""
        letters = tables(generation)["dead_letters"]
        with self._connections.reading() as connection:
            position = connection.scalar(_checkpoint(generation)) or 0
            rows = connection.execute(select(letters).order_by(letters.c.position)).all()
            return [self._letter(row, position) for row in rows]

    def _letter(self, row: Row[Any], position: int) -> DeadLetter:
        waiting = self._streams.count(row.stream_id, first=row.version, position=position)
        return DeadLetter(**row._mapping, waiting=waiting)

    def retry(self, generation: int, stream_id: UUID) -> str | None:
        """Fold what waits in that stream. Why it is parked still; `None` once it is healed.

        What can be shown by now is shown, also if a later event cannot. Raises `LookupError`
        if the stream is not parked, `OtherFolds` if these folds did not build the views.
        """
        try:
            with self._connections.transaction() as connection:
                return self._retry(connection, generation, stream_id)
        except (DataError, IntegrityError) as error:
            return f"the database refuses its rows: {error.orig}"

    def _retry(self, connection: Connection, generation: int, stream_id: UUID) -> str | None:
        known = tables(generation)
        # The lock keeps runners out: the stream's events up to the checkpoint are ours.
        row = connection.execute(_checkpoint(generation).with_for_update()).one_or_none()
        position, live, folds = row or (0, False, fingerprint())
        if folds != fingerprint():
            raise OtherFolds(generation)
        of = known["dead_letters"].c.stream_id == stream_id
        letter = connection.execute(select(known["dead_letters"]).where(of)).one_or_none()
        if letter is None:
            raise LookupError(f"{stream_id} is not parked")
        streams = known["streams"]
        stored = connection.execute(select(streams).where(streams.c.id == stream_id))
        attempt = _Attempt(letter, stored.one_or_none())
        for entry in self._waiting(stream_id, attempt.version, position):
            attempt.take(entry, decoded(self._streams, [entry])[0])
        attempt.difference(self._clock()).write(connection, generation)
        if attempt.failed is None:
            connection.execute(delete(known["dead_letters"]).where(of))
        if live:
            # Rows change and the position does not. Before the commit, because a crash after
            # it would leave the old bodies trusted.
            self._cache.distrust(generation, position)
            kind = attempt.fold.kind
            entries = {body_key(kind, stream_id): attempt.entry(position)}
            self._cache.publish(generation, entries, before=position, after=position, kinds={kind})
        return attempt.failed and attempt.failed[1]

    def _waiting(self, id: UUID, version: int, position: int) -> Iterator[StreamEntry]:
        while page := self._streams.read((id, version), PAGE, until=id):
            for entry in page:
                if entry.position is None or entry.position > position:
                    return
                yield entry
            version = page[-1].originator_version


class _Attempt:
    """A stream folded on from where it was parked, as far as that goes."""

    def __init__(self, letter: Row[Any], stored: Row[Any] | None) -> None:
        kind = letter.topic.partition(".")[0]
        self.fold, self._letter = FOLDS[kind], letter
        self.version, self._state = 0, None
        self._before: Keyed = {}
        self.failed: tuple[StreamEntry, str] | None = None
        self._lines, self._rows, self._withdrawn = Difference(), list[kernel.Row](), False
        if stored is not None:
            try:
                self._state = self.fold.decode(stored.state)
                self._rows = list(self.fold.rows(self._state))
                self._before, self.version = keyed(self._rows), stored.version
            except Exception:
                # From the first event, over the resource as it is there.
                self._state = None
                self._before = {(TABLE_OF[kind], (letter.stream_id,)): {}}

    def take(self, entry: StreamEntry, recorded: Any) -> None:
        if self.failed is None:
            try:
                if isinstance(recorded, Exception):
                    raise recorded
                if recorded.originator_version != self.version + 1:
                    raise BrokenHistory(
                        f"version {recorded.originator_version} follows version {self.version}"
                    )
                state = self.fold.evolve(self._state, recorded)
                # After each event, so that the one to blame is known.
                rows = list(self.fold.rows(state))
                self._lines.append(self.fold.entries(state, recorded))
                self._state, self._rows, self.version = state, rows, recorded.originator_version
            except Exception as error:
                self.failed = entry, f"{type(error).__name__}: {error}"[:ERROR_MAX]
        if self.failed is not None and entry.topic == self.fold.erasure:
            self._withdrawn, self._state, self._rows = True, None, []

    def difference(self, now: datetime) -> Difference:
        difference, id = self._lines, self._letter.stream_id
        difference.add(self._before, keyed(self._rows))
        if self._state is not None:
            state = msgspec.json.encode(self._state)
            stored = dict(id=id, kind=self.fold.kind, version=self.version, state=state)
            difference.upserts["streams"].append(stored)
        elif self._withdrawn:
            difference.deletes["streams"].append((id,))
        if self.failed is not None:
            entry, error = self.failed
            place = dict(position=entry.position, version=entry.originator_version)
            letter = dict(stream_id=id, topic=entry.topic, error=error, parked_at=now, **place)
            difference.upserts["dead_letters"].append(letter)
        return difference

    def entry(self, position: int) -> Entry:
        if not self._rows:
            return nothing(position)
        _, row = self._rows[0]
        return Entry(position, self.version, row["owner_id"], row["body"])


def _checkpoint(generation: int) -> Any:
    columns = (generations.c.position, generations.c.live, generations.c.folds)
    return select(*columns).where(generations.c.generation == generation)
