"""Whatever is asked in whatever order, the store does what plain dicts do - also when others
come in between the look and the commit.

`TORTURE_EXAMPLES` makes it longer, and other each time.
"""

from __future__ import annotations

import os
from functools import partial
from itertools import accumulate
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from commands.execution import execute
from commands.kernel import Command, Context, Receipt
from commands.store import Key, KeyReused
from domain.customer import Customer
from domain.inventory import InventoryItem, StockIssued
from domain.kernel import A, Recorded, Refused, replay
from domain.ticket import Ticket
from domain.vehicle import Vehicle
from infrastructure.database import Database
from infrastructure.event_store.checks import verify
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.store import EventStore
from tests import builders as b
from tests.commands.asking import ASKED, NUMBER, WHAT, WHICH, Asked, asking, opening
from tests.commands.model import DONE, Model, TicketModel, VehicleModel
from tests.commands.rivals import Rivals
from tests.given import history
from tests.infrastructure.event_store.stores import event_store, now

EXAMPLES = os.environ.get("TORTURE_EXAMPLES")
STEPS = 50
SNAPSHOT_EVERY = 3
"""Instead of a hundred events and more: so that short lives have snapshots too."""
PRICE, RATE, STOCK = 1_250, 9_050, 6


RIVALS = st.lists(st.tuples(WHAT, NUMBER), min_size=1, max_size=3)


class StoreMachine(RuleBasedStateMachine):
    database: Database
    store: EventStore

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.changed: set[UUID] = set()
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
        for customer, vehicle in zip(self.model.customers, self.model.vehicles, strict=True):
            self._must(opening(customer, vehicle))

    def _must(self, command: Command) -> None:
        assert self._execute(command)[0] == self.model.do(command) == DONE

    @rule(asked=ASKED, keyed=st.booleans())
    def one_comes(self, asked: Asked, keyed: bool) -> None:
        command, key = asking(self.model, asked), _new_key() if keyed else None

        outcome, receipt = self._execute(command, key)

        assert outcome == self.model.do(command)
        if key:
            self.kept.append((command, key, outcome, receipt))

    @rule(asked=ASKED, keyed=st.booleans(), rivals=RIVALS)
    def others_come_first(self, asked: Asked, keyed: bool, rivals: list[tuple[str, int]]) -> None:
        """Others who want something of the same things."""
        command, key = asking(self.model, asked), _new_key() if keyed else None
        _, which, other, _ = asked
        others = [asking(self.model, (what, which, other, number)) for what, number in rivals]
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
    def what_changed_is_as_in_the_model(self) -> None:
        while self.changed:
            self._check(self.changed.pop())

    def _check(self, id: UUID) -> None:
        if id in self.model.on_hand:
            self._check_item(id)
        elif id in self.model.tickets:
            self._check_ticket(id)
        elif id in self.model.customers:
            assert self._now(Customer, id)[0].open_ticket_ids == self.model.customers[id]
        else:
            vehicle, _ = self._now(Vehicle, id)
            known = VehicleModel(vehicle.customer_id, vehicle.open_ticket_ids, vehicle.archived)
            assert known == self.model.vehicles[id]

    def _check_item(self, id: UUID) -> None:
        item, events = self._now(InventoryItem, id)
        movements = [r.event for r in events if hasattr(r.event, "quantity_on_hand")]
        assert [m.quantity_on_hand for m in movements] == list(accumulate(map(_moved, movements)))
        assert movements[-1].quantity_on_hand == item.quantity_on_hand == self.model.on_hand[id]

    def _check_ticket(self, id: UUID) -> None:
        ticket, _ = self._now(Ticket, id)
        parts = {
            line_id: (line.inventory_id, line.quantity, line.unit_price_cents)
            for line_id, line in ticket.parts.items()
        }
        known = TicketModel(
            ticket.customer_id,
            ticket.vehicle_id,
            ticket.status,
            parts,
            ticket.labor,
            ticket.mechanic_ids,
        )
        assert known == self.model.tickets[id]
        assert ticket.parts_total_cents == sum(n * price for _, n, price in parts.values())
        assert ticket.labor_total_cents == sum(ticket.labor.values())

    def _now(self, kind: type[A], id: UUID) -> tuple[A, list[Recorded[Any]]]:
        """The aggregate as it is loaded, which is what all its events make: no version lacks."""
        with self.store.transaction() as transaction:
            aggregate, events = transaction.load(kind, id), self.store.events(id)
        assert aggregate == replay(kind(id=id), events)
        return aggregate, events

    def teardown(self) -> None:
        model = self.model
        for id in (*model.on_hand, *model.tickets, *model.customers, *model.vehicles):
            self._check(id)
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
        self.changed |= receipt.versions.keys() if receipt.commit_id else set()
        return DONE, receipt


def _new_key() -> Key:
    return Key(scope=uuid4().bytes * 2, fingerprint=b"payload".ljust(32))


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
            max_examples=int(EXAMPLES or 25),
            stateful_step_count=STEPS,
            derandomize=EXAMPLES is None,
            deadline=None,
            # Making a failure short takes minutes: for those who look into one.
            phases=tuple(Phase) if EXAMPLES else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
