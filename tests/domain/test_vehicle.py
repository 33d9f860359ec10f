from collections.abc import Callable

import pytest

from domain.kernel import Refused
from domain.vehicle import (
    Odometer,
    OdometerUnit,
    Vehicle,
    VehicleArchived,
    VehicleEvent,
    VehicleRestored,
)
from tests.builders import (
    CUSTOMER_ID,
    OTHER_CUSTOMER_ID,
    OTHER_TICKET_ID,
    OTHER_VIN,
    TICKET_ID,
    odometer_recorded,
    vehicle_changed,
    vehicle_details,
    vehicle_registered,
    vehicle_ticket_closed,
    vehicle_ticket_opened,
    vehicle_transferred,
)
from tests.given import SOME_DAY, given

MI, KM = OdometerUnit.MILES, OdometerUnit.KILOMETRES
REGISTERED, ARCHIVED = vehicle_registered(), VehicleArchived()
TWO_OPEN = [
    REGISTERED,
    vehicle_ticket_opened(),
    vehicle_ticket_opened(ticket_id=OTHER_TICKET_ID, open_ticket_ids=[TICKET_ID, OTHER_TICKET_ID]),
]


def test_a_vehicle_is_registered_for_a_customer() -> None:
    vehicle = given(Vehicle)

    vehicle.register(CUSTOMER_ID, vehicle_details())

    assert vehicle.emitted == [REGISTERED]
    assert (vehicle.customer_id, vehicle.details) == (CUSTOMER_ID, vehicle_details())


def test_changed_details_are_recorded_whole() -> None:
    vehicle = given(Vehicle, REGISTERED)

    vehicle.change_details(vehicle_details(vin=OTHER_VIN, color="red"))

    assert vehicle.emitted == [vehicle_changed(vin=OTHER_VIN, color="red")]
    assert vehicle.details == vehicle_details(vin=OTHER_VIN, color="red")


def test_details_that_stay_the_same_are_no_event() -> None:
    vehicle = given(Vehicle, REGISTERED)

    vehicle.change_details(vehicle_details())

    assert vehicle.emitted == []


def test_a_transferred_vehicle_keeps_all_it_had() -> None:
    vehicle = given(Vehicle, REGISTERED, odometer_recorded())

    vehicle.transfer(OTHER_CUSTOMER_ID)

    assert vehicle.emitted == [vehicle_transferred()]
    assert vehicle.customer_id == OTHER_CUSTOMER_ID
    assert vehicle.details == vehicle_details()
    assert vehicle.odometer == Odometer(50_000, MI)


def test_the_first_reading_is_no_rollback() -> None:
    vehicle = given(Vehicle, REGISTERED)

    vehicle.record_odometer(Odometer(0, KM), SOME_DAY, TICKET_ID)

    assert vehicle.emitted == [odometer_recorded(value=0, unit=KM, ticket_id=TICKET_ID)]


@pytest.mark.parametrize(
    ("last", "reading", "rollback"),
    [
        (Odometer(50_000, MI), Odometer(50_001, MI), False),
        (Odometer(50_000, MI), Odometer(50_000, MI), False),
        (Odometer(50_000, MI), Odometer(49_999, MI), True),
        (Odometer(100, MI), Odometer(161, KM), False),
        (Odometer(100, MI), Odometer(160, KM), False),
        (Odometer(100, MI), Odometer(159, KM), True),
        (Odometer(161, KM), Odometer(101, MI), False),
        (Odometer(161, KM), Odometer(100, MI), False),
        (Odometer(161, KM), Odometer(99, MI), True),
        (Odometer(15_625, MI), Odometer(25_146, KM), False),
        (Odometer(25_146, KM), Odometer(15_625, MI), False),
        (Odometer(60_000, MI), Odometer(60_001, KM), True),
        (Odometer(60_001, KM), Odometer(60_000, MI), False),
    ],
)
def test_a_reading_below_the_last_one_is_accepted_and_flagged(
    last: Odometer, reading: Odometer, rollback: bool
) -> None:
    vehicle = given(Vehicle, REGISTERED, odometer_recorded(value=last.value, unit=last.unit))

    vehicle.record_odometer(reading, SOME_DAY)

    assert vehicle.emitted == [
        odometer_recorded(value=reading.value, unit=reading.unit, rollback=rollback)
    ]
    assert vehicle.odometer == reading


