"""What a batch of events changes in the read model, and how it is written: one statement
per table, whatever the number of events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Table, bindparam, delete, text, tuple_
from sqlalchemy.dialects import sqlite

from projections.kernel import Row
from projections.tables import tables
from projections.views import TOTALS

Key = tuple[Any, ...]
Keyed = dict[tuple[str, Key], dict[str, Any]]


@cache
def _key_columns(table: str) -> tuple[str, ...]:
    return tuple(column.name for column in tables(0)[table].primary_key)


def keyed(rows: Iterable[Row]) -> Keyed:
    """Rows by table and primary key."""
    return {(name, tuple(row[c] for c in _key_columns(name))): row for name, row in rows}


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
        where, dialect = tables(generation), connection.dialect.name
        for name, keys in self.deletes.items():
            table = where[name]
            connection.execute(delete(table).where(tuple_(*table.primary_key).in_(keys)))
        for name, rows in self.upserts.items():
            connection.execute(upsert(where[name], dialect), rows)
        for total in TOTALS:
            deltas = [
                dict(zip(total.by, group, strict=True)) | dict(zip(total.sums, sums, strict=True))
                for group, sums in self._sums[total.table].items()
                if any(sums)
            ]
            if deltas:
                table = where[total.table]
                connection.execute(upsert(table, dialect, add=True), deltas)
                # A sum over nothing is no row, as in GROUP BY, whatever the batches were.
                nothing = [table.c[name] == 0 for name in total.sums]
                groups = [tuple(delta[name] for name in total.by) for delta in deltas]
                among = tuple_(*table.primary_key).in_(groups)
                connection.execute(delete(table).where(among, *nothing))


@cache
def upsert(table: Table, dialect: str, *, add: bool = False) -> Executable:
    """Insert rows; where the key is there already, overwrite the rest, or add to it."""
    rest = [column.name for column in table.columns if not column.primary_key]
    if dialect == "sqlite":
        insert = sqlite.insert(table)
        given = {name: insert.excluded[name] for name in rest}
        new = {name: table.c[name] + given[name] if add else given[name] for name in rest}
        return insert.on_conflict_do_update(list(table.primary_key), set_=new)
    # Written out, because the driver sends many rows as one statement only in this spelling:
    # the row alias that SQLAlchemy uses on MySQL would make it one statement for each row.
    names = [column.name for column in table.columns]
    kept = [f"{name} = {f'{name} + ' if add else ''}VALUES({name})" for name in rest]
    statement = text(
        f"INSERT INTO {table.name} ({', '.join(names)}) "  # noqa: S608 (names of our own)
        f"VALUES ({', '.join(f':{name}' for name in names)}) "
        f"ON DUPLICATE KEY UPDATE {', '.join(kept)}"
    )
    return statement.bindparams(*(bindparam(c.name, type_=c.type) for c in table.columns))
