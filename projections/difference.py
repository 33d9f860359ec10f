"""What a batch of events changes in the read model, and how it is written: one statement
per table, whatever the number of events (the driver cuts those of more than a megabyte)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Table, delete, tuple_

from projections.kernel import Row
from projections.tables import tables
from projections.views import TOTALS

Key = tuple[Any, ...]
Keyed = dict[tuple[str, Key], dict[str, Any]]


@cache
def _key(table: str) -> Callable[[Mapping[str, Any]], Key]:
    """Takes the primary key out of a row of that table."""
    match [column.name for column in tables(0)[table].primary_key]:
        case [only]:
            return lambda row: (row[only],)
        case names:
            return itemgetter(*names)


def keyed(rows: Iterable[Row]) -> Keyed:
    """Rows by table and primary key."""
    return {(name, _key(name)(row)): row for name, row in rows}


class Difference:
    """Rows to write and to delete, and what that does to the totals."""

    def __init__(self) -> None:
        self.upserts: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.deletes: dict[str, list[Key]] = defaultdict(list)
        self._sums: dict[str, dict[Key, list[int]]] = defaultdict(dict)

    def add(self, before: Keyed, after: Keyed) -> None:
        """One stream's rows, before and after the batch."""
        for place, row in after.items():
            if (old := before.get(place)) != row:
                self.upserts[place[0]].append(row)
                self._count(place[0], old, -1)
                self._count(place[0], row, 1)
        for place, row in before.items():
            if place not in after:
                self.deletes[place[0]].append(place[1])
                self._count(place[0], row, -1)

    def append(self, rows: Iterable[Row]) -> None:
        """Ledger lines: new, and never changed again."""
        for name, row in rows:
            self.upserts[name].append(row)

    def _count(self, table: str, row: Mapping[str, Any] | None, sign: int) -> None:
        for total in TOTALS:
            if row is not None and total.of == table:
                group = tuple(row[column] for column in total.by)
                sums = self._sums[total.table].setdefault(group, [0] * len(total.sums))
                for n, column in enumerate(total.sums):
                    sums[n] += sign * row[column]

    def write(self, connection: Connection, generation: int) -> None:
        where = tables(generation)
        for name, keys in self.deletes.items():
            table = where[name]
            connection.execute(delete(table).where(tuple_(*table.primary_key).in_(keys)))
        for name, rows in self.upserts.items():
            upsert(connection, where[name], rows)
        for total in TOTALS:
            deltas = [
                dict(zip(total.by, group, strict=True)) | dict(zip(total.sums, sums, strict=True))
                for group, sums in self._sums[total.table].items()
                if any(sums)
            ]
            if deltas:
                table = where[total.table]
                upsert(connection, table, deltas, add=True)
                # A sum over nothing is no row, as in GROUP BY, whatever the batches were.
                nothing = [table.c[name] == 0 for name in total.sums]
                groups = [group for group, sums in self._sums[total.table].items() if min(sums) < 0]
                if groups:
                    among = tuple_(*table.primary_key).in_(groups)
                    connection.execute(delete(table).where(among, *nothing))


def upsert(
    connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], *, add: bool = False
) -> None:
    """Insert rows; where the key is there already, overwrite the rest, or add to it."""
    write = _upsert(table, connection.dialect, add)
    connection.exec_driver_sql(write.statement, [write.values(row) for row in rows])


class _Upsert(NamedTuple):
    statement: str
    values: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    """What the driver gets of a row."""


@cache
def _upsert(table: Table, dialect: Dialect, add: bool) -> _Upsert:
    """Written out, and given to the driver as it is: SQLAlchemy's way from a row to the
    driver's parameters costs more than the fold that made the row."""
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key]
    if dialect.name == "sqlite":
        mark, new, conflict = "?", "excluded.{}", f"CONFLICT ({', '.join(keys)}) DO UPDATE SET"
    else:
        # In this spelling alone the driver sends many rows as one statement.
        mark, new, conflict = "%s", "VALUES({})", "DUPLICATE KEY UPDATE"
    kept = [
        f"{name} = {f'{name} + ' if add else ''}{new.format(name)}"
        for name in names
        if name not in keys
    ]
    statement = (
        f"INSERT INTO {table.name} ({', '.join(names)}) "  # noqa: S608 (names of our own)
        f"VALUES ({', '.join([mark] * len(names))}) ON {conflict} {', '.join(kept)}"
    )
    if dialect.name != "sqlite":
        return _Upsert(statement, itemgetter(*names))
    types = [column.type.dialect_impl(dialect) for column in table.columns]
    ready = [each.bind_processor(dialect) or _as_it_is for each in types]
    columns = list(zip(names, ready, strict=True))
    return _Upsert(statement, lambda row: tuple([make(row[name]) for name, make in columns]))


def _as_it_is(value: Any) -> Any:
    return value
