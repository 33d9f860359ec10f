"""Which mechanic has how many tickets: sums kept by the runner, ranks made when read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, select

from projections.mechanics import MechanicView
from projections.tables import tables

FIGURES = {"tickets": "tickets", "closed": "closed", "labor": "labor_minutes"}
"""What can be ranked by, and the figure it compares."""


class Ranked(msgspec.Struct):
    """A mechanic's place. Equal figures share a rank, and the next rank is skipped."""

    rank: int
    mechanic_id: UUID
    name: str | None
    tickets: int
    closed: int
    labor_minutes: int


class Leaderboard(msgspec.Struct):
    by: str
    items: list[Ranked]


def query(generation: int, by: str) -> Select[Any]:
    known = tables(generation)
    mechanics, totals = known["mechanics"], known["mechanic_totals"]
    figures = [func.coalesce(totals.c[name], 0).label(name) for name in FIGURES.values()]
    ranked_by = func.coalesce(totals.c[FIGURES[by]], 0)
    return (
        select(mechanics.c.body, *figures)
        .outerjoin_from(mechanics, totals, totals.c.mechanic_id == mechanics.c.id)
        .where(mechanics.c.archived.is_(False))
        .order_by(ranked_by.desc(), mechanics.c.name, mechanics.c.id)
    )


def body(by: str, rows: Sequence[Any]) -> bytes:
    items: list[Ranked] = []
    for place, row in enumerate(rows, start=1):
        mechanic = msgspec.json.decode(row.body, type=MechanicView)
        # Sums come back as Decimal from MySQL.
        figures = {name: int(getattr(row, name)) for name in FIGURES.values()}
        tied = items and getattr(items[-1], FIGURES[by]) == figures[FIGURES[by]]
        rank = items[-1].rank if tied else place
        items.append(Ranked(rank, mechanic.id, mechanic.name, **figures))
    return msgspec.json.encode(Leaderboard(by, items))
