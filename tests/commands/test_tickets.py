from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from commands.kernel import NotFound
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
from domain.customer import CustomerArchived, CustomerErased
from domain.inventory import ItemDiscontinued
from domain.kernel import Event, Refused
from domain.mechanic import MechanicLeft
from domain.ticket_events import Priority
from domain.vehicle import OdometerUnit, VehicleArchived
from tests.builders import (
    CUSTOMER_ID,
    ITEM_ID,
    LABOR_LINE_ID,
    MECHANIC_ID,
    OTHER_CUSTOMER_ID,
    OTHER_TICKET_ID,
    PART_LINE_ID,
    TICKET_ID,
    VEHICLE_ID,
    customer_registered,
    customer_ticket_opened,
    issued,
    item_priced,
    labor_added,
    labor_removed,
    mechanic_assigned,
    mechanic_hired,
    mechanic_removed,
    odometer_recorded,
    part_issued,
    part_returned,
    returned,
    ticket_changed,
    ticket_closed,
    ticket_opened,
    vehicle_ticket_opened,
)
from tests.commands.shop import BUSY, NOW, READY, Shop

MI, KM = OdometerUnit.MILES, OdometerUnit.KILOMETRES
OPEN: dict[str, Any] = dict(
    ticket_id=TICKET_ID,
    ro_number=1,
    shop_unit=MI,
    customer_id=CUSTOMER_ID,
    vehicle_id=VEHICLE_ID,
    description="Oil change",
    customer_concerns=["oil lamp is on"],
)
ISSUE = IssuePart(ticket_id=TICKET_ID, line_id=PART_LINE_ID, inventory_id=ITEM_ID, quantity=2)
NOON_IN_BERLIN = datetime(2026, 3, 4, 12, tzinfo=timezone(timedelta(hours=1)))


def labor(**given: Any) -> AddLabor:
    return AddLabor(
        ticket_id=TICKET_ID,
        line_id=LABOR_LINE_ID,
        description="Change the oil",
        minutes=30,
        **given,
    )


def test_opening_a_ticket_happens_to_ticket_vehicle_and_customer(shop: Shop) -> None:
    shop.given(READY)

    receipt = shop.when(OpenTicket(**OPEN))

    assert shop.then == {
        TICKET_ID: [ticket_opened(opened_at=NOW)],
        VEHICLE_ID: [vehicle_ticket_opened()],
        CUSTOMER_ID: [customer_ticket_opened()],
    }
    assert (receipt.id, receipt.version, receipt.created) == (TICKET_ID, 1, True)
    assert receipt.versions == {TICKET_ID: 1, VEHICLE_ID: 2, CUSTOMER_ID: 2}


def test_a_second_ticket_may_be_open_on_the_same_vehicle(shop: Shop) -> None:
    shop.given(BUSY)

    shop.when(OpenTicket(**OPEN | {"ticket_id": OTHER_TICKET_ID}))

    both = [TICKET_ID, OTHER_TICKET_ID]
    assert shop.then[VEHICLE_ID] == [
        vehicle_ticket_opened(ticket_id=OTHER_TICKET_ID, open_ticket_ids=both)
    ]
    assert shop.then[CUSTOMER_ID] == [
        customer_ticket_opened(ticket_id=OTHER_TICKET_ID, open_ticket_ids=both)
    ]


@pytest.mark.parametrize("unit", [MI, KM])
def test_the_odometer_at_drop_off_is_a_reading_in_the_shops_unit(
    shop: Shop, unit: OdometerUnit
) -> None:
    shop.given(READY)

    shop.when(OpenTicket(**OPEN | {"odometer_in": 50_000, "shop_unit": unit}))

    assert shop.then[TICKET_ID] == [
        ticket_opened(opened_at=NOW, odometer_in=50_000, odometer_unit=unit)
    ]
    assert shop.then[VEHICLE_ID] == [
        vehicle_ticket_opened(),
        odometer_recorded(unit=unit, read_at=NOW, ticket_id=TICKET_ID),
    ]


