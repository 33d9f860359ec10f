"""Whatever is asked in whatever order, the store does what plain dicts do - also when others
come in between the look and the commit.

`TORTURE_EXAMPLES` makes it longer, and other each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from commands.execution import execute
from commands.kernel import Command, Context, Receipt
from commands.store import Key, KeyReused
from domain.customer import Customer
from domain.inventory import InventoryItem, StockIssued
from domain.kernel import A, Aggregate, Recorded, Refused, replay
from domain.ticket import Ticket
from domain.vehicle import Vehicle
from infrastructure.database import Database
from infrastructure.event_store.checks import verify
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.store import EventStore
from infrastructure.event_store.transaction import StoreTransaction
from tests import builders as b
from tests.commands.asking import ASKED, WHICH, Asked, asking
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


class StoreMachine(RuleBasedStateMachine):
    database: Database
    store: EventStore

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.kept: list[tuple[Command, Key, str, Receipt | None]] = []
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
        for mechanic in (uuid4(), uuid4()):
            past[mechanic] = [b.mechanic_hired(labor_rate_cents=RATE)]
            self.model.rates[mechanic] = RATE
        with self.store.transaction() as transaction:
            recorded = [r for id, events in past.items() for r in history(*events, id=id)]
            transaction.append(recorded, [])

    @rule(asked=ASKED, keyed=st.booleans())
    def one_comes(self, asked: Asked, keyed: bool) -> None:
        command, key = asking(self.model, asked), _new_key() if keyed else None

        outcome, receipt = self._execute(command, key)

        assert outcome == self.model.do(command)
        if key:
            self.kept.append((command, key, outcome, receipt))

    @rule(asked=ASKED, keyed=st.booleans(), rivals=st.lists(ASKED, min_size=1, max_size=3))
    def others_come_first(
        self,
        asked: Asked,
        keyed: bool,
        rivals: list[Asked],
    ) -> None:
        command, key = asking(self.model, asked), _new_key() if keyed else None
        others = [asking(self.model, rival) for rival in rivals]
        order: list[tuple[Command, str]] = []

        def come(other: Command) -> None:
            order.append((other, self._execute(other)[0]))

        if not self.database.is_mysql:  # Its one writer keeps everybody else out.
            while others:
                come(others.pop(0))
        store = Rivals(self.store, [partial(come, other) for other in others])
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


def _new_key() -> Key:
    return Key(scope=uuid4().bytes * 2, fingerprint=b"payload".ljust(32))


def _moves(recorded: Recorded[Any]) -> bool:
    return hasattr(recorded.event, "quantity_on_hand")


def _moved(event: Any) -> int:
    return -event.quantity if isinstance(event, StockIssued) else int(event.quantity)


@pytest.fixture
def machine(database: Database, monkeypatch: pytest.MonkeyPatch) -> type[RuleBasedStateMachine]:
    for kind in (InventoryItem, Ticket, Customer, Vehicle):
        monkeypatch.setattr(kind, "snapshot_every", SNAPSHOT_EVERY)
    given = dict(database=database, store=event_store(database))
    return type("OnThisDatabase", (StoreMachine,), given)


def test_the_store_does_what_plain_dicts_do(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(EXAMPLES or 15),
            stateful_step_count=STEPS,
            derandomize=EXAMPLES is None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
