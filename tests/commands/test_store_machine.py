"""Whatever is asked in whatever order, the store does what plain dicts do - also when others
come in between the look and the commit.

`TORTURE_EXAMPLES` makes it longer, and other each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from commands.execution import execute
from commands.inventory import AdjustStock, ReceiveStock
from commands.kernel import Command, Context, Receipt
from commands.store import Key, KeyReused
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
    IssuePart,
    OpenTicket,
    RemoveLabor,
    RemoveMechanic,
    ReturnPart,
)
from commands.vehicles import ArchiveVehicle, RestoreVehicle, TransferVehicle
from domain.customer import Customer
from domain.inventory import AdjustmentReason, InventoryItem
from domain.kernel import A, Aggregate, Recorded, Refused, replay
from domain.ticket import Ticket
from domain.ticket_events import HoldReason
from domain.vehicle import OdometerUnit, Vehicle
from infrastructure.database import Database
from infrastructure.event_store.checks import verify
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.store import EventStore
from infrastructure.event_store.transaction import StoreTransaction
from tests import builders as b
from tests.commands.model import DONE, Model, VehicleModel
from tests.given import history
from tests.infrastructure.event_store.stores import event_store, now

EXAMPLES = os.environ.get("TORTURE_EXAMPLES")
STEPS = 40
SNAPSHOT_EVERY = 3
"""Instead of a hundred events and more: so that short lives have snapshots too."""
PRICE, RATE, STOCK = 1_250, 9_050, 6


class Rivals:
    """The store, where before each commit that holds events the next rival comes first."""

    def __init__(self, store: EventStore, rivals: Sequence[Callable[[], object]]) -> None:
        self._store, self._waiting = store, list(rivals)
        self.attempts = 0

    @contextmanager
    def transaction(self) -> Iterator[StoreTransaction]:
        self.attempts += 1
        with self._store.transaction() as transaction:
            append = transaction.append

            def after_a_rival(events: Any, after: Any) -> None:
                if self._waiting:
                    elsewhere(self._waiting.pop(0))
                append(events, after)

            transaction.append = after_a_rival  # type: ignore[method-assign]
            yield transaction


def elsewhere(rival: Callable[[], object]) -> None:
    """In a thread, hence on a connection, of its own."""
    thread = Thread(target=rival)
    thread.start()
    thread.join()


WHATS = st.sampled_from(
    "open issue issue issue return receive adjust assign remove labor unlabor "
    "start hold resume complete close reopen void transfer archive restore".split()
)
WHICH = st.integers(0, 5)
ASKED = st.tuples(WHATS, WHICH, WHICH, st.integers(0, 4))
"""What, of which, with which other, how many."""


class StoreMachine(RuleBasedStateMachine):
    database: Database
    store: EventStore

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.lines: list[UUID] = []
        self.kept: list[tuple[Command, Key, str, Receipt | None]] = []
        self.mechanics = [uuid4(), uuid4()]
        self._begin()

    def _begin(self) -> None:
        """Two customers with a vehicle each, two mechanics, two items: new ones each time."""
        past: dict[UUID, list[Any]] = {}
        for _ in range(2):
            customer, vehicle, item = uuid4(), uuid4(), uuid4()
            past[customer] = [b.customer_registered()]
            past[vehicle] = [b.vehicle_registered(customer_id=customer)]
            past[item] = [
                b.item_added(unit_price_cents=PRICE),
                b.received(quantity=STOCK, quantity_on_hand=STOCK),
            ]
            self.model.customers[customer] = []
            self.model.vehicles[vehicle] = VehicleModel(customer)
            self.model.on_hand[item], self.model.prices[item] = STOCK, PRICE
        for mechanic in self.mechanics:
            past[mechanic] = [b.mechanic_hired(labor_rate_cents=RATE)]
            self.model.rates[mechanic] = RATE
        with self.store.transaction() as transaction:
            recorded = [r for id, events in past.items() for r in history(*events, id=id)]
            transaction.append(recorded, [])

    @rule(asked=ASKED, keyed=st.booleans())
    def one_comes(self, asked: tuple[str, int, int, int], keyed: bool) -> None:
        command, key = self._command(*asked), _new_key() if keyed else None

        outcome, receipt = self._execute(command, key)

        assert outcome == self.model.do(command)
        if key:
            self.kept.append((command, key, outcome, receipt))

    @rule(
        asked=ASKED, keyed=st.booleans(), rivals=st.lists(ASKED, min_size=1, max_size=3)
    )
    def others_come_first(
        self,
        asked: tuple[str, int, int, int],
        keyed: bool,
        rivals: list[tuple[str, int, int, int]],
    ) -> None:
        command, key = self._command(*asked), _new_key() if keyed else None
        others = [self._command(*rival) for rival in rivals]
        order: list[tuple[Command, str]] = []

        def come(other: Command) -> None:
            order.append((other, self._execute(other)[0]))

        if not self.database.is_mysql:  # Its one writer keeps everybody out.
            come(others.pop(0))
        store = Rivals(self.store, [lambda other=other: come(other) for other in others])  # type: ignore[misc]
        if not self.database.is_mysql:
            store = Rivals(self.store, [])
        outcome, receipt = self._execute(command, key, store)
        order.append((command, outcome))

        assert [told for _, told in order] == [self.model.do(done) for done, _ in order]
        assert store.attempts <= len(order)
        if key:
            self.kept.append((command, key, outcome, receipt))

    @rule(which=WHICH)
    def it_comes_again(self, which: int) -> None:
        if self.kept:
            command, key, outcome, receipt = self.kept[which % len(self.kept)]

            assert self._execute(command, key) == (outcome, receipt)
            with pytest.raises(KeyReused):
                self._execute(command, Key(scope=key.scope, fingerprint=b"other".ljust(32)))

    @invariant()
    def the_shelves_are_the_models(self) -> None:
        for id, on_hand in self.model.on_hand.items():
            movements = [r.event for r in self._whole(InventoryItem, id) if _moves(r)]
            sums = [sum(_moved(m) for m in movements[: n + 1]) for n in range(len(movements))]
            assert [m.quantity_on_hand for m in movements] == sums
            assert self._loaded(InventoryItem, id).quantity_on_hand == sums[-1] == on_hand

    @invariant()
    def the_tickets_are_the_models(self) -> None:
        for id, model in self.model.tickets.items():
            self._whole(Ticket, id)
            ticket = self._loaded(Ticket, id)
            lines = {
                line_id: (line.inventory_id, line.quantity, line.unit_price_cents)
                for line_id, line in ticket.parts.items()
            }
            assert (str(ticket.status), lines) == (model.status, model.parts)
            assert (ticket.labor, ticket.mechanic_ids) == (model.labor, model.mechanics)
            parts_total = sum(quantity * price for _, quantity, price in lines.values())
            assert ticket.parts_total_cents == parts_total
            assert ticket.labor_total_cents == sum(ticket.labor.values())

    @invariant()
    def open_tickets_are_known_to_customer_and_vehicle(self) -> None:
        for id, opened in self.model.customers.items():
            assert self._loaded(Customer, id).open_ticket_ids == opened
            self._whole(Customer, id)
        for id, model in self.model.vehicles.items():
            vehicle = self._loaded(Vehicle, id)
            assert (vehicle.customer_id, vehicle.archived) == (model.owner, model.archived)
            assert vehicle.open_ticket_ids == model.open
            self._whole(Vehicle, id)

    def teardown(self) -> None:
        while Sequencer(self.database).step():
            continue
        assert list(verify(self.database)) == []

    def _execute(
        self, command: Command, key: Key | None = None, store: Any = None
    ) -> tuple[str, Receipt | None]:
        context = Context(actor=None, role="system", correlation_id="machine", key=key)
        try:
            receipt = execute(
                command, context, store=store or self.store, clock=now, sleep=lambda _: None
            )
        except Refused as refused:
            return str(refused).partition(";")[0], None
        return DONE, receipt

    def _loaded(self, kind: type[A], id: UUID) -> A:
        with self.store.transaction() as transaction:
            return transaction.load(kind, id)

    def _whole(self, kind: type[Aggregate[Any]], id: UUID) -> list[Recorded[Any]]:
        """Its events, which make what loading it gives: versions without holes among them."""
        events = self.store.events(id)
        assert replay(kind(id=id), events) == self._loaded(kind, id)
        return events

    def _command(self, what: str, which: int, other: int, number: int) -> Command:
        customers, items = list(self.model.customers), list(self.model.on_hand)
        ticket_id = _of(list(self.model.tickets), which)
        vehicle_id = _of(list(self.model.vehicles), which)
        moves = dict(
            start=StartTicket, resume=ResumeTicket, complete=CompleteTicket, void=VoidTicket
        )
        match what:
            case "open":
                return OpenTicket(
                    ticket_id=uuid4(),
                    ro_number=1,
                    shop_unit=OdometerUnit.MILES,
                    customer_id=_of(customers, other),
                    vehicle_id=vehicle_id,
                    description="Brakes",
                )
            case "issue":
                return IssuePart(
                    ticket_id=ticket_id,
                    line_id=self._line(),
                    inventory_id=_of(items, other),
                    quantity=number + 1,
                )
            case "return":
                return ReturnPart(ticket_id=ticket_id, line_id=_of(self.lines, other))
            case "receive":
                return ReceiveStock(inventory_id=_of(items, which), quantity=number + 1)
            case "adjust":
                return AdjustStock(
                    inventory_id=_of(items, which),
                    quantity_delta=number - 2,
                    reason=AdjustmentReason.LOSS,
                )
            case "assign" | "remove":
                kind = AssignMechanic if what == "assign" else RemoveMechanic
                return kind(ticket_id=ticket_id, mechanic_id=_of(self.mechanics, other))
            case "labor":
                return AddLabor(
                    ticket_id=ticket_id,
                    line_id=self._line(),
                    description="Work",
                    minutes=number * 7 + 1,
                    mechanic_id=_of(self.mechanics, other),
                )
            case "unlabor":
                return RemoveLabor(ticket_id=ticket_id, line_id=_of(self.lines, other))
            case "hold":
                return HoldTicket(ticket_id=ticket_id, hold_reason=HoldReason.OTHER)
            case "close":
                return CloseTicket(ticket_id=ticket_id, shop_unit=OdometerUnit.MILES)
            case "reopen":
                return ReopenTicket(ticket_id=ticket_id, reason="comes back")
            case "transfer":
                return TransferVehicle(vehicle_id=vehicle_id, customer_id=_of(customers, other))
            case "archive":
                return ArchiveVehicle(vehicle_id=vehicle_id)
            case "restore":
                return RestoreVehicle(vehicle_id=vehicle_id)
            case _:
                return moves[what](ticket_id=ticket_id)

    def _line(self) -> UUID:
        self.lines.append(uuid4())
        return self.lines[-1]
