"""The read model's tables. Each generation of the folds has tables of its own.

They are built from the events and can be dropped and rebuilt at any time, so they are not
part of the migrations.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from projections.sql import TABLE_OPTIONS, Bytes, Id, Instant
from projections.ticket_figures import FIGURES

FOLDED_MAX = 3 * 64
"""Characters of a text of up to 64 once case is folded: one may become three."""

bookkeeping = MetaData()

generations = Table(
    "view_generations",
    bookkeeping,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("folds", String(64), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    **TABLE_OPTIONS,
)


@cache
def tables(generation: int) -> dict[str, Table]:
    """The tables of that generation, by the name the folds call them."""
    metadata = MetaData()

    def table(name: str, *items: Column[Any] | Index) -> None:
        columns = sorted(items, key=lambda item: isinstance(item, Index))
        Table(f"{name}_{generation}", metadata, *columns, info={"name": name}, **TABLE_OPTIONS)

    def resource(name: str, *items: Column[Any] | Index) -> None:
        table(
            name,
            Column("id", Id, primary_key=True),
            Column("version", Integer, nullable=False),
            Column("owner_id", Id),
            *items,
            Column("archived", Boolean, nullable=False),
            Column("created_at", Instant, nullable=False),
            Column("updated_at", Instant, nullable=False),
            Column("body", Bytes, nullable=False),
            _index(name, "created_at", "id"),
            _index(name, "updated_at", "id"),
            _index(name, "owner_id", "created_at"),
        )

    def _index(name: str, *columns: str) -> Index:
        return Index(f"ix_{name}_{generation}_{'_'.join(columns)}", *columns)

    def named(name: str, *items: Column[Any] | Index) -> None:
        resource(name, Column("name", String(200), nullable=False), *items, _index(name, "name"))

    def email() -> Column[Any]:
        return Column("email", String(254), nullable=False)

    named("customers", email(), _index("customers", "email"))
    named("mechanics", email(), _index("mechanics", "email"))
    named("accounts", email(), Column("role", String(16), nullable=False))
    named(
        "vehicles",
        Column("vin", String(17), nullable=False),
        Column("plate", String(FOLDED_MAX), nullable=False),
        _index("vehicles", "vin"),
        _index("vehicles", "plate"),
    )
    named("inventory", Column("part_number", String(FOLDED_MAX), nullable=False))
    resource(
        "tickets",
        Column("ro_number", BigInteger, nullable=False),
        Column("status", String(16), nullable=False),
        Column("is_open", Boolean, nullable=False),
        Column("vehicle_id", Id, nullable=False),
        _index("tickets", "status", "created_at"),
        _index("tickets", "is_open", "created_at"),
        _index("tickets", "vehicle_id", "created_at"),
        _index("tickets", "ro_number"),
    )
    table(
        "assignments",
        Column("id", Id, primary_key=True),
        Column("ticket_id", Id, nullable=False),
        Column("mechanic_id", Id, nullable=False),
        Column("assigned_at", Instant, nullable=False),
        Column("body", Bytes, nullable=False),
        _index("assignments", "ticket_id", "assigned_at"),
        _index("assignments", "mechanic_id", "assigned_at"),
        _index("assignments", "assigned_at", "id"),
    )
    figures = ("tickets", "closed", "labor_minutes")
    table(
        "mechanic_contributions",
        Column("ticket_id", Id, primary_key=True),
        Column("mechanic_id", Id, primary_key=True),
        Column("closed_at", Instant),
        *(Column(name, BigInteger, nullable=False) for name in (*figures, "labor_cents")),
        _index("mechanic_contributions", "closed_at"),
    )
    table(
        "mechanic_totals",
        Column("mechanic_id", Id, primary_key=True),
        *(Column(name, BigInteger, nullable=False) for name in figures),
    )
    table(
        "ticket_figures",
        Column("ticket_id", Id, primary_key=True),
        Column("quarter", Instant, primary_key=True),
        *(Column(name, BigInteger, nullable=False) for name in FIGURES),
    )
    table(
        "quarter_figures",
        Column("quarter", Instant, primary_key=True),
        *(Column(name, BigInteger, nullable=False) for name in FIGURES),
    )
    table(
        "stock_levels",
        Column("id", Id, primary_key=True),
        Column("low", Boolean, nullable=False),
        Column("spare", BigInteger, nullable=False),
        Column("part_number", String(FOLDED_MAX), nullable=False),
        Column("body", Bytes, nullable=False),
        _index("stock_levels", "spare", "id"),
    )
    table(
        "stock_movements",
        Column("inventory_id", Id, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("recorded_at", Instant, nullable=False),
        Column("quantity", BigInteger, nullable=False),
        Column("body", Bytes, nullable=False),
    )
    table(
        "kept_states",
        Column("id", Id, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("recorded_at", Instant, nullable=False),
        Column("state", Bytes, nullable=False),
    )
    table(
        "streams",
        Column("id", Id, primary_key=True),
        Column("kind", String(16), nullable=False),
        Column("version", Integer, nullable=False),
        Column("state", Bytes, nullable=False),
    )
    table(
        "dead_letters",
        Column("stream_id", Id, primary_key=True),
        Column("position", BigInteger, nullable=False),
        Column("version", Integer, nullable=False),
        Column("topic", String(64), nullable=False),
        Column("error", Text, nullable=False),
        Column("parked_at", Instant, nullable=False),
    )
    return {each.info["name"]: each for each in metadata.tables.values()}
