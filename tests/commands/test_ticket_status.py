from typing import Any

import msgspec
import pytest

from commands.customers import ArchiveCustomer
from commands.kernel import Command, NotFound
from commands.ticket_status import (
    CloseTicket,
    CompleteTicket,
    HoldTicket,
    ReopenTicket,
    ResumeTicket,
    StartTicket,
    VoidTicket,
)
from commands.tickets import AddLabor
from commands.vehicles import TransferVehicle
from domain.customer import CustomerArchived
from domain.inventory import ItemDiscontinued
from domain.kernel import Refused
from domain.ticket_events import HoldReason, TicketCompleted, TicketResumed, TicketStarted
from domain.vehicle import OdometerUnit, VehicleArchived
from tests.builders import (
    CUSTOMER_ID,
    ITEM_ID,
    LABOR_LINE_ID,
    MECHANIC_ID,
    OTHER_CUSTOMER_ID,
    OTHER_ITEM_ID,
    OTHER_LINE_ID,
    TICKET_ID,
    VEHICLE_ID,
    customer_registered,
    customer_ticket_closed,
    customer_ticket_opened,
    issued,
    item_added,
    labor_added,
    mechanic_assigned,
    odometer_recorded,
    part_issued,
    part_returned,
    put_on_hold,
    received,
    returned,
    ticket_closed,
    ticket_opened,
    ticket_reopened,
    ticket_voided,
    vehicle_ticket_closed,
    vehicle_ticket_opened,
    vehicle_transferred,
)
from tests.commands.shop import BUSY, NOW, Past, Shop

MI, KM = OdometerUnit.MILES, OdometerUnit.KILOMETRES
CLOSE = CloseTicket(ticket_id=TICKET_ID)
REOPEN = ReopenTicket(ticket_id=TICKET_ID, reason="the lamp is on again")
VOID = VoidTicket(ticket_id=TICKET_ID)
CLOSED: Past = {
    TICKET_ID: [ticket_closed()],
    VEHICLE_ID: [vehicle_ticket_closed()],
    CUSTOMER_ID: [customer_ticket_closed()],
}


def test_a_ticket_goes_its_way(shop: Shop) -> None:
    shop.given(BUSY)

    for command in (
        StartTicket(ticket_id=TICKET_ID),
        HoldTicket(ticket_id=TICKET_ID, hold_reason=HoldReason.WAITING_PARTS),
        ResumeTicket(ticket_id=TICKET_ID),
        CompleteTicket(ticket_id=TICKET_ID),
    ):
        shop.when(command)

    assert shop.then == {
        TICKET_ID: [TicketStarted(), put_on_hold(), TicketResumed(), TicketCompleted()]
    }


def test_closing_a_ticket_happens_to_ticket_vehicle_and_customer(shop: Shop) -> None:
    shop.given(BUSY, {TICKET_ID: [mechanic_assigned(), labor_added()]})

    shop.when(CLOSE)

    assert shop.then == {
        TICKET_ID: [
            ticket_closed(
                closed_at=NOW,
                mechanic_ids=[MECHANIC_ID],
                labor_total_cents=6_000,
                total_cents=6_000,
            )
        ],
        VEHICLE_ID: [vehicle_ticket_closed()],
        CUSTOMER_ID: [customer_ticket_closed()],
    }


@pytest.mark.parametrize("unit", [MI, KM])
def test_the_odometer_at_hand_over_is_a_reading_in_the_tickets_unit(
    shop: Shop, unit: OdometerUnit
) -> None:
    shop.given({**BUSY, TICKET_ID: [ticket_opened(odometer_unit=unit)]})

    shop.when(msgspec.structs.replace(CLOSE, odometer_out=50_000))

    assert shop.then[TICKET_ID] == [ticket_closed(closed_at=NOW, odometer_out=50_000)]
    assert shop.then[VEHICLE_ID] == [
        odometer_recorded(unit=unit, read_at=NOW, ticket_id=TICKET_ID),
        vehicle_ticket_closed(),
    ]


def test_a_ticket_on_hold_is_not_closed(shop: Shop) -> None:
    shop.given(BUSY, {TICKET_ID: [TicketStarted(), put_on_hold()]})

    with pytest.raises(Refused) as refused:
        shop.when(CLOSE)

    assert str(refused.value) == (
        "only an open, started or completed ticket is closed; this one is on_hold"
    )
    assert shop.then == {}


def test_what_was_in_the_way_is_gone_once_the_ticket_is_closed(shop: Shop) -> None:
    shop.given({**BUSY, OTHER_CUSTOMER_ID: [customer_registered()]})

    shop.when(CLOSE)
    shop.when(TransferVehicle(vehicle_id=VEHICLE_ID, customer_id=OTHER_CUSTOMER_ID))
    shop.when(ArchiveCustomer(customer_id=CUSTOMER_ID))

    assert shop.then[VEHICLE_ID] == [vehicle_ticket_closed(), vehicle_transferred()]
    assert shop.then[CUSTOMER_ID] == [customer_ticket_closed(), CustomerArchived()]


