"""The same shop for both: 2,000 customers, 10,000 tickets, 50 mechanics, 500 parts.

This one by its own commands; the other in `seed_stack.data`.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from benchmarks.append import CONTEXT
from benchmarks.measure import size
from benchmarks.servers import runtime_on
from benchmarks.writers import PROCESSES, processes
from commands.accounts import RegisterAccount
from commands.customers import RegisterCustomer
from commands.inventory import AddItem, ReceiveStock
from commands.kernel import Command
from commands.mechanics import HireMechanic
from commands.ticket_status import CloseTicket
from commands.tickets import AssignMechanic, IssuePart, OpenTicket
from commands.vehicles import RegisterVehicle
from domain.account import Role
from infrastructure.runtime import Runtime

CUSTOMERS, MECHANICS, PARTS = 2_000, 50, 500
TICKETS = int(size("TICKETS", 10_000))
OPEN_EVERY = 10
"""One ticket in so many is still open."""
ON_HAND = 1_000_000
PHONE = "555-0100"
DESCRIPTION = "Brakes squeal"
PASSWORD = "correct horse battery"
ADMIN_EMAIL = "admin@shop.example"


class Ids(NamedTuple):
    """What requests are made of."""

    customers: list[tuple[UUID, UUID]]
    """With their vehicles."""
    parts: list[UUID]
    tickets: list[UUID]
    open_tickets: list[UUID]


def name(kind: str, n: int) -> str:
    return f"{kind} {n:04d}"


def email(kind: str, n: int) -> str:
    return f"{kind.lower()}-{n}@shop.example"


def vin(n: int) -> str:
    return f"2T1BR32E{n:09d}"


def assigned(ticket: int) -> set[int]:
    """Which mechanics; some have more to do than others."""
    return {ticket % MECHANICS, ticket * ticket % MECHANICS}


def fill_ours(url: str) -> Ids:
    runtime = runtime_on(url)
    _do(runtime, RegisterAccount, email=ADMIN_EMAIL, password=PASSWORD, role=Role.ADMIN)
    mechanics = [
        _do(runtime, HireMechanic, name=name("Mechanic", n), email=email("mechanic", n))
        for n in range(MECHANICS)
    ]
    parts = [_part(runtime, n) for n in range(PARTS)]
    runtime.close()
    with processes.Pool(PROCESSES) as pool:
        turns = [(url, turn, mechanics, parts) for turn in range(PROCESSES)]
        made = pool.starmap(_fill_share, turns)
    customers = [each for share in made for each in share.customers]
    tickets = [each for share in made for each in share.tickets]
    return Ids(customers, parts, tickets, [t for share in made for t in share.open_tickets])


def _fill_share(url: str, turn: int, mechanics: list[UUID], parts: list[UUID]) -> Ids:
    runtime = runtime_on(url)
    made = Ids([], parts, [], [])
    for n in range(turn, CUSTOMERS, PROCESSES):
        person = dict(name=name("Customer", n), email=email("customer", n), phone=PHONE)
        customer = _do(runtime, RegisterCustomer, **person)
        car = dict(vin=vin(n), make="Toyota", model="Corolla", year=2014)
        made.customers.append(
            (customer, _do(runtime, RegisterVehicle, customer_id=customer, **car))
        )
    for n in range(turn, TICKETS, PROCESSES):
        customer, vehicle = made.customers[n // PROCESSES % len(made.customers)]
        given = dict(customer_id=customer, vehicle_id=vehicle, description=DESCRIPTION)
        ticket = _do(runtime, OpenTicket, **given)
        for mechanic in assigned(n):
            _do(runtime, AssignMechanic, ticket_id=ticket, mechanic_id=mechanics[mechanic])
        _do(runtime, IssuePart, ticket_id=ticket, inventory_id=parts[n % PARTS], quantity=1)
        made.tickets.append(ticket)
        if n // PROCESSES % OPEN_EVERY:
            _do(runtime, CloseTicket, ticket_id=ticket)
        else:
            made.open_tickets.append(ticket)
    runtime.close()
    return made


def _part(runtime: Runtime, n: int) -> UUID:
    given = dict(part_number=f"PART-{n}", name=name("Part", n), unit_price_cents=1500)
    part = _do(runtime, AddItem, reorder_point=n, **given)
    _do(runtime, ReceiveStock, inventory_id=part, quantity=ON_HAND)
    return part


def _do(runtime: Runtime, command: type[Command], **given: Any) -> UUID:
    return runtime.execute(runtime.build(command, given), CONTEXT).id
