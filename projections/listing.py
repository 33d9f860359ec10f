"""What a list is asked for, and the one indexed query that finds a page of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Column, Select, String, and_, or_, select

from projections.tables import tables
from projections.views import FOLDS, KIND_OF, RELATED


class Listing(NamedTuple):
    """What a list is asked for. `where`: column -> value; `related`: name in RELATED -> value, of
    rows that are `reader`'s if there is one: who may not read a row must not guess it; `prefix`:
    column -> beginning; `after`: sort value and tie of the last row before this page.
    """

    table: str
    sort: str
    limit: int
    tie: str = "id"
    descending: bool = False
    where: Mapping[str, Any] = MappingProxyType({})
    related: Mapping[str, Any] = MappingProxyType({})
    reader: UUID | None = None
    prefix: Mapping[str, str] = MappingProxyType({})
    updated_after: datetime | None = None
    archived: bool = False
    after: tuple[Any, UUID] | None = None

    @property
    def is_common(self) -> bool:
        """A first page that many ask for: nobody searches for anything in it. Never one of
        people who may be erased: no later body would take its place."""
        if FOLDS[KIND_OF[self.table]].erasure is not None:
            return False
        return not (self.related or self.prefix or self.updated_after or self.after)

    def query(self, generation: int) -> Select[Any]:
        """Body, sort value and tie of the rows of the page, and of one more if there is one."""
        table = tables(generation)[self.table]
        column, tie = table.c[self.sort], table.c[self.tie]
        order = (column.desc(), tie.desc()) if self.descending else (column, tie)
        query = select(table.c.body, column, tie).where(*self._conditions(generation))
        return query.order_by(*order).limit(self.limit + 1)

    def _conditions(self, generation: int) -> list[Any]:
        known = tables(generation)
        table = known[self.table]
        conditions = [
            table.c[name] == _cut(value, table.c[name]) for name, value in self.where.items()
        ]
        conditions += [
            table.c[name].startswith(_cut(q, table.c[name]), autoescape=True)
            for name, q in self.prefix.items()
        ]
        for name, value in self.related.items():
            how = RELATED[name]
            other = known[how.table]
            found = select(other.c[how.key]).where(
                other.c[how.column] == _cut(value, other.c[how.column])
            )
            if self.reader is not None and "owner_id" in other.c:
                found = found.where(other.c.owner_id == self.reader)
            conditions.append(table.c[how.own].in_(found))
        if self.updated_after is not None:
            conditions.append(table.c.updated_at > self.updated_after)
        if not self.archived and "archived" in table.c:
            conditions.append(table.c.archived.is_(False))
        if self.after is not None:
            value, id = self.after
            column, tie = table.c[self.sort], table.c[self.tie]
            past = column < value if self.descending else column > value
            tied = tie < id if self.descending else tie > id
            conditions.append(or_(past, and_(column == value, tied)))
        return conditions


def _cut(value: Any, column: Column[Any]) -> Any:
    """As much as the column holds: letters may grow when they lose their case."""
    if isinstance(value, str) and isinstance(column.type, String):
        return value[: column.type.length]
    return value
