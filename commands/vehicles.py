"""What can be asked of vehicles."""

from __future__ import annotations

from uuid import UUID

from msgspec import UNSET, UnsetType, convert
from msgspec.structs import replace

from commands.claims import claim, exchange
from commands.fields import (
    Name,
    NewId,
    OdometerValue,
    ShopUnit,
    ShortText,
    Vin,
    Year,
    if_set,
    merged,
)
from commands.kernel import Command, Work, handles
from domain import vin
from domain.claim import ClaimKind
from domain.customer import Customer
from domain.vehicle import Odometer, OdometerUnit, Vehicle, VehicleDetails


class RegisterVehicle(Command, frozen=True):
    """Register a vehicle of an active customer. The VIN must be no other vehicle's.

    The customer archived at that very moment is a harmless race: nothing is opened on it.
    """

    vehicle_id: NewId
    customer_id: UUID
    vin: Vin
    make: Name
    model: Name
    year: Year
    plate: ShortText | None = None
    plate_region: ShortText | None = None
    color: ShortText | None = None
    unit_number: ShortText | None = None


@handles(RegisterVehicle)
def register_vehicle(command: RegisterVehicle, work: Work) -> None:
    vehicle = work.new(Vehicle, command.vehicle_id)
    owner = work.get(Customer, command.customer_id)
    owner.must_be_active("vehicles are registered for active customers")
    details = _upper_vin(convert(command, VehicleDetails, from_attributes=True))
    claim(work, ClaimKind.VIN, vehicle.id, details.vin)
    vehicle.register(owner.id, details)


class ChangeVehicle(Command, frozen=True):
    """Change details of an active vehicle; what is absent stays as it is.

    The owner changes by a transfer.
    """

    vehicle_id: UUID
    vin: Vin | UnsetType = UNSET
    make: Name | UnsetType = UNSET
    model: Name | UnsetType = UNSET
    year: Year | UnsetType = UNSET
    plate: ShortText | UnsetType | None = UNSET
    plate_region: ShortText | UnsetType | None = UNSET
    color: ShortText | UnsetType | None = UNSET
    unit_number: ShortText | UnsetType | None = UNSET


@handles(ChangeVehicle)
def change_vehicle(command: ChangeVehicle, work: Work) -> None:
    vehicle = work.get(Vehicle, command.vehicle_id)
    before = vehicle.details
    vehicle.change_details(details := _upper_vin(merged(before, command)))
    exchange(work, ClaimKind.VIN, vehicle.id, before.vin, details.vin)


class TransferVehicle(Command, frozen=True):
    """Give the vehicle to another customer, with its whole history.

    Refused while a ticket on it is open. The new owner archived at that very moment is a
    harmless race: nothing is opened on either.
    """

    vehicle_id: UUID
    customer_id: UUID


@handles(TransferVehicle)
def transfer_vehicle(command: TransferVehicle, work: Work) -> None:
    vehicle, owner = work.both((Vehicle, command.vehicle_id), (Customer, command.customer_id))
    owner.must_be_active("vehicles are transferred to active customers")
    vehicle.transfer(owner.id)


class RecordOdometer(Command, frozen=True):
    """Record a reading. One below the last is accepted and flagged `rollback`."""

    vehicle_id: UUID
    shop_unit: ShopUnit
    value: OdometerValue
    unit: OdometerUnit | UnsetType = UNSET


@handles(RecordOdometer)
def record_odometer(command: RecordOdometer, work: Work) -> None:
    reading = Odometer(command.value, if_set(command.unit, command.shop_unit))
    work.get(Vehicle, command.vehicle_id).record_odometer(reading, work.now)


class ArchiveVehicle(Command, frozen=True):
    """Archive a vehicle without open tickets. Its VIN stays its own."""

    vehicle_id: UUID


@handles(ArchiveVehicle)
def archive_vehicle(command: ArchiveVehicle, work: Work) -> None:
    work.get(Vehicle, command.vehicle_id).archive()


class RestoreVehicle(Command, frozen=True):
    """Bring an archived vehicle back."""

    vehicle_id: UUID


@handles(RestoreVehicle)
def restore_vehicle(command: RestoreVehicle, work: Work) -> None:
    work.get(Vehicle, command.vehicle_id).restore()


def _upper_vin(details: VehicleDetails) -> VehicleDetails:
    return replace(details, vin=vin.normalised(details.vin))
