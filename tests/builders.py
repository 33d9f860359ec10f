"""Events and details with plain defaults; keywords change what a test is about.

They fit together: the ticket is of this customer's vehicle, its part is of this item, its labor
is this mechanic's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.account import AccountDetailsChanged, AccountRegistered, Role
from domain.claim import ClaimKind, ClaimReleased, ClaimTaken
from domain.customer import (
    CustomerAccountLinked,
    CustomerAccountUnlinked,
    CustomerDetails,
    CustomerDetailsChanged,
    CustomerRegistered,
    CustomerTicketClosed,
    CustomerTicketOpened,
)
from domain.inventory import (
    AdjustmentReason,
    ItemAdded,
    ItemDetails,
    ItemDetailsChanged,
    ItemPriced,
    StockAdjusted,
    StockIssued,
    StockReceived,
    StockReturned,
)
from domain.mechanic import MechanicDetails, MechanicDetailsChanged, MechanicHired
from domain.ticket import PartLine, TicketDetails
from domain.ticket_events import (
    HoldReason,
    LaborAdded,
    LaborRemoved,
    MechanicAssigned,
    MechanicRemoved,
    PartIssued,
    PartReturned,
    Priority,
    TicketClosed,
    TicketDetailsChanged,
    TicketOpened,
    TicketPutOnHold,
    TicketReopened,
    TicketVoided,
)
from domain.vehicle import (
    OdometerUnit,
    VehicleDetails,
    VehicleDetailsChanged,
    VehicleOdometerRecorded,
    VehicleOwnershipTransferred,
    VehicleRegistered,
    VehicleTicketClosed,
    VehicleTicketOpened,
)
from tests.given import SOME_DAY

CUSTOMER_ID, OTHER_CUSTOMER_ID = UUID(int=11), UUID(int=12)
VEHICLE_ID, OTHER_VEHICLE_ID = UUID(int=21), UUID(int=22)
MECHANIC_ID, OTHER_MECHANIC_ID = UUID(int=31), UUID(int=32)
ITEM_ID, OTHER_ITEM_ID = UUID(int=41), UUID(int=42)
TICKET_ID, OTHER_TICKET_ID = UUID(int=51), UUID(int=52)
PART_LINE_ID, LABOR_LINE_ID, OTHER_LINE_ID = UUID(int=61), UUID(int=62), UUID(int=63)
ACCOUNT_ID, OTHER_ACCOUNT_ID = UUID(int=71), UUID(int=72)
GOOD_VIN, OTHER_VIN = "1M8GDM9AXKP042788", "1HGCM82633A004352"

S = TypeVar("S", bound=msgspec.Struct)


def like(example: S) -> Callable[..., S]:
    """Makes more of its kind: the example, but for the fields named."""
    return partial(replace, example)


customer_details = like(
    CustomerDetails(name="Customer One", email="customer@example.com", phone=None, address=None)
)
customer_registered = like(
    CustomerRegistered(name="Customer One", email="customer@example.com", phone=None, address=None)
)
customer_changed = like(
    CustomerDetailsChanged(
        name="Customer One", email="customer@example.com", phone=None, address=None
    )
)
customer_ticket_opened = like(
    CustomerTicketOpened(ticket_id=TICKET_ID, open_ticket_ids=[TICKET_ID])
)
account_linked = like(CustomerAccountLinked(account_id=ACCOUNT_ID, account_ids=[ACCOUNT_ID]))
account_unlinked = like(CustomerAccountUnlinked(account_id=ACCOUNT_ID, account_ids=[]))
customer_ticket_closed = like(CustomerTicketClosed(ticket_id=TICKET_ID, open_ticket_ids=[]))

vehicle_details = like(
    VehicleDetails(
        vin=GOOD_VIN,
        make="Make",
        model="Model",
        year=2019,
        plate="AB 123",
        plate_region=None,
        color=None,
        unit_number=None,
    )
)
vehicle_registered = like(
    VehicleRegistered(customer_id=CUSTOMER_ID, **msgspec.structs.asdict(vehicle_details()))
)
vehicle_changed = like(VehicleDetailsChanged(**msgspec.structs.asdict(vehicle_details())))
vehicle_transferred = like(
    VehicleOwnershipTransferred(from_customer_id=CUSTOMER_ID, customer_id=OTHER_CUSTOMER_ID)
)
odometer_recorded = like(
    VehicleOdometerRecorded(
        value=50_000, unit=OdometerUnit.MILES, read_at=SOME_DAY, rollback=False, ticket_id=None
    )
)
vehicle_ticket_opened = like(VehicleTicketOpened(ticket_id=TICKET_ID, open_ticket_ids=[TICKET_ID]))
vehicle_ticket_closed = like(VehicleTicketClosed(ticket_id=TICKET_ID, open_ticket_ids=[]))

mechanic_details = like(
    MechanicDetails(
        name="Mechanic One",
        email="mechanic@example.com",
        phone=None,
        address=None,
        certifications=["A1 Engine Repair"],
        labor_rate_cents=12_000,
    )
)
mechanic_hired = like(MechanicHired(**msgspec.structs.asdict(mechanic_details())))
mechanic_changed = like(MechanicDetailsChanged(**msgspec.structs.asdict(mechanic_details())))

item_details = like(
    ItemDetails(
        part_number="OIL-5W30",
        name="Engine oil 5W-30",
        description=None,
        bin_location="A-1",
        reorder_point=5,
    )
)
item_added = like(
    ItemAdded(**msgspec.structs.asdict(item_details()), unit_cost_cents=600, unit_price_cents=1_000)
)
item_changed = like(ItemDetailsChanged(**msgspec.structs.asdict(item_details())))
item_priced = like(ItemPriced(unit_cost_cents=600, unit_price_cents=1_000))
received = like(StockReceived(quantity=10, unit_cost_cents=600, quantity_on_hand=10))
issued = like(
    StockIssued(quantity=2, quantity_on_hand=8, ticket_id=TICKET_ID, line_id=PART_LINE_ID)
)
returned = like(
    StockReturned(quantity=2, quantity_on_hand=10, ticket_id=TICKET_ID, line_id=PART_LINE_ID)
)
adjusted = like(
    StockAdjusted(
        quantity=1, quantity_on_hand=11, reason=AdjustmentReason.COUNT_CORRECTION, note=None
    )
)

ticket_details = like(
    TicketDetails(
        description="Oil change",
        customer_concerns=["oil lamp is on"],
        priority=Priority.NORMAL,
        odometer_in=None,
        promised_at=None,
        key_tag=None,
    )
)
ticket_opened = like(
    TicketOpened(
        ro_number=1,
        customer_id=CUSTOMER_ID,
        vehicle_id=VEHICLE_ID,
        opened_at=SOME_DAY,
        odometer_unit=OdometerUnit.MILES,
        **msgspec.structs.asdict(ticket_details()),
    )
)
ticket_changed = like(TicketDetailsChanged(**msgspec.structs.asdict(ticket_details())))
mechanic_assigned = like(MechanicAssigned(mechanic_id=MECHANIC_ID, mechanic_ids=[MECHANIC_ID]))
mechanic_removed = like(MechanicRemoved(mechanic_id=MECHANIC_ID, mechanic_ids=[]))
part_line = like(
    PartLine(inventory_id=ITEM_ID, quantity=2, unit_price_cents=1_000, unit_cost_cents=600)
)
part_issued = like(
    PartIssued(
        line_id=PART_LINE_ID,
        **msgspec.structs.asdict(part_line()),
        part_number="OIL-5W30",
        name="Engine oil 5W-30",
        parts_total_cents=2_000,
        total_cents=2_000,
    )
)
part_returned = like(
    PartReturned(
        line_id=PART_LINE_ID,
        inventory_id=ITEM_ID,
        quantity=2,
        parts_total_cents=0,
        total_cents=0,
    )
)
labor_added = like(
    LaborAdded(
        line_id=LABOR_LINE_ID,
        description="Change the oil",
        mechanic_id=MECHANIC_ID,
        minutes=30,
        rate_cents_per_hour=12_000,
        line_total_cents=6_000,
        labor_total_cents=6_000,
        total_cents=6_000,
    )
)
labor_removed = like(LaborRemoved(line_id=LABOR_LINE_ID, labor_total_cents=0, total_cents=0))
put_on_hold = like(TicketPutOnHold(hold_reason=HoldReason.WAITING_PARTS))
ticket_closed = like(
    TicketClosed(
        opened_at=SOME_DAY,
        closed_at=SOME_DAY,
        odometer_out=None,
        mechanic_ids=[],
        parts_total_cents=0,
        parts_cost_cents=0,
        labor_total_cents=0,
        total_cents=0,
    )
)
ticket_reopened = like(TicketReopened(closed_at=SOME_DAY))
ticket_voided = like(TicketVoided(mechanic_ids=[]))

account_registered = like(
    AccountRegistered(
        email="account@example.com", role=Role.ADMIN, mechanic_id=None, customer_id=None
    )
)
account_changed = like(
    AccountDetailsChanged(email="account@example.com", mechanic_id=None, customer_id=None)
)

claim_taken = like(ClaimTaken(kind=ClaimKind.CUSTOMER_EMAIL, owner_id=CUSTOMER_ID))
claim_released = like(ClaimReleased(kind=ClaimKind.CUSTOMER_EMAIL, owner_id=CUSTOMER_ID))