def test_a_promise_is_kept_in_utc(shop: Shop) -> None:
    shop.given(READY)

    shop.when(OpenTicket(**OPEN | {"promised_at": NOON_IN_BERLIN}))
    shop.when(ChangeTicket(ticket_id=TICKET_ID, promised_at=NOON_IN_BERLIN + timedelta(hours=1)))

    promises = [event.promised_at for event in shop.then[TICKET_ID]]  # type: ignore[attr-defined]
    assert [at.isoformat() for at in promises] == [
        "2026-03-04T11:00:00+00:00",
        "2026-03-04T12:00:00+00:00",
    ]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"])
def test_a_promise_beyond_the_calendar_is_refused(shop: Shop, at: str) -> None:
    shop.given(BUSY)
    command = msgspec.convert({"ticket_id": TICKET_ID, "promised_at": at}, ChangeTicket)

    with pytest.raises(Refused, match="in the years 1 to 9999"):
        shop.when(command)

    assert shop.then == {}


def test_a_ticket_is_opened_on_a_vehicle_of_its_customer(shop: Shop) -> None:
    shop.given({**READY, OTHER_CUSTOMER_ID: [customer_registered()]})

    with pytest.raises(Refused) as refused:
        shop.when(OpenTicket(**OPEN | {"customer_id": OTHER_CUSTOMER_ID}))

    assert str(refused.value) == (
        "a ticket is opened on a vehicle of its customer; this one is another's"
    )
    assert shop.then == {}


@pytest.mark.parametrize(
    ("past", "message"),
    [
        (
            {CUSTOMER_ID: [CustomerArchived()]},
            "tickets open only for an active customer; this one is archived",
        ),
        (
            {CUSTOMER_ID: [CustomerErased()]},
            "tickets open only for an active customer; this one is erased",
        ),
        (
            {VEHICLE_ID: [VehicleArchived()]},
            "tickets open only on an active vehicle; this one is archived",
        ),
    ],
)
def test_a_ticket_is_opened_for_active_ones(
    shop: Shop, past: dict[Any, list[Event]], message: str
) -> None:
    shop.given(READY, past)

    with pytest.raises(Refused) as refused:
        shop.when(OpenTicket(**OPEN))

    assert str(refused.value) == message
    assert shop.then == {}


@pytest.mark.parametrize("named", ["customer_id", "vehicle_id"])
def test_a_ticket_names_what_exists(shop: Shop, named: str) -> None:
    shop.given(READY)

    with pytest.raises(NotFound) as missing:
        shop.when(OpenTicket(**OPEN | {named: OTHER_TICKET_ID}))

    assert str(missing.value) == f"no {named.removesuffix('_id')} {OTHER_TICKET_ID}"
    assert shop.then == {}


@pytest.mark.parametrize(
    "patch",
    [
        {"description": "Brakes"},
        {"customer_concerns": []},
        {"priority": Priority.HIGH, "key_tag": "7"},
    ],
)
def test_what_a_patch_lacks_stays(shop: Shop, patch: dict[str, Any]) -> None:
    shop.given(BUSY)

    shop.when(ChangeTicket(ticket_id=TICKET_ID, **patch))

    assert shop.then == {TICKET_ID: [ticket_changed(**patch)]}


def test_a_corrected_odometer_is_a_reading_of_the_vehicle_too(shop: Shop) -> None:
    shop.given({**BUSY, TICKET_ID: [ticket_opened(odometer_in=500_000, odometer_unit=KM)]})

    shop.when(ChangeTicket(ticket_id=TICKET_ID, odometer_in=50_000))

    assert shop.then == {
        TICKET_ID: [ticket_changed(odometer_in=50_000)],
        VEHICLE_ID: [odometer_recorded(unit=KM, read_at=NOW, ticket_id=TICKET_ID)],
    }


def test_labor_at_the_rate_of_a_mechanic_who_has_none_is_refused(shop: Shop) -> None:
    shop.given({**BUSY, MECHANIC_ID: [mechanic_hired(labor_rate_cents=0)]})
    labor = AddLabor(
        ticket_id=TICKET_ID,
        line_id=LABOR_LINE_ID,
        description="Brakes",
        minutes=30,
        mechanic_id=MECHANIC_ID,
    )

    with pytest.raises(Refused) as refused:
        shop.when(labor)

    assert str(refused.value) == "labor takes a rate or a mechanic's own; this mechanic has none"


