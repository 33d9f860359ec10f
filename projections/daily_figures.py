"""What the shop did each day: sums kept by the runner, made into days when read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Select, select

from projections.tables import tables
from projections.ticket_figures import FIGURES


class Day(msgspec.Struct, kw_only=True):
    """A day of the shop, in its time zone. What was sold counts on the day its ticket was
    closed; what is reopened or voided counts no more.

    The averages are over the tickets closed that day, rounded down; `None` where there are none.
    """

    day: date
    opened: int
    closed: int
    parts_cents: int
    parts_cost_cents: int
    parts_margin_cents: int
    labor_cents: int
    total_cents: int
    average_ticket_cents: int | None
    average_open_minutes: int | None


def query(generation: int, first: date, last: date, zone: ZoneInfo) -> Select[Any]:
    """The quarters of an hour of those days, both included, that have figures."""
    table = tables(generation)["quarter_figures"]
    return select(table).where(
        table.c.quarter >= midnight(first, zone),
        table.c.quarter < midnight(last + timedelta(days=1), zone),
    )


def days(rows: Iterable[Any], first: date, last: date, zone: ZoneInfo) -> Sequence[Day]:
    """Every day from the first to the last, those on which nothing happened included."""
    count = (last - first).days + 1
    sums = {first + timedelta(days=n): dict.fromkeys(FIGURES, 0) for n in range(count)}
    for row in rows:
        of_day = sums[row.quarter.astimezone(zone).date()]
        for name in FIGURES:
            of_day[name] += getattr(row, name)
    return [_day(day, **figures) for day, figures in sums.items()]


def _day(
    day: date,
    *,
    opened: int,
    closed: int,
    parts_cents: int,
    parts_cost_cents: int,
    labor_cents: int,
    open_minutes: int,
) -> Day:
    total_cents = parts_cents + labor_cents
    return Day(
        day=day,
        opened=opened,
        closed=closed,
        parts_cents=parts_cents,
        parts_cost_cents=parts_cost_cents,
        parts_margin_cents=parts_cents - parts_cost_cents,
        labor_cents=labor_cents,
        total_cents=total_cents,
        average_ticket_cents=total_cents // closed if closed else None,
        average_open_minutes=open_minutes // closed if closed else None,
    )


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins there. Where clocks jump over midnight, `fold=0` names the moment
    that follows the day before."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
