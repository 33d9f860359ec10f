"""Vehicles, as the front desk sees them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain import vin
from domain.kernel import Recorded
from domain.text import folded
from domain.vehicle import (
    OdometerUnit,
    VehicleArchived,
    VehicleDetailsChanged,
    VehicleOdometerRecorded,
    VehicleOwnershipTransferred,
    VehicleRegistered,
    VehicleRestored,
    VehicleTicketClosed,
    VehicleTicketOpened,
)
from domain.vin import VinCheck
from projections.kernel import Fold, Row, Seen, changed, first


class OdometerView(msgspec.Struct, kw_only=True):
    """The last reading. `rollback`: it lies below the one before."""

    value: int
    unit: OdometerUnit
    read_at: datetime
    rollback: bool


class VehicleView(Seen, kw_only=True):
    """A vehicle. `vin_check` says whether position 9 of the VIN is its check digit."""

    customer_id: UUID
    vin: str
    vin_check: VinCheck
    make: str
    model: str
    year: int
    plate: str | None
    plate_region: str | None
    color: str | None
    unit_number: str | None
    odometer: OdometerView | None
    open_ticket_ids: list[UUID]
    archived: bool


def evolve(view: VehicleView | None, recorded: Recorded[Any]) -> VehicleView:
    match recorded.event:
        case VehicleRegistered() as e:
            return VehicleView(
                **first(recorded),
                **_details(e),
                customer_id=e.customer_id,
                odometer=None,
                open_ticket_ids=[],
                archived=False,
            )
        case VehicleDetailsChanged() as e:
            return changed(view, recorded, **_details(e))
        case VehicleOwnershipTransferred(customer_id=customer_id):
            return changed(view, recorded, customer_id=customer_id)
        case VehicleOdometerRecorded() as e:
            reading = OdometerView(
                value=e.value, unit=e.unit, read_at=e.read_at, rollback=e.rollback
            )
            return changed(view, recorded, odometer=reading)
        case VehicleTicketOpened(open_ticket_ids=ids) | VehicleTicketClosed(open_ticket_ids=ids):
            return changed(view, recorded, open_ticket_ids=ids)
        case VehicleArchived():
            return changed(view, recorded, archived=True)
        case VehicleRestored():
            return changed(view, recorded, archived=False)
        case other:
            raise TypeError(f"vehicles do not know {other}")


def _details(event: VehicleRegistered | VehicleDetailsChanged) -> dict[str, Any]:
    return dict(
        vin=event.vin,
        vin_check=vin.check(event.vin),
        make=event.make,
        model=event.model,
        year=event.year,
        plate=event.plate,
        plate_region=event.plate_region,
        color=event.color,
        unit_number=event.unit_number,
    )


def rows(view: VehicleView) -> Iterator[Row]:
    yield (
        "vehicles",
        dict(
            id=view.id,
            version=view.version,
            owner_id=view.customer_id,
            vin=view.vin,
            plate=folded(view.plate or ""),
            name=folded(f"{view.make} {view.model}")[:200],
            archived=view.archived,
            created_at=view.created_at,
            updated_at=view.updated_at,
            body=msgspec.json.encode(view),
        ),
    )


FOLD = Fold("vehicle", VehicleView, evolve, rows)