def test_assigning_one_who_is_assigned_and_has_left_changes_nothing(shop: Shop) -> None:
    left = [mechanic_hired(), MechanicLeft()]
    shop.given({**BUSY, MECHANIC_ID: left, TICKET_ID: [ticket_opened(), mechanic_assigned()]})

    shop.when(AssignMechanic(ticket_id=TICKET_ID, mechanic_id=MECHANIC_ID))

    assert shop.then == {}


@pytest.mark.parametrize("field", ["odometer_in", "promised_at", "key_tag"])
def test_null_clears_what_a_ticket_may_lack(shop: Shop, field: str) -> None:
    full: dict[str, Any] = dict(odometer_in=1, promised_at=NOW, key_tag="7")
    shop.given({**BUSY, TICKET_ID: [ticket_opened(**full)]})

    shop.when(msgspec.convert({"ticket_id": TICKET_ID, field: None}, ChangeTicket))

    assert shop.then == {TICKET_ID: [ticket_changed(**full | {field: None})]}


@pytest.mark.parametrize("field", ["description", "customer_concerns", "priority"])
def test_null_does_not_clear_what_a_ticket_must_have(field: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"ticket_id": TICKET_ID, field: None}, ChangeTicket)


def test_a_mechanic_is_assigned_once_and_removed(shop: Shop) -> None:
    shop.given(BUSY)

    shop.when(AssignMechanic(ticket_id=TICKET_ID, mechanic_id=MECHANIC_ID))
    again = shop.when(AssignMechanic(ticket_id=TICKET_ID, mechanic_id=MECHANIC_ID))
    shop.when(RemoveMechanic(ticket_id=TICKET_ID, mechanic_id=MECHANIC_ID))

    assert shop.then == {TICKET_ID: [mechanic_assigned(), mechanic_removed()]}
    assert (again.commit_id, again.version) == (None, 2)


def test_a_mechanic_who_has_left_is_not_assigned_but_can_be_removed(shop: Shop) -> None:
    shop.given(BUSY, {TICKET_ID: [mechanic_assigned()], MECHANIC_ID: [MechanicLeft()]})

    shop.when(RemoveMechanic(ticket_id=TICKET_ID, mechanic_id=MECHANIC_ID))
    with pytest.raises(Refused) as refused:
        shop.when(AssignMechanic(ticket_id=TICKET_ID, mechanic_id=MECHANIC_ID))

    assert str(refused.value) == "only a mechanic who works here is assigned; this one has left"
    assert shop.then == {TICKET_ID: [mechanic_removed()]}


def test_a_part_leaves_the_shelf_at_todays_price(shop: Shop) -> None:
    shop.given(BUSY)

    receipt = shop.when(ISSUE)

    assert shop.then == {TICKET_ID: [part_issued()], ITEM_ID: [issued()]}
    assert (receipt.id, receipt.version, receipt.created) == (PART_LINE_ID, 2, True)
    assert receipt.versions == {TICKET_ID: 2, ITEM_ID: 3}


def test_the_price_on_the_ticket_stays_when_the_items_changes(shop: Shop) -> None:
    shop.given(BUSY)

    shop.when(ISSUE)
    shop.given({**shop.past(), ITEM_ID: [*shop.past()[ITEM_ID], item_priced(unit_price_cents=9)]})
    shop.when(ReturnPart(ticket_id=TICKET_ID, line_id=PART_LINE_ID))

    assert shop.then == {TICKET_ID: [part_returned()], ITEM_ID: [returned()]}


def test_more_than_is_on_hand_is_not_issued(shop: Shop) -> None:
    shop.given(BUSY)

    with pytest.raises(Refused, match=r"; 11 of OIL-5W30 wanted, 10 on hand$"):
        shop.when(msgspec.structs.replace(ISSUE, quantity=11))

    assert shop.then == {}


