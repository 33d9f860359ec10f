"""Its rows: those of `shop_data`; ids count from 1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, insert

from benchmarks.seed_stack.models import (
    Base,
    Customer,
    Line,
    Mechanic,
    Part,
    Ticket,
    ticket_mechanics,
)
from benchmarks.shop_data import (
    CUSTOMERS,
    DESCRIPTION,
    MECHANICS,
    ON_HAND,
    OPEN_EVERY,
    PARTS,
    PHONE,
    TICKETS,
    assigned,
    email,
    name,
    vin,
)


def fill(url: str) -> None:
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        for table, rows in (
            (Customer.__table__, [_customer(n) for n in range(CUSTOMERS)]),
            (Mechanic.__table__, [_mechanic(n) for n in range(MECHANICS)]),
            (Part.__table__, [_part(n) for n in range(PARTS)]),
            (Ticket.__table__, [_ticket(n) for n in range(TICKETS)]),
            (ticket_mechanics, [row for n in range(TICKETS) for row in _assignments(n)]),
            (Line.__table__, [_line(n) for n in range(TICKETS)]),
        ):
            connection.execute(insert(table), rows)
    engine.dispose()


def _customer(n: int) -> dict[str, Any]:
    return dict(name=name("Customer", n), email=email("customer", n), phone=PHONE)


def _mechanic(n: int) -> dict[str, Any]:
    return dict(name=name("Mechanic", n), email=email("mechanic", n))


def _part(n: int) -> dict[str, Any]:
    return dict(
        part_number=f"PART-{n}",
        name=name("Part", n),
        unit_price_cents=1500,
        quantity=ON_HAND,
        reorder_point=n,
    )


def _ticket(n: int) -> dict[str, Any]:
    return dict(
        customer_id=1 + n % CUSTOMERS,
        vin=vin(n % CUSTOMERS),
        description=DESCRIPTION,
        status="closed" if n % OPEN_EVERY else "open",
        created_at=_BEGAN + timedelta(minutes=n),
    )


def _assignments(n: int) -> list[dict[str, Any]]:
    return [dict(ticket_id=1 + n, mechanic_id=1 + mechanic) for mechanic in assigned(n)]


def _line(n: int) -> dict[str, Any]:
    return dict(ticket_id=1 + n, part_id=1 + n % PARTS, quantity=1, unit_price_cents=1500)


_BEGAN = datetime.now(UTC) - timedelta(days=365)
