"""What a batch of events changes in the read model, and how it is written: one statement
per table, whatever the number of events (the driver cuts those of more than a megabyte)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Dialect, Table

from projections.kernel import Row
from projections.sql import parameter_mark
from projections.tables import tables
from projections.views import TOTALS

Key = tuple[Any, ...]
Keyed = dict[tuple[str, Key], dict[str, Any]]
Send = Callable[[str, list[tuple[Any, ...]]], object]


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

    def write(self, connection: Connection, generation: int, send: Send | None = None) -> None:
        """At once, or however else `send` takes a statement and its rows."""
        send, where = send or connection.exec_driver_sql, tables(generation)
        dialect = connection.dialect
        for name, keys in self.deletes.items():
            write = _delete(where[name], dialect)
            send(write.statement, [write.values(key) for key in keys])
        for name, rows in self.upserts.items():
            write = _upsert(where[name], dialect)
            send(write.statement, [write.values(row) for row in rows])
        for total in TOTALS:
            changed = {group: s for group, s in self._sums[total.table].items() if any(s)}
            if changed:
                names, table = (*total.by, *total.sums), where[total.table]
                write = _upsert(table, dialect, add=True)
                rows = [dict(zip(names, (*group, *s), strict=True)) for group, s in changed.items()]
                send(write.statement, [write.values(row) for row in rows])
                # A sum over nothing is no row, as in GROUP BY, whatever the batches were.
                write = _delete(table, dialect, nothing=total.sums)
                if keys := [write.values(group) for group, s in changed.items() if min(s) < 0]:
                    send(write.statement, keys)


class _Write(NamedTuple):
    statement: str
    values: Callable[[Any], tuple[Any, ...]]
    """What the driver gets of a row, or of a key."""


# Written out, and given to the driver as they are: SQLAlchemy's way from a row to the driver's
# parameters costs more than the fold that made the row.


@cache
def _upsert(table: Table, dialect: Dialect, add: bool = False) -> _Write:
    """Insert rows; where the key is there already, overwrite the rest, or add to it."""
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
    take, bound = itemgetter(*names), _bound(table.columns, dialect)
    return _Write(statement, take if bound is tuple else lambda row: bound(take(row)))


@cache
def _delete(table: Table, dialect: Dialect, nothing: tuple[str, ...] = ()) -> _Write:
    """By key; with `nothing`, where those columns are all 0."""
    mark = parameter_mark(dialect)
    fits = [f"{column.name} = {mark}" for column in table.primary_key]
    fits += [f"{name} = 0" for name in nothing]
    statement = f"DELETE FROM {table.name} WHERE {' AND '.join(fits)}"  # noqa: S608 (as above)
    return _Write(statement, _bound(table.primary_key, dialect))


def _bound(columns: Iterable[Column[Any]], dialect: Dialect) -> Callable[..., tuple[Any, ...]]:
    """Makes values of these columns into what the driver takes."""
    if dialect.name != "sqlite":
        return tuple
    types = [column.type.dialect_impl(dialect) for column in columns]
    ready = [each.bind_processor(dialect) or _as_it_is for each in types]
    return lambda values: tuple([make(v) for make, v in zip(ready, values, strict=True)])


def _as_it_is(value: Any) -> Any:
    return value