def test_a_ticket_that_takes_no_parts_says_so_before_the_shelf_does(shop: Shop) -> None:
    shop.given(BUSY, {TICKET_ID: [ticket_closed()]})

    with pytest.raises(Refused, match=r"^parts go on an open ticket; this one is closed$"):
        shop.when(msgspec.structs.replace(ISSUE, quantity=11))

    assert shop.then == {}


def test_what_is_left_of_a_discontinued_item_is_sold_and_taken_back(shop: Shop) -> None:
    shop.given(BUSY, {ITEM_ID: [ItemDiscontinued()]})

    shop.when(ISSUE)
    shop.when(ReturnPart(ticket_id=TICKET_ID, line_id=PART_LINE_ID))

    assert shop.then == {
        TICKET_ID: [part_issued(), part_returned()],
        ITEM_ID: [issued(), returned()],
    }


@pytest.mark.parametrize(
    ("sent", "mechanic_id", "rate"),
    [
        ({"mechanic_id": MECHANIC_ID}, MECHANIC_ID, 12_000),
        ({"mechanic_id": MECHANIC_ID, "rate_cents_per_hour": 10_000}, MECHANIC_ID, 10_000),
        ({"mechanic_id": MECHANIC_ID, "rate_cents_per_hour": 0}, MECHANIC_ID, 0),
        ({"rate_cents_per_hour": 9_000}, None, 9_000),
        ({"rate_cents_per_hour": 0}, None, 0),
    ],
)
def test_labor_without_a_rate_is_at_the_mechanics_own(
    shop: Shop, sent: dict[str, Any], mechanic_id: Any, rate: int
) -> None:
    shop.given(BUSY)

    receipt = shop.when(labor(**sent))

    half = rate // 2
    assert shop.then == {
        TICKET_ID: [
            labor_added(
                mechanic_id=mechanic_id,
                rate_cents_per_hour=rate,
                line_total_cents=half,
                labor_total_cents=half,
                total_cents=half,
            )
        ]
    }
    assert (receipt.id, receipt.created) == (LABOR_LINE_ID, True)


def test_labor_without_a_rate_and_a_mechanic_is_refused(shop: Shop) -> None:
    shop.given(BUSY)

    with pytest.raises(Refused) as refused:
        shop.when(labor())

    assert str(refused.value) == "labor takes a rate or a mechanic's own; this one names neither"
    assert shop.then == {}


def test_labor_is_taken_off(shop: Shop) -> None:
    shop.given(BUSY, {TICKET_ID: [labor_added()]})

    shop.when(RemoveLabor(ticket_id=TICKET_ID, line_id=LABOR_LINE_ID))

    assert shop.then == {TICKET_ID: [labor_removed()]}


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (ReturnPart(ticket_id=TICKET_ID, line_id=LABOR_LINE_ID), f"part line {LABOR_LINE_ID}"),
        (RemoveLabor(ticket_id=TICKET_ID, line_id=PART_LINE_ID), f"labor line {PART_LINE_ID}"),
        (
            AssignMechanic(ticket_id=TICKET_ID, mechanic_id=OTHER_TICKET_ID),
            f"mechanic {OTHER_TICKET_ID}",
        ),
        (labor(mechanic_id=OTHER_TICKET_ID), f"mechanic {OTHER_TICKET_ID}"),
        (
            msgspec.structs.replace(ISSUE, inventory_id=OTHER_TICKET_ID),
            f"inventory item {OTHER_TICKET_ID}",
        ),
        (msgspec.structs.replace(ISSUE, ticket_id=OTHER_TICKET_ID), f"ticket {OTHER_TICKET_ID}"),
    ],
)
def test_what_is_not_there_is_not_found(shop: Shop, command: Any, what: str) -> None:
    shop.given(BUSY, {TICKET_ID: [part_issued(), labor_added(total_cents=8_000)]})

    with pytest.raises(NotFound) as missing:
        shop.when(command)

    assert str(missing.value) == f"no {what}"
    assert shop.then == {}
