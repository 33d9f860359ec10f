"""What exports are made of: rows of the views, page by page in the order of a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, and_, func, or_, select

from projections import daily_figures
from projections.daily_figures import midnight
from projections.inventory import Movement
from projections.tables import tables
from projections.tickets import TicketView

PAGE = 500
"""Rows that are in memory at once."""


class Source(Protocol):
    """Bodies as they are served, in JSON; `columns` are their fields."""

    columns: tuple[str, ...]

    def total(self, connection: Connection) -> int: ...

    def pages(self, connection: Connection) -> Iterator[Sequence[bytes]]: ...


class Rows:
    """Rows of a table of bodies whose moment lies within the days."""

    def __init__(
        self,
        table: str,
        moment: str,
        key: tuple[str, str],
        shape: type[msgspec.Struct],
        generation: int,
        first: date,
        last: date,
        zone: ZoneInfo,
    ) -> None:
        self._table = tables(generation)[table]
        self._key = [self._table.c[name] for name in key]
        self.columns = shape.__struct_encode_fields__
        self._within = and_(
            self._table.c[moment] >= midnight(first, zone),
            self._table.c[moment] < midnight(last + timedelta(days=1), zone),
        )

    def total(self, connection: Connection) -> int:
        query = select(func.count()).select_from(self._table).where(self._within)
        return connection.scalar(query) or 0

    def pages(self, connection: Connection) -> Iterator[Sequence[bytes]]:
        one, other = self._key
        query = select(one, other, self._table.c.body).where(self._within)
        query = query.order_by(one, other).limit(PAGE)
        rows: Sequence[Any] = connection.execute(query).all()
        while rows:
            yield [row.body for row in rows]
            a, b, _ = rows[-1]
            behind = and_(one >= a, or_(one > a, other > b))
            rows = connection.execute(query.where(behind)).all()


class Days:
    """The figures of every day."""

    columns = daily_figures.Day.__struct_encode_fields__

    def __init__(self, generation: int, first: date, last: date, zone: ZoneInfo) -> None:
        self._generation, self._days = generation, (first, last, zone)

    def total(self, connection: Connection) -> int:
        first, last, _ = self._days
        return (last - first).days + 1

    def pages(self, connection: Connection) -> Iterator[Sequence[bytes]]:
        rows = connection.execute(daily_figures.query(self._generation, *self._days))
        shown = daily_figures.days(rows, *self._days)
        for start in range(0, len(shown), PAGE):
            yield [msgspec.json.encode(day) for day in shown[start : start + PAGE]]


def _tickets(generation: int, first: date, last: date, zone: ZoneInfo) -> Source:
    key = "created_at", "id"
    return Rows("tickets", "created_at", key, TicketView, generation, first, last, zone)


def _movements(generation: int, first: date, last: date, zone: ZoneInfo) -> Source:
    key = "inventory_id", "version"
    return Rows("stock_movements", "recorded_at", key, Movement, generation, first, last, zone)


SOURCES: dict[str, Callable[[int, date, date, ZoneInfo], Source]] = {
    "tickets": _tickets,
    "stock_movements": _movements,
    "daily_figures": Days,
}
"""By the kind of export. Tickets count on the day they were opened, movements on theirs."""
