"""Reports: sums over the views, worked out by the database or exactly, in integers, here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Select, func, or_, select

from projections.daily_figures import Day, midnight
from projections.tables import tables


class DailyReport(msgspec.Struct):
    """Every day of the period, in the shop's time zone."""

    timezone: str
    items: Sequence[Day]


class ValuedItem(msgspec.Struct, kw_only=True):
    """What is on the shelf of one item, at today's cost and at today's price."""

    inventory_id: UUID
    part_number: str
    name: str
    quantity_on_hand: int
    unit_cost_cents: int
    unit_price_cents: int
    cost_cents: int
    price_cents: int


class StockValuation(msgspec.Struct, kw_only=True):
    """Discontinued items are in it as long as some of them are left."""

    quantity_on_hand: int
    cost_cents: int
    price_cents: int
    items: Sequence[ValuedItem]


class MechanicFigures(msgspec.Struct, kw_only=True):
    """Tickets that were closed in the period and are closed still: how many the mechanic was
    assigned to, and the labor booked for the mechanic on them."""

    mechanic_id: UUID
    name: str | None
    has_left: bool
    closed: int
    labor_minutes: int
    labor_cents: int


class MechanicReport(msgspec.Struct):
    """Everybody who works here, and who did work in the period; days are the shop's."""

    timezone: str
    items: Sequence[MechanicFigures]


class _Item(msgspec.Struct):
    """As much of an item's body as is needed."""

    id: UUID
    part_number: str
    name: str
    quantity_on_hand: int
    unit_cost_cents: int
    unit_price_cents: int
    discontinued: bool


class _Mechanic(msgspec.Struct):
    id: UUID
    name: str | None
    has_left: bool


def stock_query(generation: int) -> Select[Any]:
    table = tables(generation)["inventory"]
    return select(table.c.body).order_by(table.c.part_number, table.c.id)


def stock_valuation(rows: Sequence[Any]) -> StockValuation:
    decode = msgspec.json.Decoder(_Item).decode
    items = [
        _valued(item)
        for item in (decode(row.body) for row in rows)
        if item.quantity_on_hand or not item.discontinued
    ]
    return StockValuation(
        quantity_on_hand=sum(item.quantity_on_hand for item in items),
        cost_cents=sum(item.cost_cents for item in items),
        price_cents=sum(item.price_cents for item in items),
        items=items,
    )


def _valued(item: _Item) -> ValuedItem:
    return ValuedItem(
        inventory_id=item.id,
        part_number=item.part_number,
        name=item.name,
        quantity_on_hand=item.quantity_on_hand,
        unit_cost_cents=item.unit_cost_cents,
        unit_price_cents=item.unit_price_cents,
        cost_cents=item.quantity_on_hand * item.unit_cost_cents,
        price_cents=item.quantity_on_hand * item.unit_price_cents,
    )


MECHANIC_SUMS = ("closed", "labor_minutes", "labor_cents")


def mechanics_query(generation: int, first: date, last: date, zone: ZoneInfo) -> Select[Any]:
    """The days from the first to the last, both included."""
    known = tables(generation)
    mechanics, done = known["mechanics"], known["mechanic_contributions"]
    of_period = (
        select(done.c.mechanic_id, *(func.sum(done.c[name]).label(name) for name in MECHANIC_SUMS))
        .where(
            done.c.closed_at >= midnight(first, zone),
            done.c.closed_at < midnight(last + timedelta(days=1), zone),
        )
        .group_by(done.c.mechanic_id)
        .subquery()
    )
    sums = [func.coalesce(of_period.c[name], 0).label(name) for name in MECHANIC_SUMS]
    return (
        select(mechanics.c.body, *sums)
        .outerjoin_from(mechanics, of_period, of_period.c.mechanic_id == mechanics.c.id)
        .where(or_(mechanics.c.archived.is_(False), of_period.c.mechanic_id.is_not(None)))
        .order_by(mechanics.c.name, mechanics.c.id)
    )


def mechanic_figures(rows: Sequence[Any]) -> Sequence[MechanicFigures]:
    decode = msgspec.json.Decoder(_Mechanic).decode
    return [
        MechanicFigures(
            mechanic_id=mechanic.id,
            name=mechanic.name,
            has_left=mechanic.has_left,
            # Sums come back as Decimal from MySQL.
            **{name: int(getattr(row, name)) for name in MECHANIC_SUMS},
        )
        for mechanic, row in ((decode(row.body), row) for row in rows)
    ]
