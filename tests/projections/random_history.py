"""A shop in which anything happens that the rules allow, in memory, by the real commands.

The same seed gives the same history. Written to a real store it is as if it had happened there.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from commands.accounts import (
    ChangeAccount,
    DeactivateAccount,
    ReactivateAccount,
    RegisterAccount,
)
from commands.customers import (
    ArchiveCustomer,
    ChangeCustomer,
    EraseCustomer,
    RegisterCustomer,
    RestoreCustomer,
)
from commands.execution import execute
from commands.inventory import (
    AddItem,
    AdjustStock,
    ChangeItem,
    DiscontinueItem,
    ReceiveStock,
    ReinstateItem,
)
from commands.kernel import Command, Context
from commands.mechanics import (
    ChangeMechanic,
    HireMechanic,
    RecordMechanicLeft,
    RehireMechanic,
)
from commands.ticket_status import (
    CloseTicket,
    CompleteTicket,
    HoldTicket,
    ReopenTicket,
    ResumeTicket,
    StartTicket,
    VoidTicket,
)
from commands.tickets import (
    AddLabor,
    AssignMechanic,
    ChangeTicket,
    IssuePart,
    OpenTicket,
    RemoveLabor,
    RemoveMechanic,
    ReturnPart,
)
from commands.vehicles import (
    ArchiveVehicle,
    RecordOdometer,
    RegisterVehicle,
    RestoreVehicle,
    TransferVehicle,
)
from domain.account import Role
from domain.inventory import AdjustmentReason
from domain.kernel import Recorded, Refused
from domain.ticket_events import HoldReason, Priority
from domain.vehicle import OdometerUnit
from infrastructure.event_store.store import EventStore
from infrastructure.runtime import Runtime
from tests.commands.memory import MemoryStore, MemoryTransaction
from tests.given import SOME_DAY

COMMITS_AT_ONCE = 40


class Remembering(MemoryStore):
    """Knows its commits in their order: the events, and who was forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[list[Recorded[Any]], set[UUID]]] = []
        self.events = 0

    def _commit(self, transaction: MemoryTransaction) -> None:
        # Nobody else is here: no version can be in the way.
        for recorded in transaction.appended:
            self.streams.setdefault(recorded.originator_id, []).append(recorded)
        if transaction.appended:
            self.log.append((transaction.appended, transaction.forgotten))
            self.events += len(transaction.appended)


