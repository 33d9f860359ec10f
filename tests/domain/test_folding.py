"""Whatever is asked, in whatever order: what was emitted retells what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

import hypothesis
from hypothesis import strategies as st

from domain.account import Account, Role
from domain.claim import Claim, ClaimKind
from domain.customer import Customer
from domain.inventory import (
    AdjustmentReason,
    InventoryItem,
    StockAdjusted,
    StockIssued,
    StockReceived,
    StockReturned,
)
from domain.kernel import A, Refused, replay
from domain.mechanic import Mechanic
from domain.ticket import Ticket, labor_cents
from domain.ticket_events import (
    HoldReason,
    LaborAdded,
    LaborRemoved,
    PartIssued,
    PartReturned,
    Status,
)
from domain.vehicle import Odometer, OdometerUnit, Vehicle
from tests.builders import (
    PART_LINE_ID,
    TICKET_ID,
    customer_details,
    item_details,
    mechanic_details,
    part_line,
    ticket_details,
    vehicle_details,
)
from tests.given import SOME_DAY, SOME_ID, given, history

OPENING: dict[str, Any] = dict(
    ro_number=1,
    customer_id=SOME_ID,
    vehicle_id=SOME_ID,
    at=SOME_DAY,
    odometer_unit=OdometerUnit.MILES,
    details=ticket_details(),
)
Wish = Callable[[Any], object]
IDS = st.sampled_from([UUID(int=n) for n in range(1, 5)])
MAYBE_IDS = st.none() | IDS
CENTS = st.integers(0, 5_000)
WORDS = st.sampled_from(["one", "two", "three"])
READINGS = st.builds(Odometer, st.integers(0, 500), st.sampled_from(OdometerUnit))


def wish(name: str, *arguments: st.SearchStrategy[Any], **named: st.SearchStrategy[Any]) -> Any:
    def ask(given: tuple[tuple[Any, ...], dict[str, Any]]) -> Wish:
        return lambda aggregate: getattr(aggregate, name)(*given[0], **given[1])

    return st.tuples(st.tuples(*arguments), st.fixed_dictionaries(named)).map(ask)


def wishes(*kinds: Any) -> Any:
    return st.lists(st.one_of(*kinds), max_size=40)


def lived(aggregate: A, asked: Iterable[Wish]) -> A:
    for ask in asked:
        with suppress(Refused):
            ask(aggregate)
    return aggregate


def retold(aggregate: A) -> A:
    """The same aggregate, from nothing but what it emitted."""
    told = replay(type(aggregate)(id=aggregate.id), history(*aggregate.emitted))
    aggregate.emitted, aggregate.recorded_at = [], told.recorded_at
    return told


@hypothesis.given(
    wishes(
        wish("change_details", st.builds(customer_details, name=WORDS, phone=WORDS)),
        wish("open_ticket", IDS),
        wish("close_ticket", IDS),
        *(wish(name) for name in ("archive", "restore", "erase")),
    )
)
def test_a_customer_is_what_happened(asked: list[Wish]) -> None:
    customer = given(Customer)
    customer.register(customer_details())

    assert retold(lived(customer, asked)) == customer
    if customer.state != "active":
        assert customer.open_ticket_ids == []


@hypothesis.given(
    wishes(
        wish("change_details", st.builds(vehicle_details, color=WORDS)),
        wish("transfer", IDS),
        wish("record_odometer", READINGS, st.just(SOME_DAY), MAYBE_IDS),
        wish("open_ticket", IDS),
        wish("close_ticket", IDS),
        *(wish(name) for name in ("archive", "restore")),
    )
)
def test_a_vehicle_is_what_happened(asked: list[Wish]) -> None:
    vehicle = given(Vehicle)
    vehicle.register(UUID(int=1), vehicle_details())

    assert retold(lived(vehicle, asked)) == vehicle
    if vehicle.archived:
        assert vehicle.open_ticket_ids == []


@hypothesis.given(
    wishes(
        wish("change_details", st.builds(mechanic_details, name=WORDS, labor_rate_cents=CENTS)),
        *(wish(name) for name in ("leave", "rehire")),
    )
)
def test_a_mechanic_is_what_happened(asked: list[Wish]) -> None:
    mechanic = given(Mechanic)
    mechanic.hire(mechanic_details())

    assert retold(lived(mechanic, asked)) == mechanic


@hypothesis.given(
    wishes(
        wish(
            "change",
            email=WORDS,
            role=st.sampled_from(Role),
            mechanic_id=MAYBE_IDS,
            customer_id=MAYBE_IDS,
            by=MAYBE_IDS,
        ),
        wish("deactivate", by=MAYBE_IDS),
        *(wish(name) for name in ("change_password", "reactivate")),
    )
)
def test_an_account_is_what_happened_and_always_fits_its_role(asked: list[Wish]) -> None:
    account = given(Account)
    account.register("one", Role.ADMIN, None, None)

    assert retold(lived(account, asked)) == account
    assert (account.role is Role.CUSTOMER) == (account.customer_id is not None)
    assert account.mechanic_id is None or account.role is Role.MECHANIC


@hypothesis.given(
    wishes(
        wish("take", st.just(ClaimKind.VIN), IDS),
        wish("release", st.just(ClaimKind.VIN), IDS),
    )
)
def test_a_claim_is_what_happened_and_changes_hands_only_when_released(asked: list[Wish]) -> None:
    claim = lived(given(Claim), asked)
    tags = [type(event).__name__ for event in claim.emitted]

    assert tags == [("ClaimTaken", "ClaimReleased")[n % 2] for n in range(len(tags))]
    assert retold(claim) == claim


@hypothesis.given(
    wishes(
        wish("change_details", st.builds(item_details, name=WORDS)),
        wish("price", CENTS, CENTS),
        wish("receive", st.integers(1, 20), st.none() | CENTS),
        wish(
            "issue",
            st.integers(1, 20),
            ticket_id=st.just(TICKET_ID),
            line_id=st.just(PART_LINE_ID),
        ),
        wish(
            "take_back",
            st.integers(1, 20),
            ticket_id=st.just(TICKET_ID),
            line_id=st.just(PART_LINE_ID),
        ),
        wish("adjust", st.integers(-20, 20), st.sampled_from(AdjustmentReason), st.none()),
        *(wish(name) for name in ("discontinue", "reinstate")),
    )
)
def test_every_unit_on_hand_is_explained_by_a_movement(asked: list[Wish]) -> None:
    item = given(InventoryItem)
    item.add(item_details(), 600, 1_000)
    lived(item, asked)

    explained = 0
    for event in item.emitted:
        match event:
            case StockIssued():
                explained -= event.quantity
            case StockReceived() | StockReturned() | StockAdjusted():
                explained += event.quantity
            case _:
                continue
        assert event.quantity_on_hand == explained >= 0
    assert item.quantity_on_hand == explained
    assert retold(item) == item


OPEN, IN_PROGRESS, ON_HOLD, COMPLETED, CLOSED, VOIDED = Status
DIAGRAM = {
    (OPEN, IN_PROGRESS),
    (IN_PROGRESS, ON_HOLD),
    (ON_HOLD, IN_PROGRESS),
    (OPEN, COMPLETED),
    (IN_PROGRESS, COMPLETED),
    (COMPLETED, IN_PROGRESS),
    *((status, CLOSED) for status in (OPEN, IN_PROGRESS, COMPLETED)),
    (CLOSED, OPEN),
    *((status, VOIDED) for status in (OPEN, IN_PROGRESS, ON_HOLD, COMPLETED)),
}


def on_a_new_line(method: str, /, **named: st.SearchStrategy[Any]) -> Any:
    """A line id is made for its line alone."""

    def ask(given: dict[str, Any]) -> Wish:
        return lambda ticket: getattr(ticket, method)(UUID(int=1_000 + ticket.version), **given)

    return st.fixed_dictionaries(named).map(ask)


def on_some_line(name: str, lines: str) -> Any:
    def ask(which: int) -> Wish:
        def choose(ticket: Ticket) -> None:
            if ids := sorted(getattr(ticket, lines)):
                getattr(ticket, name)(ids[which % len(ids)])

        return choose

    return st.integers(0, 9).map(ask)


LINE_WISHES = (
    on_a_new_line(
        "issue_part",
        line=st.builds(
            part_line,
            quantity=st.integers(1, 9),
            unit_price_cents=CENTS,
            unit_cost_cents=CENTS,
        ),
        part_number=WORDS,
        name=WORDS,
    ),
    on_some_line("return_part", "parts"),
    on_a_new_line(
        "add_labor",
        description=WORDS,
        mechanic_id=MAYBE_IDS,
        minutes=st.integers(1, 500),
        rate_cents_per_hour=CENTS,
    ),
    on_some_line("remove_labor", "labor"),
)
TICKET_WISHES = wishes(
    wish("change_details", st.builds(ticket_details, key_tag=WORDS)),
    wish("assign", IDS),
    wish("remove", IDS),
    *LINE_WISHES,
    wish("hold", st.sampled_from(HoldReason)),
    wish("close", at=st.just(SOME_DAY), odometer_out=st.none()),
    *(wish(name) for name in ("start", "resume", "complete", "reopen", "void")),
)


@hypothesis.given(TICKET_WISHES)
def test_a_ticket_is_what_happened_and_never_leaves_the_diagram(asked: list[Wish]) -> None:
    ticket = given(Ticket)
    ticket.open(**OPENING)
    lived(ticket, asked)

    again = given(Ticket)
    for event in ticket.emitted:
        before = again.status
        again.apply(event)
        assert before == again.status or (before, again.status) in DIAGRAM
        assert before is not VOIDED
    assert retold(ticket) == ticket


@hypothesis.given(wishes(*LINE_WISHES, *(wish(name) for name in ("start", "complete", "void"))))
def test_totals_are_those_of_the_lines_on_the_ticket(asked: list[Wish]) -> None:
    ticket = given(Ticket)
    ticket.open(**OPENING)
    lived(ticket, asked)

    parts: dict[UUID, int] = {}
    labor: dict[UUID, int] = {}
    for event in ticket.emitted:
        match event:
            case PartIssued():
                parts[event.line_id] = event.quantity * event.unit_price_cents
            case LaborAdded():
                labor[event.line_id] = labor_cents(event.minutes, event.rate_cents_per_hour)
            case PartReturned():
                del parts[event.line_id]
            case LaborRemoved():
                del labor[event.line_id]
        said: Any = event
        if hasattr(said, "parts_total_cents"):
            assert said.parts_total_cents == sum(parts.values())
        if hasattr(said, "labor_total_cents"):
            assert said.labor_total_cents == sum(labor.values())
        if hasattr(said, "total_cents"):
            assert said.total_cents == sum(parts.values()) + sum(labor.values())
    assert ticket.parts_total_cents == sum(parts.values())
    assert ticket.labor_total_cents == sum(labor.values())
    assert ticket.status is not VOIDED or not parts
