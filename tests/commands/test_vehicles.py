from typing import Any

import msgspec
import pytest

from commands.kernel import NotFound
from commands.vehicles import (
    ArchiveVehicle,
    ChangeVehicle,
    RecordOdometer,
    RegisterVehicle,
    RestoreVehicle,
    TransferVehicle,
)
from domain.claim import ClaimKind
from domain.customer import CustomerArchived, CustomerErased
from domain.kernel import Event, Refused
from domain.vehicle import OdometerUnit, VehicleArchived, VehicleRestored
from tests.builders import (
    CUSTOMER_ID,
    GOOD_VIN,
    OTHER_CUSTOMER_ID,
    OTHER_VIN,
    TICKET_ID,
    VEHICLE_ID,
    claim_released,
    claim_taken,
    customer_registered,
    odometer_recorded,
    vehicle_changed,
    vehicle_registered,
    vehicle_transferred,
)
from tests.commands.memory import claim_id
from tests.commands.shop import BUSY, NOW, READY, Past, Shop, owned

MI, KM = OdometerUnit.MILES, OdometerUnit.KILOMETRES
REGISTER = RegisterVehicle(
    vehicle_id=VEHICLE_ID,
    customer_id=CUSTOMER_ID,
    vin=GOOD_VIN.lower(),
    make="Make",
    model="Model",
    year=2019,
    plate="AB 123",
)
TWO_CUSTOMERS: Past = {
    **READY,
    OTHER_CUSTOMER_ID: [customer_registered(email="other@example.com")],
}


def test_a_vehicle_is_registered_under_its_vin_in_upper_case(shop: Shop) -> None:
    shop.given({CUSTOMER_ID: [customer_registered()]})

    shop.when(REGISTER)

    assert shop.then == {
        VEHICLE_ID: [vehicle_registered()],
        claim_id(ClaimKind.VIN, GOOD_VIN.lower()): [
            claim_taken(kind=ClaimKind.VIN, owner_id=VEHICLE_ID)
        ],
    }


def test_a_vin_without_check_digit_is_no_reason_to_refuse(shop: Shop) -> None:
    shop.given({CUSTOMER_ID: [customer_registered()]})

    shop.when(msgspec.structs.replace(REGISTER, vin="WVWZZZ1JZXW000001"))

    assert shop.then[VEHICLE_ID] == [vehicle_registered(vin="WVWZZZ1JZXW000001")]


@pytest.mark.parametrize(
    ("gone", "state"), [(CustomerArchived(), "archived"), (CustomerErased(), "erased")]
)
def test_a_vehicle_goes_to_an_active_customer(shop: Shop, gone: Event, state: str) -> None:
    shop.given(TWO_CUSTOMERS, {OTHER_CUSTOMER_ID: [gone]})

    with pytest.raises(Refused) as registered:
        shop.when(msgspec.structs.replace(REGISTER, customer_id=OTHER_CUSTOMER_ID, vin=OTHER_VIN))
    with pytest.raises(Refused) as transferred:
        shop.when(TransferVehicle(vehicle_id=VEHICLE_ID, customer_id=OTHER_CUSTOMER_ID))

    assert str(registered.value) == (
        f"vehicles are registered for active customers; this one is {state}"
    )
    assert str(transferred.value) == (
        f"vehicles are transferred to active customers; this one is {state}"
    )
    assert shop.then == {}


def test_a_vehicle_goes_to_a_customer_that_exists(shop: Shop) -> None:
    shop.given({VEHICLE_ID: [vehicle_registered()]})

    with pytest.raises(NotFound, match="no customer"):
        shop.when(msgspec.structs.replace(REGISTER, vehicle_id=TICKET_ID))
    with pytest.raises(NotFound, match="no customer"):
        shop.when(TransferVehicle(vehicle_id=VEHICLE_ID, customer_id=OTHER_CUSTOMER_ID))

    assert shop.then == {}


def test_the_id_of_something_else_is_no_customer(shop: Shop) -> None:
    shop.given(READY)

    with pytest.raises(NotFound, match="no customer"):
        shop.when(TransferVehicle(vehicle_id=VEHICLE_ID, customer_id=VEHICLE_ID))

    assert shop.then == {}


