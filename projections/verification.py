"""Are the views what the events say? Each stream is folded anew and compared row by row.

Nothing of the runner is used: no batch, no difference, no stored state. A few hundred events
and the rows they make are held at a time, whatever the size of the shop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Table, and_, func, or_, select

from domain.kernel import Recorded
from projections.difference import Keyed, keyed
from projections.kernel import Connections, StreamEntry, Streams, decoded
from projections.tables import generations, tables
from projections.views import FOLDS, TOTALS, Total

PAGE = 500
VERSION_MAX = 2**31 - 1
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
STREAM_COLUMNS = {"assignments": "ticket_id"}
"""Which stream a row belongs to, where its primary key does not begin with it."""

Place = tuple[UUID, int]


class Verification:
    """Of one generation, inside one snapshot of the database: writers go on meanwhile."""

    def __init__(
        self, connections: Connections, streams: Streams[Any], generation: int, *, page: int = PAGE
    ) -> None:
        self._connections, self._streams, self._page = connections, streams, page
        self._tables = tables(generation)
        query = select(generations.c.position).where(generations.c.generation == generation)
        with connections.reading() as connection:
            self.position = int(connection.scalar(query) or 0)
        self.events = self.streams = 0
        self.parked = set[UUID]()
        self._passed_over = set[UUID]()

    def everything(self) -> Iterator[str]:
        """A sentence for each row that is not what the events up to the checkpoint say."""
        yield from self._between(FIRST, LAST)
        yield from self._totals()

    def some(self, ids: Iterable[UUID]) -> Iterator[str]:
        """The same for these streams, and for the totals."""
        for id in ids:
            yield from self._between(UUID(int=id.int - 1), id)
        yield from self._totals()

    def _between(self, low: UUID, high: UUID) -> Iterator[str]:
        """The streams above `low`, up to and including `high`."""
        read, compared = (low, VERSION_MAX), low
        replay: _Replay | None = None
        while page := self._streams.read(read, self._page, until=high):
            letters = self._letters({entry.originator_id for entry in page})
            expected, lines, finished = Keyed(), Keyed(), compared
            for entry, recorded in zip(page, decoded(self._streams, page), strict=True):
                if replay is None or replay.id != entry.originator_id:
                    if replay is not None:
                        yield from self._finish(replay, expected)
                        finished = replay.id
                    replay = _Replay(entry, letters.get(entry.originator_id))
                self.events += replay.take(entry, recorded, self.position, lines)
            last = (page[-1].originator_id, page[-1].originator_version)
            yield from self._differences(expected, self._rows(compared, finished))
            yield from self._differences(lines, self._lines(read, last))
            read, compared = last, finished
        expected = Keyed()
        if replay is not None:
            yield from self._finish(replay, expected)
        yield from self._differences(expected, self._rows(compared, high))
        yield from self._differences({}, self._lines(read, (high, VERSION_MAX)))

    def _finish(self, replay: _Replay, expected: Keyed) -> Iterator[str]:
        self.streams += 1
        if replay.letter is not None:
            self.parked.add(replay.id)
        if replay.erasure_under_way:
            # Its key is gone already and its rows are not: they will be in a moment.
            self._passed_over.add(replay.id)
            return
        try:
            expected.update(replay.shows())
        except Exception as error:
            self._passed_over.add(replay.id)
            yield f"{replay.id} is not parked, and cannot be folded: {error}"

    def _letters(self, ids: set[UUID]) -> dict[UUID, Mapping[str, Any]]:
        table = self._tables["dead_letters"]
        with self._connections.reading() as connection:
            rows = connection.execute(select(table).where(table.c.stream_id.in_(ids)))
            return {row["stream_id"]: dict(row) for row in rows.mappings()}

    def _rows(self, low: UUID, high: UUID) -> Iterator[tuple[Table, Any]]:
        """The rows of the streams between, table by table; not the lines of ledgers."""
        summed = {total.table for total in TOTALS}
        for name, table in self._tables.items():
            if name not in summed and not _is_ledger(table) and low < high:
                column = _stream_column(table)
                yield table, and_(column > low, column <= high)

    def _lines(self, after: Place, last: Place) -> Iterator[tuple[Table, Any]]:
        for table in filter(_is_ledger, self._tables.values()):
            id, version = _stream_column(table), table.c.version
            begun = and_(id == after[0], version > after[1])
            if after[0] == last[0]:
                yield table, and_(begun, version <= last[1])
            else:
                between = and_(id > after[0], id < last[0])
                yield table, or_(begun, between, and_(id == last[0], version <= last[1]))

    def _differences(self, expected: Keyed, shown: Iterator[tuple[Table, Any]]) -> Iterator[str]:
        for table, condition in shown:
            name = table.info["name"]
            with self._connections.reading() as connection:
                rows = connection.execute(select(table).where(condition)).mappings().all()
            of_stream = _stream_column(table).name
            actual = keyed((name, dict(r)) for r in rows if r[of_stream] not in self._passed_over)
            due = {
                place: row
                for place, row in expected.items()
                if place[0] == name and row[of_stream] not in self._passed_over
            }
            yield from differences(due, actual)

    def _totals(self) -> Iterator[str]:
        for total in TOTALS:
            with self._connections.reading() as connection:
                rows = connection.execute(_sums(self._tables[total.of], total)).mappings()
                due = keyed(
                    (total.table, dict(row) | {name: int(row[name]) for name in total.sums})
                    for row in rows
                    if any(row[name] for name in total.sums)
                )
                kept = connection.execute(select(self._tables[total.table])).mappings()
                yield from differences(due, keyed((total.table, dict(row)) for row in kept))


class _Replay:
    """One stream, folded from its first event up to the checkpoint or to where it is parked."""

    def __init__(self, first: StreamEntry, letter: Mapping[str, Any] | None) -> None:
        self.id, self.letter = first.originator_id, letter
        self.erasure_under_way = False
        self._kind = first.topic.partition(".")[0]
        self._fold = FOLDS.get(self._kind)
        self._state, self._version, self._withdrawn = None, 0, False
        self._fault: Exception | None = None
        self._parked_at: StreamEntry | None = None

    def take(
        self,
        entry: StreamEntry,
        recorded: Recorded[Any] | Exception,
        position: int,
        lines: Keyed,
    ) -> bool:
        """Whether the event is one the views should show."""
        fold, version = self._fold, entry.originator_version
        erases = fold is not None and entry.topic == fold.erasure
        if entry.position is None or entry.position > position:
            self.erasure_under_way |= erases
            return False
        if self.letter is not None and version >= self.letter["version"]:
            self._parked_at = self._parked_at or entry
            self._withdrawn |= erases
        elif fold is not None and self._fault is None:
            try:
                if isinstance(recorded, Exception):
                    raise recorded
                self._state = fold.evolve(self._state, recorded)
                self._version = version
                lines.update(keyed(fold.entries(self._state, recorded)))
            except Exception as error:
                self._fault = error
        return True

    def shows(self) -> Keyed:
        """Raises why that cannot be said."""
        if self._fault is not None:
            raise self._fault
        rows = []
        if self._state is not None and self._fold is not None and not self._withdrawn:
            rows += list(self._fold.rows(self._state))
            state = msgspec.json.encode(self._state)
            stored = dict(id=self.id, kind=self._kind, version=self._version, state=state)
            rows.append(("streams", stored))
        if self.letter is not None and (at := self._parked_at) is not None:
            place = dict(position=at.position, version=at.originator_version, topic=at.topic)
            rows.append(("dead_letters", {**self.letter, **place}))
        return keyed(rows)


def differences(due: Keyed, actual: Keyed) -> Iterator[str]:
    """A sentence for each row that is missing, other than it should be, or too much."""
    for (table, key), row in due.items():
        found = actual.get((table, key))
        if found is None:
            yield f"{table} {_named(key)} is missing"
        elif wrong := sorted(name for name in found if found[name] != row[name]):
            yield f"{table} {_named(key)}: {', '.join(wrong)} is not what the events say"
    for table, key in actual.keys() - due.keys():
        yield f"{table} {_named(key)} is there, and no event says so"


def _named(key: Sequence[Any]) -> str:
    return ", ".join(str(part) for part in key)


def _stream_column(table: Table) -> Any:
    name: str = table.info["name"]
    return table.c[STREAM_COLUMNS.get(name, next(iter(table.primary_key)).name)]


def _is_ledger(table: Table) -> bool:
    """Its rows are lines that one event each adds."""
    return [column.name for column in table.primary_key][1:] == ["version"]


def _sums(table: Table, total: Total) -> Any:
    by = [table.c[name] for name in total.by]
    sums = [func.sum(table.c[name]).label(name) for name in total.sums]
    return select(*by, *sums).group_by(*by)
