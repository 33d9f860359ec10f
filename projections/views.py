"""Every view there is: one fold per kind of stream, and the totals kept over their rows."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, NamedTuple

import msgspec

from projections import accounts, customers, inventory, mechanics, tickets, vehicles
from projections.kernel import Fold
from projections.tables import tables
from projections.ticket_figures import FIGURES

FOLDS: dict[str, Fold[Any]] = {
    fold.kind: fold
    for fold in (
        tickets.FOLD,
        customers.FOLD,
        vehicles.FOLD,
        mechanics.FOLD,
        inventory.FOLD,
        accounts.FOLD,
    )
}
"""By what the tags of their events begin with. Streams without a fold show nothing."""

TABLE_OF = {
    "ticket": "tickets",
    "customer": "customers",
    "vehicle": "vehicles",
    "mechanic": "mechanics",
    "inventory": "inventory",
    "account": "accounts",
}
"""Where a resource of that kind is found by its id."""

KIND_OF = {
    **{table: kind for kind, table in TABLE_OF.items()},
    "assignments": "ticket",
    "stock_levels": "inventory",
    "stock_movements": "inventory",
}
"""From which kind of streams the rows of a list come."""


class Total(NamedTuple):
    """Sums over the rows of one table, kept by the runner from each difference."""

    table: str
    of: str
    by: tuple[str, ...]
    sums: tuple[str, ...]


TOTALS = (
    Total(
        table="mechanic_totals",
        of="mechanic_contributions",
        by=("mechanic_id",),
        sums=("tickets", "closed", "labor_minutes"),
    ),
    Total(table="quarter_figures", of="ticket_figures", by=("quarter",), sums=FIGURES),
)


class Related(NamedTuple):
    """A filter by another table: `own` column is among `key` of the rows where `column` fits."""

    table: str
    column: str
    key: str
    own: str


RELATED = {
    "mechanic_id": Related("assignments", "mechanic_id", "ticket_id", "id"),
    "vin": Related("vehicles", "vin", "id", "vehicle_id"),
    "plate": Related("vehicles", "plate", "id", "vehicle_id"),
    "email": Related("customers", "email", "id", "owner_id"),
}
"""What tickets are found by though it is no fact of their own: no row copies another stream."""

FOLD_RELEASE = 1
"""Raised when a fold shows the same events differently: the views are then rebuilt."""


def fingerprint() -> str:
    """Which folds these are: the live generation must have been built by them, else it is
    rebuilt, and nobody else's are written into it."""
    return _fingerprint(FOLD_RELEASE)


@cache
def _fingerprint(release: int) -> str:
    shapes = [
        [name, [(str(column.name), str(column.type)) for column in table.columns]]
        for name, table in sorted(tables(0).items())
    ]
    states = [msgspec.json.schema(fold.state) for fold in FOLDS.values()]
    digest = hashlib.sha256(msgspec.json.encode([release, shapes, states], order="sorted"))
    return digest.hexdigest()