class RandomShop:
    """`first`: what numbers and ids begin after, for a second history beside the first."""

    def __init__(self, seed: int, *, first: int = 0) -> None:
        self.store = Remembering()
        self.refused = 0
        self._random = random.Random(seed)
        self._moment, self._number = SOME_DAY, first
        self._ids: dict[str, list[UUID]] = defaultdict(list)
        self._lines: list[tuple[UUID, UUID, bool]] = []
        self._opens = 0

    def live(self, events: int) -> None:
        """Until so many events have happened."""
        for make in (self._customer, self._vehicle, self._mechanic, self._item):
            for _ in range(3):
                self._do(make())
        acts: list[Callable[[], Command]] = [
            *[self._customer, self._vehicle, self._mechanic, self._item, self._account],
            *[self._person, self._machine, self._shelf, self._shelf] * 2,
            *[self._open] * 4,
            *[self._work] * 60,
        ]
        while self.store.events < events:
            self._do(self._random.choice(acts)())

    def _do(self, command: Command) -> None:
        self._moment += timedelta(seconds=self._random.randrange(1, 600))
        context = Context(actor=None, role="system", correlation_id=f"r-{self._number}")
        try:
            execute(command, context, store=self.store, clock=lambda: self._moment)
        except Refused:
            self.refused += 1

    def _new(self, kind: str) -> UUID:
        """Ids in the order of time, as those of the shop."""
        self._number += 1
        low = self._random.getrandbits(48)
        id = UUID(int=(self._number << 80) | (7 << 76) | (2 << 62) | low)
        self._ids[kind].append(id)
        return id

    def _any(self, kind: str) -> UUID:
        """Rather one of the latest: those go on, the others rest."""
        ids = self._ids[kind]
        return self._random.choice(ids[-12:] if self._random.random() < 0.8 else ids)

    def _email(self) -> str:
        return f"person-{self._number}-{self._random.getrandbits(20)}@shop.example"

    def _customer(self) -> Command:
        id = self._new("customer")
        return RegisterCustomer(
            customer_id=id, name=f"Customer Ünö {self._number}", email=self._email(), phone="+1 555"
        )

    def _vehicle(self) -> Command:
        id = self._new("vehicle")
        vin = f"2T1BR32E{self._number:09d}"
        known: dict[str, Any] = dict(make="Toyota", model="Corolla", year=2014)
        owner = self._any("customer")
        return RegisterVehicle(vehicle_id=id, customer_id=owner, vin=vin, plate="AB", **known)

    def _mechanic(self) -> Command:
        id, rate = self._new("mechanic"), self._random.randrange(3000, 15000)
        name = f"Mechanic {self._number}"
        return HireMechanic(mechanic_id=id, name=name, email=self._email(), labor_rate_cents=rate)

    def _item(self) -> Command:
        id, price = self._new("item"), self._random.randrange(100, 9000)
        return AddItem(
            inventory_id=id,
            part_number=f"P-{self._number}",
            name="A part",
            unit_price_cents=price,
            unit_cost_cents=price // 2,
            reorder_point=4,
        )

    def _account(self) -> Command:
        chance, role = self._random, self._random.choice(list(Role))
        if chance.random() < 0.5 or not self._ids["account"]:
            whom = dict(customer_id=self._any("customer")) if role is Role.CUSTOMER else {}
            return RegisterAccount(
                account_id=self._new("account"),
                email=self._email(),
                password="a hash",
                role=role,
                **whom,
            )
        id = self._any("account")
        return chance.choice(
            [
                ChangeAccount(account_id=id, email=self._email()),
                DeactivateAccount(account_id=id),
                ReactivateAccount(account_id=id),
            ]
        )

    def _person(self) -> Command:
        customer, mechanic = self._any("customer"), self._any("mechanic")
        return self._random.choice(
            [
                ChangeCustomer(customer_id=customer, phone=f"+1 555 {self._number}"),
                ArchiveCustomer(customer_id=customer),
                RestoreCustomer(customer_id=customer),
                RestoreCustomer(customer_id=customer),
                EraseCustomer(customer_id=customer),
                ChangeMechanic(mechanic_id=mechanic, certifications=["Brakes"]),
                RecordMechanicLeft(mechanic_id=mechanic),
                RehireMechanic(mechanic_id=mechanic),
                RehireMechanic(mechanic_id=mechanic),
            ]
        )

    def _machine(self) -> Command:
        id, chance = self._any("vehicle"), self._random
        unit = OdometerUnit("mi")
        value = chance.randrange(200_000)
        return chance.choice(
            [
                RecordOdometer(vehicle_id=id, shop_unit=unit, value=value),
                TransferVehicle(vehicle_id=id, customer_id=self._any("customer")),
                ArchiveVehicle(vehicle_id=id),
                RestoreVehicle(vehicle_id=id),
                RestoreVehicle(vehicle_id=id),
            ]
        )

    def _shelf(self) -> Command:
        id, chance = self._any("item"), self._random
        delta = chance.choice((-3, -1, 2))
        return chance.choice(
            [
                ReceiveStock(inventory_id=id, quantity=chance.randrange(1, 30)),
                ReceiveStock(inventory_id=id, quantity=9, unit_cost_cents=chance.randrange(5000)),
                AdjustStock(
                    inventory_id=id, quantity_delta=delta, reason=AdjustmentReason.COUNT_CORRECTION
                ),
                ChangeItem(inventory_id=id, unit_price_cents=chance.randrange(100, 9000)),
                DiscontinueItem(inventory_id=id),
                ReinstateItem(inventory_id=id),
                ReinstateItem(inventory_id=id),
            ]
        )

    def _open(self) -> Command:
        vehicle = self._any("vehicle")
        stream = self.store.streams.get(vehicle, [])
        owners = [r.event.customer_id for r in stream if hasattr(r.event, "customer_id")]
        self._opens += 1
        return OpenTicket(
            ticket_id=self._new("ticket"),
            ro_number=self._opens,
            shop_unit=OdometerUnit("mi"),
            customer_id=owners[-1] if owners else self._any("customer"),
            vehicle_id=vehicle,
            description="Brakes squeal",
            priority=self._random.choice(list(Priority)),
        )

    def _work(self) -> Command:
        if not self._ids["ticket"]:
            return self._open()
        chance, id = self._random, self._any("ticket")
        mechanic, item, line = self._any("mechanic"), self._any("item"), self._new("line")
        if chance.random() < 0.55:
            part = chance.random() < 0.5
            self._lines.append((id, line, part))
            if part:
                quantity = chance.randrange(1, 4)
                return IssuePart(ticket_id=id, line_id=line, inventory_id=item, quantity=quantity)
            who = chance.choice((None, mechanic, mechanic))
            rate = 5000 if who is None else None
            return AddLabor(
                ticket_id=id,
                line_id=line,
                description="Work",
                minutes=chance.randrange(1, 200),
                mechanic_id=who,
                rate_cents_per_hour=rate,
            )
        if chance.random() < 0.2 and self._lines:
            of, line, part = chance.choice(self._lines[-12:])
            kind: Any = ReturnPart if part else RemoveLabor
            back: Command = kind(ticket_id=of, line_id=line)
            return back
        return chance.choice(
            [
                AssignMechanic(ticket_id=id, mechanic_id=mechanic),
                AssignMechanic(ticket_id=id, mechanic_id=mechanic),
                RemoveMechanic(ticket_id=id, mechanic_id=mechanic),
                StartTicket(ticket_id=id),
                HoldTicket(ticket_id=id, hold_reason=chance.choice(list(HoldReason))),
                ResumeTicket(ticket_id=id),
                CompleteTicket(ticket_id=id),
                CloseTicket(ticket_id=id),
                ReopenTicket(ticket_id=id, reason="Squeals again"),
                VoidTicket(ticket_id=id, reason="By mistake"),
                ChangeTicket(ticket_id=id, description=f"Brakes {chance.randrange(99)}"),
            ]
        )


def written(runtime: Runtime, *, seed: int, events: int) -> RandomShop:
    """A random history in the runtime's store; nothing of it is shown yet."""
    shop = RandomShop(seed)
    shop.live(events)
    write(runtime.store, shop.store.log)
    return shop


def write(store: EventStore, log: list[tuple[list[Recorded[Any]], set[UUID]]]) -> None:
    for start in range(0, len(log), COMMITS_AT_ONCE):
        with store.transaction() as transaction:
            batch: list[Recorded[Any]] = []
            for appended, forgotten in log[start : start + COMMITS_AT_ONCE]:
                batch += appended
                if forgotten:
                    transaction.append(batch, [])
                    batch = []
                for subject in forgotten:
                    transaction.forget(subject)
            if batch:
                transaction.append(batch, [])