def test_after_a_rollback_the_next_reading_is_compared_with_it() -> None:
    vehicle = given(
        Vehicle, REGISTERED, odometer_recorded(), odometer_recorded(value=100, rollback=True)
    )

    vehicle.record_odometer(Odometer(101, MI), SOME_DAY)

    assert vehicle.emitted == [odometer_recorded(value=101, rollback=False)]


def test_a_vehicle_knows_the_tickets_open_on_it() -> None:
    vehicle = given(Vehicle, REGISTERED)

    vehicle.open_ticket(TICKET_ID)
    vehicle.open_ticket(OTHER_TICKET_ID)
    vehicle.close_ticket(TICKET_ID)

    assert vehicle.emitted == [
        *TWO_OPEN[1:],
        vehicle_ticket_closed(open_ticket_ids=[OTHER_TICKET_ID]),
    ]
    assert vehicle.open_ticket_ids == [OTHER_TICKET_ID]


def test_a_vehicle_without_open_tickets_is_archived_and_restored() -> None:
    vehicle = given(Vehicle, REGISTERED, vehicle_ticket_opened(), vehicle_ticket_closed())

    vehicle.archive()
    vehicle.restore()
    vehicle.open_ticket(TICKET_ID)

    assert vehicle.emitted == [ARCHIVED, VehicleRestored(), vehicle_ticket_opened()]


@pytest.mark.parametrize(
    ("past", "ask", "message"),
    [
        (
            [REGISTERED, ARCHIVED],
            lambda v: v.change_details(vehicle_details(color="red")),
            "details change only while a vehicle is active; this one is archived",
        ),
        (
            [REGISTERED, ARCHIVED],
            lambda v: v.transfer(OTHER_CUSTOMER_ID),
            "only an active vehicle changes owner; this one is archived",
        ),
        (
            [REGISTERED],
            lambda v: v.transfer(CUSTOMER_ID),
            "a vehicle is transferred to another customer; this one owns it",
        ),
        (
            [REGISTERED, ARCHIVED],
            lambda v: v.record_odometer(Odometer(1, MI), SOME_DAY),
            "odometer readings are taken of active vehicles; this one is archived",
        ),
        (
            [REGISTERED, ARCHIVED],
            lambda v: v.open_ticket(TICKET_ID),
            "tickets open only on an active vehicle; this one is archived",
        ),
        (
            [REGISTERED, ARCHIVED],
            lambda v: v.archive(),
            "only an active vehicle is archived; this one is archived",
        ),
        (
            [REGISTERED],
            lambda v: v.restore(),
            "only an archived vehicle is restored; this one is active",
        ),
    ],
)
def test_a_refusal_states_rule_and_state_and_nothing_happens(
    past: list[VehicleEvent], ask: Callable[[Vehicle], object], message: str
) -> None:
    vehicle = given(Vehicle, *past)

    with pytest.raises(Refused) as refused:
        ask(vehicle)

    assert str(refused.value) == message
    assert vehicle.emitted == []


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda vehicle: vehicle.transfer(OTHER_CUSTOMER_ID), "transferred"),
        (lambda vehicle: vehicle.archive(), "archived"),
    ],
)
def test_a_vehicle_with_open_tickets_stays_and_the_refusal_names_them(
    ask: Callable[[Vehicle], object], what: str
) -> None:
    vehicle = given(Vehicle, *TWO_OPEN)

    with pytest.raises(Refused) as refused:
        ask(vehicle)

    assert str(refused.value) == f"a vehicle with open tickets is not {what}; this one has 2 open"
    assert refused.value.blocking == {"tickets": [TICKET_ID, OTHER_TICKET_ID]}
    assert vehicle.emitted == []