def test_reopening_a_ticket_happens_to_ticket_vehicle_and_customer(shop: Shop) -> None:
    shop.given(BUSY, CLOSED)

    shop.when(REOPEN)

    assert shop.then == {
        TICKET_ID: [ticket_reopened()],
        VEHICLE_ID: [vehicle_ticket_opened()],
        CUSTOMER_ID: [customer_ticket_opened()],
    }
    assert shop.store.streams[TICKET_ID][-1].reason == "the lamp is on again"


def test_a_reopened_ticket_is_worked_on_and_closed_again(shop: Shop) -> None:
    shop.given(BUSY, CLOSED)

    shop.when(REOPEN)
    shop.when(
        AddLabor(
            ticket_id=TICKET_ID,
            line_id=LABOR_LINE_ID,
            description="Change the oil",
            minutes=30,
            mechanic_id=MECHANIC_ID,
        )
    )
    shop.when(CLOSE)

    assert shop.then[TICKET_ID] == [
        ticket_reopened(),
        labor_added(),
        ticket_closed(closed_at=NOW, labor_total_cents=6_000, total_cents=6_000),
    ]


@pytest.mark.parametrize(
    ("past", "message"),
    [
        (
            {VEHICLE_ID: [vehicle_transferred()]},
            "a ticket is reopened on a vehicle of its customer; this one is another's",
        ),
        (
            {VEHICLE_ID: [VehicleArchived()]},
            "tickets open only on an active vehicle; this one is archived",
        ),
        (
            {CUSTOMER_ID: [CustomerArchived()]},
            "tickets open only for an active customer; this one is archived",
        ),
    ],
)
def test_a_ticket_is_reopened_only_where_it_could_be_opened(
    shop: Shop, past: Past, message: str
) -> None:
    closed = {id: [*events, *past.get(id, [])] for id, events in CLOSED.items()}
    shop.given(BUSY, closed)

    with pytest.raises(Refused) as refused:
        shop.when(REOPEN)

    assert str(refused.value) == message
    assert shop.then == {}


def test_reopening_needs_a_reason() -> None:
    with pytest.raises(msgspec.ValidationError, match="reason"):
        msgspec.convert({"ticket_id": TICKET_ID}, ReopenTicket)


def test_voiding_gives_every_part_back_in_the_same_commit(shop: Shop) -> None:
    other = dict(inventory_id=OTHER_ITEM_ID, line_id=OTHER_LINE_ID, quantity=1)
    shop.given(
        {**BUSY, OTHER_ITEM_ID: [item_added(), received(quantity=1, quantity_on_hand=1)]},
        {
            TICKET_ID: [
                part_issued(),
                part_issued(**other, parts_total_cents=3_000, total_cents=3_000),
            ],
            ITEM_ID: [issued(), ItemDiscontinued()],
            OTHER_ITEM_ID: [issued(line_id=OTHER_LINE_ID, quantity=1, quantity_on_hand=0)],
        },
    )

    receipt = shop.when(msgspec.structs.replace(VOID, reason="entered twice"))

    assert shop.then == {
        TICKET_ID: [
            part_returned(parts_total_cents=1_000, total_cents=1_000),
            part_returned(**other),
            ticket_voided(),
        ],
        ITEM_ID: [returned()],
        OTHER_ITEM_ID: [returned(line_id=OTHER_LINE_ID, quantity=1, quantity_on_hand=1)],
        VEHICLE_ID: [vehicle_ticket_closed()],
        CUSTOMER_ID: [customer_ticket_closed()],
    }
    assert set(receipt.versions) == set(shop.then)
    assert {r.reason for r in shop.store.streams[TICKET_ID][-3:]} == {"entered twice"}


def test_two_lines_of_one_item_go_back_one_after_the_other(shop: Shop) -> None:
    shop.given(
        BUSY,
        {
            TICKET_ID: [
                part_issued(),
                part_issued(line_id=OTHER_LINE_ID, parts_total_cents=4_000, total_cents=4_000),
            ],
            ITEM_ID: [issued(), issued(line_id=OTHER_LINE_ID, quantity_on_hand=6)],
        },
    )

    shop.when(VOID)

    assert shop.then[ITEM_ID] == [
        returned(quantity_on_hand=8),
        returned(line_id=OTHER_LINE_ID, quantity_on_hand=10),
    ]


@pytest.mark.parametrize(
    "command",
    [
        StartTicket(ticket_id=TICKET_ID),
        HoldTicket(ticket_id=TICKET_ID, hold_reason=HoldReason.OTHER),
        ResumeTicket(ticket_id=TICKET_ID),
        CompleteTicket(ticket_id=TICKET_ID),
        CLOSE,
        REOPEN,
        VOID,
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_voided_ticket_takes_no_more_commands(shop: Shop, command: Command) -> None:
    shop.given(BUSY, {TICKET_ID: [ticket_voided()]})

    with pytest.raises(Refused, match=r"; this one is voided$"):
        shop.when(command)

    assert shop.then == {}


@pytest.mark.parametrize("command", [CLOSE, REOPEN, VOID])
def test_a_ticket_that_never_was_is_not_found(shop: Shop, command: Any) -> None:
    with pytest.raises(NotFound):
        shop.when(command)

    assert shop.then == {}
