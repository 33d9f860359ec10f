"""A believable shop, made through the commands: nothing in it the API could not have made."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import click
from rich.console import Console
from rich.progress import Progress

from cli import console
from commands.customers import RegisterCustomer
from commands.execution import execute
from commands.inventory import AddItem, ReceiveStock
from commands.kernel import Command, Context
from commands.mechanics import HireMechanic
from commands.ticket_status import (
    CloseTicket,
    CompleteTicket,
    HoldTicket,
    ResumeTicket,
    StartTicket,
)
from commands.tickets import AddLabor, AssignMechanic, IssuePart, OpenTicket
from commands.vehicles import RegisterVehicle
from domain import vin
from domain.kernel import Refused
from domain.ticket_events import HoldReason, Priority
from infrastructure.ids import uuid7
from infrastructure.runtime import Runtime
from projections.listing import Listing

YEAR, TODAY = timedelta(days=365), timedelta(hours=10)
MODELS = {
    "Toyota": ("Corolla", "Camry", "RAV4"),
    "Ford": ("Focus", "F-150", "Escape"),
    "Honda": ("Civic", "Accord", "CR-V"),
    "Volkswagen": ("Golf", "Passat", "Tiguan"),
    "Chevrolet": ("Malibu", "Silverado", "Equinox"),
}
PARTS = (
    "Oil filter",
    "Air filter",
    "Brake pads",
    "Brake disc",
    "Spark plug",
    "Wiper blade",
    "Battery",
    "Alternator",
    "Timing belt",
    "Water pump",
    "Shock absorber",
    "Coolant 1 l",
)
JOBS = ("Oil change", "Brakes squeal", "Engine light is on", "Inspection", "No start", "Tyre swap")
COLORS = ("white", "black", "silver", "blue", "red")
SKILLS = ("Brakes", "Engine", "Electrical", "Transmission", "Air conditioning")
VIN_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"


class Size(NamedTuple):
    customers: int
    vehicles: int
    mechanics: int
    parts: int
    tickets: int

    @property
    def total(self) -> int:
        return sum(self)


SMALL = Size(customers=6, vehicles=8, mechanics=3, parts=8, tickets=10)
FULL = Size(customers=200, vehicles=300, mechanics=12, parts=150, tickets=800)


@click.command()
def demo() -> None:
    """Fill an empty shop with a believable year: 200 customers, 800 tickets and more."""
    with console.runtime() as runtime:
        if _has_customers(runtime):
            raise console.fail("demonstration data is for an empty shop; this one has customers")
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("a year in the shop", total=FULL.total)
            seed(runtime, FULL, by=None, told=lambda: progress.advance(task))
        while runtime.advance():
            continue
        click.echo(f"{FULL.tickets} tickets of {FULL.customers} customers")


def seed(
    runtime: Runtime, size: Size, *, by: UUID | None, told: Callable[[], object] = lambda: None
) -> None:
    """Play a year up to now. The same size gives the same shop but for ids and times."""
    Year(runtime, size, by, told).play()


class Year:
    """Actions in the order of their moments, each by the clock of that moment."""

    def __init__(
        self, runtime: Runtime, size: Size, by: UUID | None, told: Callable[[], object]
    ) -> None:
        self._runtime, self._size, self._told = runtime, size, told
        self._random = random.Random(7)
        self._now = runtime.clock()
        self._start = self._now - YEAR
        self._context = Context(
            actor=by, role="admin" if by else "system", correlation_id=f"demo-{uuid7()}"
        )
        self._queue: list[tuple[datetime, int, Iterator[timedelta]]] = []
        self._order = count()
        self._moment = self._start

    def play(self) -> None:
        self._stock_up()
        owners = [self._customer(n) for n in range(self._size.customers)]
        vehicles = [self._vehicle(n, owners) for n in range(self._size.vehicles)]
        for n in range(self._size.tickets):
            # Some of them today, so that there is always something in the shop.
            age = TODAY if n % 20 in (7, 13) else YEAR
            opened = self._now - self._random.random() * age
            self._later(opened, self._ticket(*self._random.choice(vehicles)))
        while self._queue:
            self._moment, _, story = heapq.heappop(self._queue)
            pause = next(story, None)
            if pause is None:
                self._told()
            elif self._moment + pause < self._now:
                self._later(self._moment + pause, story)
            else:
                self._told()

    def _later(self, moment: datetime, story: Iterator[timedelta]) -> None:
        heapq.heappush(self._queue, (moment, next(self._order), story))

    def _do(self, command: type[Command], **given: Any) -> UUID:
        built = self._runtime.build(command, given)
        store, moment = self._runtime.store, self._moment
        return execute(built, self._context, store=store, clock=lambda: moment).id

    def _stock_up(self) -> None:
        self.mechanics = []
        for n in range(1, self._size.mechanics + 1):
            skills = self._random.sample(SKILLS, 2)
            hired = self._do(
                HireMechanic,
                name=f"Mechanic {n}",
                email=f"mechanic{n}@shop.example",
                certifications=skills,
                labor_rate_cents=self._random.randrange(8_000, 15_000, 500),
            )
            self.mechanics.append(hired)
            self._told()
        self.items = []
        for n in range(self._size.parts):
            cost = self._random.randrange(300, 20_000, 50)
            item = self._do(
                AddItem,
                part_number=f"P-{1000 + n}",
                name=f"{PARTS[n % len(PARTS)]} {'ABCDEFGHIJKLM'[n // len(PARTS) % 13]}",
                bin_location=f"{'ABCDEF'[n % 6]}-{n // 6 + 1}",
                unit_cost_cents=cost,
                unit_price_cents=cost * 3 // 2,
                reorder_point=self._random.randrange(2, 8),
            )
            self._do(ReceiveStock, inventory_id=item, quantity=self._random.randrange(5, 40))
            self.items.append(item)
            self._told()

    def _customer(self, n: int) -> UUID:
        self._told()
        return self._do(
            RegisterCustomer,
            name=f"Customer {n + 1}",
            email=f"customer{n + 1}@mail.example",
            phone=f"+1 555 {n + 1:07d}",
            address=f"{n + 1} Main Street",
        )

    def _vehicle(self, n: int, owners: list[UUID]) -> tuple[UUID, UUID]:
        self._told()
        make = self._random.choice(list(MODELS))
        owner = owners[n % len(owners)]
        vehicle = self._do(
            RegisterVehicle,
            customer_id=owner,
            vin=self._vin(),
            make=make,
            model=self._random.choice(MODELS[make]),
            year=self._random.randrange(2005, 2026),
            plate=f"DEM {1000 + n}",
            color=self._random.choice(COLORS),
        )
        return owner, vehicle

    def _vin(self) -> str:
        letters = "".join(self._random.choices(VIN_LETTERS, k=17))
        return letters[:8] + vin.check_digit(letters) + letters[9:]

    def _ticket(self, customer_id: UUID, vehicle_id: UUID) -> Iterator[timedelta]:
        """One ticket's story; each value is the time until it goes on."""
        chance = self._random
        ticket_id = self._do(
            OpenTicket,
            customer_id=customer_id,
            vehicle_id=vehicle_id,
            description=chance.choice(JOBS),
            priority=chance.choice(list(Priority)),
            odometer_in=chance.randrange(10_000, 200_000),
        )
        yield timedelta(minutes=chance.randrange(5, 60))
        workers = chance.sample(self.mechanics, chance.choice((1, 1, 1, 2)))
        for mechanic_id in workers:
            self._do(AssignMechanic, ticket_id=ticket_id, mechanic_id=mechanic_id)
        self._do(StartTicket, ticket_id=ticket_id)
        yield timedelta(hours=chance.randrange(1, 30))
        for _ in range(chance.randrange(0, 4)):
            self._part(ticket_id)
        if chance.random() < 0.2:
            reason = chance.choice(list(HoldReason))
            self._do(HoldTicket, ticket_id=ticket_id, hold_reason=reason)
            yield timedelta(hours=chance.randrange(2, 72))
            self._do(ResumeTicket, ticket_id=ticket_id)
        self._do(
            AddLabor,
            ticket_id=ticket_id,
            description=chance.choice(JOBS),
            mechanic_id=workers[0],
            minutes=chance.randrange(15, 240, 15),
        )
        yield timedelta(hours=chance.randrange(1, 20))
        self._do(CompleteTicket, ticket_id=ticket_id)
        yield timedelta(hours=chance.randrange(1, 48))
        self._do(CloseTicket, ticket_id=ticket_id)

    def _part(self, ticket_id: UUID) -> None:
        """A part, after a delivery if the shelf is empty."""
        item, quantity = self._random.choice(self.items), self._random.choice((1, 1, 2, 4))
        put = dict(ticket_id=ticket_id, inventory_id=item, quantity=quantity)
        try:
            self._do(IssuePart, **put)
        except Refused:
            self._do(ReceiveStock, inventory_id=item, quantity=20)
            self._do(IssuePart, **put)


def _has_customers(runtime: Runtime) -> bool:
    return bool(runtime.queries.list(Listing("customers", sort="created_at", limit=1)).items)
