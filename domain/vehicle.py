"""A vehicle: known by its VIN, owned by a customer, with a history that outlives owners."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

import msgspec

from domain.kernel import Aggregate, Event, Refused


class OdometerUnit(StrEnum):
    MILES = "mi"
    KILOMETRES = "km"


METRES = {OdometerUnit.MILES: 1609.344, OdometerUnit.KILOMETRES: 1000.0}


class Odometer(msgspec.Struct, frozen=True):
    value: int
    unit: OdometerUnit

    def lies_below(self, last: Odometer) -> bool:
        """Across units only by more than the fraction that a whole number leaves out."""
        if self.unit is last.unit:
            return self.value < last.value
        return (self.value + 1) * METRES[self.unit] <= last.value * METRES[last.unit]


class VehicleDetails(msgspec.Struct, frozen=True, kw_only=True):
    vin: str
    make: str
    model: str
    year: int
    plate: str | None = None
    plate_region: str | None = None
    color: str | None = None
    unit_number: str | None = None


class VehicleRegistered(Event, frozen=True, tag="vehicle.registered"):
    customer_id: UUID
    vin: str
    make: str
    model: str
    year: int
    plate: str | None
    plate_region: str | None
    color: str | None
    unit_number: str | None


class VehicleDetailsChanged(Event, frozen=True, tag="vehicle.details-changed"):
    """All details as they are now, changed or not."""

    vin: str
    make: str
    model: str
    year: int
    plate: str | None
    plate_region: str | None
    color: str | None
    unit_number: str | None


class VehicleOwnershipTransferred(Event, frozen=True, tag="vehicle.ownership-transferred"):
    from_customer_id: UUID
    customer_id: UUID


class VehicleOdometerRecorded(Event, frozen=True, tag="vehicle.odometer-recorded"):
    """`rollback`: the reading lies below the last one. Accepted, and flagged."""

    value: int
    unit: OdometerUnit
    read_at: datetime
    rollback: bool
    ticket_id: UUID | None


class VehicleTicketOpened(Event, frozen=True, tag="vehicle.ticket-opened"):
    ticket_id: UUID
    open_ticket_ids: list[UUID]


class VehicleTicketClosed(Event, frozen=True, tag="vehicle.ticket-closed"):
    """A ticket on it was closed or voided."""

    ticket_id: UUID
    open_ticket_ids: list[UUID]


class VehicleArchived(Event, frozen=True, tag="vehicle.archived"):
    pass


class VehicleRestored(Event, frozen=True, tag="vehicle.restored"):
    pass


class Vehicle(Aggregate["VehicleEvent"]):
    noun = "vehicle"
    stream = "vehicle"
    snapshot_every = 200

    customer_id: UUID = UUID(int=0)
    details: VehicleDetails = VehicleDetails(vin="", make="", model="", year=0)
    odometer: Odometer | None = None
    open_ticket_ids: list[UUID] = []
    archived: bool = False

    def register(self, customer_id: UUID, details: VehicleDetails) -> None:
        self.emit(VehicleRegistered(customer_id=customer_id, **msgspec.structs.asdict(details)))

    def change_details(self, details: VehicleDetails) -> None:
        self.must_be_active("details change only while a vehicle is active")
        if details != self.details:
            self.emit(VehicleDetailsChanged(**msgspec.structs.asdict(details)))

    def transfer(self, customer_id: UUID) -> None:
        self.must_be_active("only an active vehicle changes owner")
        self._must_have_no_open_tickets("transferred")
        if customer_id == self.customer_id:
            raise Refused("a vehicle is transferred to another customer; this one owns it")
        self.emit(
            VehicleOwnershipTransferred(from_customer_id=self.customer_id, customer_id=customer_id)
        )

    def record_odometer(
        self, reading: Odometer, read_at: datetime, ticket_id: UUID | None = None
    ) -> None:
        self.must_be_active("odometer readings are taken of active vehicles")
        last = self.odometer
        self.emit(
            VehicleOdometerRecorded(
                value=reading.value,
                unit=reading.unit,
                read_at=read_at,
                rollback=last is not None and reading.lies_below(last),
                ticket_id=ticket_id,
            )
        )

    def open_ticket(self, ticket_id: UUID) -> None:
        self.must_be_active("tickets open only on an active vehicle")
        self.emit(
            VehicleTicketOpened(
                ticket_id=ticket_id, open_ticket_ids=[*self.open_ticket_ids, ticket_id]
            )
        )

    def close_ticket(self, ticket_id: UUID) -> None:
        left = [id for id in self.open_ticket_ids if id != ticket_id]
        self.emit(VehicleTicketClosed(ticket_id=ticket_id, open_ticket_ids=left))

    def archive(self) -> None:
        self.must_be_active("only an active vehicle is archived")
        self._must_have_no_open_tickets("archived")
        self.emit(VehicleArchived())

    def restore(self) -> None:
        if not self.archived:
            raise Refused("only an archived vehicle is restored; this one is active")
        self.emit(VehicleRestored())

    def must_be_active(self, rule: str) -> None:
        if self.archived:
            raise Refused(f"{rule}; this one is archived")

    def _must_have_no_open_tickets(self, what: str) -> None:
        if self.open_ticket_ids:
            raise Refused(
                f"a vehicle with open tickets is not {what}; "
                f"this one has {len(self.open_ticket_ids)} open",
                blocking={"tickets": self.open_ticket_ids},
            )

    def apply(self, event: VehicleEvent) -> None:
        match event:
            case VehicleRegistered(customer_id=customer_id):
                self.customer_id = customer_id
                self.details = msgspec.convert(event, VehicleDetails, from_attributes=True)
            case VehicleDetailsChanged():
                self.details = msgspec.convert(event, VehicleDetails, from_attributes=True)
            case VehicleOwnershipTransferred(customer_id=customer_id):
                self.customer_id = customer_id
            case VehicleOdometerRecorded(value=value, unit=unit):
                self.odometer = Odometer(value, unit)
            case (
                VehicleTicketOpened(open_ticket_ids=ids) | VehicleTicketClosed(open_ticket_ids=ids)
            ):
                self.open_ticket_ids = list(ids)
            case VehicleArchived():
                self.archived = True
            case VehicleRestored():
                self.archived = False
            case _:
                assert_never(event)


VehicleEvent = (
    VehicleRegistered
    | VehicleDetailsChanged
    | VehicleOwnershipTransferred
    | VehicleOdometerRecorded
    | VehicleTicketOpened
    | VehicleTicketClosed
    | VehicleArchived
    | VehicleRestored
)
