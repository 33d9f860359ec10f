"""What must hold when many want the same thing at the same moment, on a real database."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import UUID, uuid4

import pytest

from commands.customers import RegisterCustomer
from commands.execution import execute
from commands.inventory import AddItem, ReceiveStock
from commands.kernel import Command, Context
from commands.tickets import IssuePart, OpenTicket
from commands.vehicles import ArchiveVehicle, RegisterVehicle, TransferVehicle
from domain.inventory import InventoryItem, StockIssued, StockReceived
from domain.kernel import Refused, replay
from domain.ticket import Ticket
from domain.vehicle import OdometerUnit, Vehicle
from infrastructure.credentials import Credentials
from infrastructure.database import Database
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.store import EventStore

THREADS = 64
RACES = 50
"""On each leg and for each rival: 200 in all."""
CONTEXT = Context(actor=None, role="system", correlation_id="race")


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    database = Database(database_url, pool_size=THREADS)
    keyring = KeyRing(database, [os.urandom(32)])
    yield EventStore(database, EventMapper(keyring), keyring, Credentials(database, utc_now))
    database.close()


def utc_now() -> datetime:
    return datetime.now(UTC)


def do(store: EventStore, command: Command) -> UUID:
    return execute(command, CONTEXT, store=store, clock=utc_now).id


def outcome(store: EventStore, command: Command, start: Barrier) -> str:
    start.wait()
    try:
        do(store, command)
    except Refused as refused:
        return f"refused: {refused}"
    return "done"


def all_at_once(store: EventStore, commands: Sequence[Command]) -> list[str]:
    start = Barrier(len(commands))
    with ThreadPoolExecutor(len(commands)) as threads:
        return list(threads.map(lambda command: outcome(store, command, start), commands))


def a_customer(store: EventStore) -> UUID:
    n = uuid4()
    return do(store, RegisterCustomer(customer_id=n, name="Customer", email=f"{n}@mail.example"))


def a_vehicle(store: EventStore, customer_id: UUID, number: int) -> UUID:
    return do(
        store,
        RegisterVehicle(
            vehicle_id=uuid4(),
            customer_id=customer_id,
            vin=f"1HGCM826{number:09d}",
            make="Make",
            model="Model",
            year=2020,
        ),
    )


def opening(customer_id: UUID, vehicle_id: UUID, number: int = 1) -> OpenTicket:
    return OpenTicket(
        ticket_id=uuid4(),
        ro_number=number,
        shop_unit=OdometerUnit.MILES,
        customer_id=customer_id,
        vehicle_id=vehicle_id,
        description="Brakes",
    )


def test_a_shelf_of_40_gives_40_to_64_who_ask_at_once(store: EventStore) -> None:
    customer = a_customer(store)
    tickets = [
        do(store, opening(customer, a_vehicle(store, customer, n), n)) for n in range(THREADS)
    ]
    item = do(
        store, AddItem(inventory_id=uuid4(), part_number="P-1", name="Part", unit_price_cents=100)
    )
    do(store, ReceiveStock(inventory_id=item, quantity=40))

    outcomes = all_at_once(
        store,
        [
            IssuePart(ticket_id=ticket, line_id=uuid4(), inventory_id=item, quantity=1)
            for ticket in tickets
        ],
    )

    told = Counter(outcomes)
    assert told.pop("done") == 40
    assert told == {
        "refused: parts are issued from what is on hand; 1 of P-1 wanted, 0 on hand": 24
    }
    movements = store.events(item)
    assert replay(InventoryItem(id=item), movements).quantity_on_hand == 0
    received = sum(m.event.quantity for m in movements if isinstance(m.event, StockReceived))
    issued = [m.event for m in movements if isinstance(m.event, StockIssued)]
    on_tickets = {
        line_id: ticket
        for ticket in tickets
        for line_id in replay(Ticket(id=ticket), store.events(ticket)).parts
    }
    assert received - sum(event.quantity for event in issued) == 0
    assert {event.line_id: event.ticket_id for event in issued} == on_tickets


@pytest.mark.parametrize("rival", ["transfer", "archive"])
def test_a_ticket_is_never_opened_on_a_vehicle_that_goes_at_that_moment(
    store: EventStore, rival: str
) -> None:
    owner, other = a_customer(store), a_customer(store)
    rivals: dict[str, Callable[[UUID], Command]] = {
        "transfer": lambda vehicle: TransferVehicle(vehicle_id=vehicle, customer_id=other),
        "archive": lambda vehicle: ArchiveVehicle(vehicle_id=vehicle),
    }
    won: Counter[str] = Counter()

    for n in range(RACES):
        vehicle = a_vehicle(store, owner, n)
        opened, gone = all_at_once(store, [opening(owner, vehicle, n), rivals[rival](vehicle)])

        state = replay(Vehicle(id=vehicle), store.events(vehicle))
        assert (opened == "done") != (gone == "done"), (opened, gone)
        assert bool(state.open_ticket_ids) == (opened == "done")
        won["opened" if opened == "done" else rival] += 1

    assert won.total() == RACES
