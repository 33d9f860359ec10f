"""A shop's past as a benchmark needs it: all kinds of streams, stored in bulk.

What people do in the shop, in the order in which they do it, so that the streams interleave:
every visit is a ticket of about twenty events that also touch a customer, a vehicle and stock.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import insert

from domain.inventory import ItemAdded
from domain.kernel import Event, Recorded
from domain.ticket_events import TicketCompleted, TicketOpened, TicketStarted
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.tables import events, feed
from infrastructure.ids import uuid7
from infrastructure.runtime import Runtime
from tests import builders as b
from tests.given import SOME_DAY

CHUNK = 5000
ITEMS, MECHANICS = 200, 10
VISITS_AT_ONCE = 20
VISITS_PER_CUSTOMER = 5
Step = tuple[UUID, Event]


class Past:
    """What has happened so far; it can be gone on with. `tickets` have been opened, each for one
    of `visitors`: customer and vehicle."""

    def __init__(self, runtime: Runtime) -> None:
        self.items, self.tickets = list[UUID](), list[UUID]()
        self.visitors = list[tuple[UUID, UUID]]()
        self._runtime, self._happenings = runtime, _happenings()
        self._versions, self._position = Counter[UUID](), 0

    def store(self, until: int) -> None:
        """Events up to that position, in the feed already: encoded and sealed as the store
        does it, written many at a time."""
        while self._position < until:
            chunk = islice(self._happenings, min(CHUNK, until - self._position))
            _write(self._runtime, [self._recorded(*step) for step in chunk], self._position)

    def _recorded(self, id: UUID, event: Event) -> Recorded[Any]:
        self._versions[id] += 1
        self._position += 1
        match event:
            case ItemAdded():
                self.items.append(id)
            case TicketOpened():
                self.tickets.append(id)
                self.visitors.append((event.customer_id, event.vehicle_id))
        return Recorded(
            originator_id=id,
            originator_version=self._versions[id],
            recorded_at=SOME_DAY + timedelta(seconds=self._position),
            actor=b.ACCOUNT_ID,
            role="mechanic",
            command="Benchmark",
            correlation_id=str(b.ACCOUNT_ID),
            event=event,
        )


def _write(runtime: Runtime, recorded: list[Recorded[Any]], last: int) -> None:
    with runtime.database.transaction() as connection:
        stored = EventMapper(runtime.keyring).to_stored_events(recorded)
        commit = dict(commit_id=uuid7())
        connection.execute(insert(events), [vars(each) | commit for each in stored])
        places = [
            dict(
                position=position,
                originator_id=each.originator_id,
                originator_version=each.originator_version,
            )
            for position, each in enumerate(stored, start=last - len(stored) + 1)
        ]
        connection.execute(insert(feed), places)


def _happenings() -> Iterator[Step]:
    items = [uuid7() for _ in range(ITEMS)]
    mechanics = [uuid7() for _ in range(MECHANICS)]
    for item in items:
        yield item, b.item_added(part_number=str(item))
        yield item, b.received(quantity=1_000_000, quantity_on_hand=1_000_000)
    for mechanic in mechanics:
        yield mechanic, b.mechanic_hired()
    on_hand = Counter(dict.fromkeys(items, 1_000_000))
    under_way = deque[Iterator[Step]]()
    number, customer, vehicle = 0, uuid7(), uuid7()
    while True:
        while len(under_way) < VISITS_AT_ONCE:
            if number % VISITS_PER_CUSTOMER == 0:
                customer, vehicle = uuid7(), uuid7()
                yield uuid5(customer, "claim"), b.claim_taken(owner_id=customer)
                yield customer, b.customer_registered(name=f"Customer {number}")
                yield vehicle, b.vehicle_registered(customer_id=customer)
            parts = [items[(7 * number + n) % ITEMS] for n in range(3)]
            mechanic = mechanics[number % MECHANICS]
            under_way.append(_visit(number, customer, vehicle, mechanic, parts, on_hand))
            number += 1
        visit = under_way.popleft()
        if (step := next(visit, None)) is not None:
            yield step
            under_way.append(visit)


def _visit(
    number: int,
    customer: UUID,
    vehicle: UUID,
    mechanic: UUID,
    parts: Iterable[UUID],
    on_hand: Counter[UUID],
) -> Iterator[Step]:
    ticket = uuid7()
    yield ticket, b.ticket_opened(ro_number=number, customer_id=customer, vehicle_id=vehicle)
    yield vehicle, b.vehicle_ticket_opened(ticket_id=ticket, open_ticket_ids=[ticket])
    yield customer, b.customer_ticket_opened(ticket_id=ticket, open_ticket_ids=[ticket])
    yield ticket, b.mechanic_assigned(mechanic_id=mechanic, mechanic_ids=[mechanic])
    yield ticket, TicketStarted()
    for part in parts:
        line = uuid7()
        on_hand[part] -= 2
        yield ticket, b.part_issued(line_id=line, inventory_id=part)
        yield part, b.issued(quantity_on_hand=on_hand[part], ticket_id=ticket, line_id=line)
    for _ in range(2):
        yield ticket, b.labor_added(line_id=uuid7(), mechanic_id=mechanic)
    yield ticket, b.ticket_changed(description="Brakes squeal, oil change")
    yield ticket, TicketCompleted()
    yield ticket, b.ticket_closed(mechanic_ids=[mechanic])
    yield vehicle, b.vehicle_ticket_closed(ticket_id=ticket)
    yield customer, b.customer_ticket_closed(ticket_id=ticket)