@pytest.mark.parametrize(
    "patch", [{"plate": None}, {"color": "red"}, {"year": 2020, "unit_number": "7"}]
)
def test_what_a_patch_lacks_stays_and_null_clears(shop: Shop, patch: dict[str, Any]) -> None:
    shop.given(READY)

    shop.when(ChangeVehicle(vehicle_id=VEHICLE_ID, **patch))

    assert shop.then == {VEHICLE_ID: [vehicle_changed(**patch)]}


@pytest.mark.parametrize("field", ["vin", "make", "model", "year"])
def test_null_does_not_clear_what_a_vehicle_must_have(field: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"vehicle_id": VEHICLE_ID, field: None}, ChangeVehicle)


def test_a_corrected_vin_is_kept_in_upper_case_and_exchanged(shop: Shop) -> None:
    shop.given(READY, owned(ClaimKind.VIN, GOOD_VIN.lower(), VEHICLE_ID))

    shop.when(ChangeVehicle(vehicle_id=VEHICLE_ID, vin=OTHER_VIN.lower()))

    assert shop.then == {
        VEHICLE_ID: [vehicle_changed(vin=OTHER_VIN)],
        claim_id(ClaimKind.VIN, GOOD_VIN.lower()): [
            claim_released(kind=ClaimKind.VIN, owner_id=VEHICLE_ID)
        ],
        claim_id(ClaimKind.VIN, OTHER_VIN.lower()): [
            claim_taken(kind=ClaimKind.VIN, owner_id=VEHICLE_ID)
        ],
    }


def test_a_vehicle_is_transferred(shop: Shop) -> None:
    shop.given(TWO_CUSTOMERS)

    shop.when(TransferVehicle(vehicle_id=VEHICLE_ID, customer_id=OTHER_CUSTOMER_ID))

    assert shop.then == {VEHICLE_ID: [vehicle_transferred()]}


@pytest.mark.parametrize(
    "command",
    [
        TransferVehicle(vehicle_id=VEHICLE_ID, customer_id=OTHER_CUSTOMER_ID),
        ArchiveVehicle(vehicle_id=VEHICLE_ID),
    ],
    ids=["transfer", "archive"],
)
def test_a_vehicle_with_an_open_ticket_stays(shop: Shop, command: Any) -> None:
    shop.given({**TWO_CUSTOMERS, **BUSY})

    with pytest.raises(Refused) as refused:
        shop.when(command)

    assert refused.value.blocking == {"tickets": [TICKET_ID]}
    assert shop.then == {}


def test_a_vehicle_is_archived_and_restored(shop: Shop) -> None:
    shop.given(READY)

    shop.when(ArchiveVehicle(vehicle_id=VEHICLE_ID))
    shop.when(RestoreVehicle(vehicle_id=VEHICLE_ID))

    assert shop.then == {VEHICLE_ID: [VehicleArchived(), VehicleRestored()]}


@pytest.mark.parametrize(
    ("sent", "shop_unit", "unit"), [({}, KM, KM), ({}, MI, MI), ({"unit": KM}, MI, KM)]
)
def test_a_reading_without_unit_is_in_the_shops(
    shop: Shop, sent: dict[str, Any], shop_unit: OdometerUnit, unit: OdometerUnit
) -> None:
    shop.given(READY)

    shop.when(RecordOdometer(vehicle_id=VEHICLE_ID, shop_unit=shop_unit, value=50_000, **sent))

    assert shop.then == {VEHICLE_ID: [odometer_recorded(unit=unit, read_at=NOW)]}


def test_a_rollback_is_accepted_and_flagged(shop: Shop) -> None:
    shop.given(READY, {VEHICLE_ID: [odometer_recorded(value=80_000, unit=KM)]})

    shop.when(RecordOdometer(vehicle_id=VEHICLE_ID, shop_unit=MI, value=49_000))

    assert shop.then == {VEHICLE_ID: [odometer_recorded(value=49_000, rollback=True, read_at=NOW)]}
