"""A service ticket (repair order): one job on one vehicle, from drop-off to hand-over."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never
from uuid import UUID

import msgspec

from domain.kernel import Aggregate, Refused
from domain.ticket_events import (
    HoldReason,
    LaborAdded,
    LaborRemoved,
    MechanicAssigned,
    MechanicRemoved,
    PartIssued,
    PartReturned,
    Priority,
    Status,
    TicketClosed,
    TicketCompleted,
    TicketDetailsChanged,
    TicketEvent,
    TicketOpened,
    TicketPutOnHold,
    TicketReopened,
    TicketResumed,
    TicketStarted,
    TicketVoided,
)
from domain.vehicle import OdometerUnit

WORKABLE = (Status.OPEN, Status.IN_PROGRESS, Status.ON_HOLD)
"""While lines and assignments change."""
CLOSABLE = (Status.OPEN, Status.IN_PROGRESS, Status.COMPLETED)
LINES_MAX = 500
MECHANICS_MAX = 50
CENTS_MAX = 10**12


class TicketDetails(msgspec.Struct, frozen=True, kw_only=True):
    description: str
    customer_concerns: list[str] = []
    priority: Priority = Priority.NORMAL
    odometer_in: int | None = None
    promised_at: datetime | None = None
    key_tag: str | None = None


class PartLine(msgspec.Struct, frozen=True, kw_only=True):
    inventory_id: UUID
    quantity: int
    unit_price_cents: int
    unit_cost_cents: int


def labor_cents(minutes: int, rate_cents_per_hour: int) -> int:
    """What the minutes cost at that rate, half a cent rounded up."""
    return (minutes * rate_cents_per_hour + 30) // 60


class Ticket(Aggregate["TicketEvent"]):
    noun = "ticket"
    stream = "ticket"
    snapshot_every = 100

    status: Status = Status.OPEN
    customer_id: UUID = UUID(int=0)
    vehicle_id: UUID = UUID(int=0)
    odometer_unit: OdometerUnit = OdometerUnit.MILES
    opened_at: datetime = datetime.min
    closed_at: datetime | None = None
    details: TicketDetails = TicketDetails(description="")
    mechanic_ids: list[UUID] = []
    parts: dict[UUID, PartLine] = {}
    labor: dict[UUID, int] = {}
    parts_total_cents: int = 0
    labor_total_cents: int = 0

    def open(
        self,
        ro_number: int,
        *,
        customer_id: UUID,
        vehicle_id: UUID,
        at: datetime,
        odometer_unit: OdometerUnit,
        details: TicketDetails,
    ) -> None:
        self.emit(
            TicketOpened(
                ro_number=ro_number,
                customer_id=customer_id,
                vehicle_id=vehicle_id,
                opened_at=at,
                odometer_unit=odometer_unit,
                **msgspec.structs.asdict(details),
            )
        )

    def change_details(self, details: TicketDetails) -> None:
        self._must_be(*WORKABLE, Status.COMPLETED, rule="details change until a ticket is closed")
        if details != self.details:
            self.emit(TicketDetailsChanged(**msgspec.structs.asdict(details)))

    def assign(self, mechanic_id: UUID) -> None:
        self._must_be(*WORKABLE, rule="mechanics are assigned while a ticket is worked on")
        if mechanic_id not in self.mechanic_ids:
            if (assigned := len(self.mechanic_ids)) >= MECHANICS_MAX:
                raise Refused(f"at most {MECHANICS_MAX} mechanics; this one has {assigned}")
            ids = [*self.mechanic_ids, mechanic_id]
            self.emit(MechanicAssigned(mechanic_id=mechanic_id, mechanic_ids=ids))

    def remove(self, mechanic_id: UUID) -> None:
        self._must_be(*WORKABLE, rule="mechanics are removed while a ticket is worked on")
        if mechanic_id not in self.mechanic_ids:
            raise Refused(
                f"only an assigned mechanic is removed; assigned here: {len(self.mechanic_ids)}, "
                "and not this one"
            )
        left = [id for id in self.mechanic_ids if id != mechanic_id]
        self.emit(MechanicRemoved(mechanic_id=mechanic_id, mechanic_ids=left))

    def must_take_parts(self) -> None:
        """Asked before the shelf is, so that the ticket's own rule is heard first."""
        self._must_be(*WORKABLE, rule="parts go on an open ticket")
        self._must_have_room()

    def issue_part(self, line_id: UUID, line: PartLine, *, part_number: str, name: str) -> None:
        self.must_take_parts()
        parts_total = self.parts_total_cents + line.quantity * line.unit_price_cents
        self.emit(
            PartIssued(
                line_id=line_id,
                **msgspec.structs.asdict(line),
                part_number=part_number,
                name=name,
                parts_total_cents=parts_total,
                total_cents=_sane(parts_total + self.labor_total_cents),
            )
        )

    def return_part(self, line_id: UUID) -> PartLine:
        """Take the whole line off; what is given back must go back to stock."""
        self._must_be(*WORKABLE, rule="parts are returned while a ticket is worked on")
        return self._return_part(line_id)

    def _return_part(self, line_id: UUID) -> PartLine:
        line = self.parts[line_id]
        parts_total = self.parts_total_cents - line.quantity * line.unit_price_cents
        self.emit(
            PartReturned(
                line_id=line_id,
                inventory_id=line.inventory_id,
                quantity=line.quantity,
                parts_total_cents=parts_total,
                total_cents=parts_total + self.labor_total_cents,
            )
        )
        return line

    def add_labor(
        self,
        line_id: UUID,
        *,
        description: str,
        mechanic_id: UUID | None,
        minutes: int,
        rate_cents_per_hour: int,
    ) -> None:
        self._must_be(*WORKABLE, rule="labor goes on an open ticket")
        self._must_have_room()
        line_total = labor_cents(minutes, rate_cents_per_hour)
        labor_total = self.labor_total_cents + line_total
        self.emit(
            LaborAdded(
                line_id=line_id,
                description=description,
                mechanic_id=mechanic_id,
                minutes=minutes,
                rate_cents_per_hour=rate_cents_per_hour,
                line_total_cents=line_total,
                labor_total_cents=labor_total,
                total_cents=_sane(self.parts_total_cents + labor_total),
            )
        )

    def remove_labor(self, line_id: UUID) -> None:
        self._must_be(*WORKABLE, rule="labor is removed while a ticket is worked on")
        labor_total = self.labor_total_cents - self.labor[line_id]
        self.emit(
            LaborRemoved(
                line_id=line_id,
                labor_total_cents=labor_total,
                total_cents=self.parts_total_cents + labor_total,
            )
        )

    def start(self) -> None:
        self._must_be(Status.OPEN, rule="only an open ticket is started")
        self.emit(TicketStarted())

    def hold(self, reason: HoldReason) -> None:
        self._must_be(Status.IN_PROGRESS, rule="only a ticket in progress is put on hold")
        self.emit(TicketPutOnHold(hold_reason=reason))

    def resume(self) -> None:
        self._must_be(
            Status.ON_HOLD, Status.COMPLETED, rule="only a held or completed ticket is resumed"
        )
        self.emit(TicketResumed())

    def complete(self) -> None:
        self._must_be(
            Status.OPEN, Status.IN_PROGRESS, rule="only an open ticket or one in progress completes"
        )
        self.emit(TicketCompleted())

    def close(self, *, at: datetime, odometer_out: int | None) -> None:
        self._must_be(*CLOSABLE, rule="only an open, started or completed ticket is closed")
        cost = sum(line.quantity * line.unit_cost_cents for line in self.parts.values())
        self.emit(
            TicketClosed(
                opened_at=self.opened_at,
                closed_at=at,
                odometer_out=odometer_out,
                mechanic_ids=list(self.mechanic_ids),
                parts_total_cents=self.parts_total_cents,
                parts_cost_cents=cost,
                labor_total_cents=self.labor_total_cents,
                total_cents=self.parts_total_cents + self.labor_total_cents,
            )
        )

    def reopen(self) -> None:
        self._must_be(Status.CLOSED, rule="only a closed ticket is reopened")
        self.emit(TicketReopened(closed_at=self.closed_at or self.opened_at))

    def void(self) -> dict[UUID, PartLine]:
        """Void it; the lines given back are those whose parts must go back to stock."""
        self._must_be(*WORKABLE, Status.COMPLETED, rule="a ticket is voided until it is closed")
        returned = dict(self.parts)
        for line_id in returned:
            self._return_part(line_id)
        self.emit(TicketVoided(mechanic_ids=list(self.mechanic_ids)))
        return returned

    def _must_be(self, *allowed: Status, rule: str) -> None:
        if self.status not in allowed:
            raise Refused(f"{rule}; this one is {self.status}")

    def _must_have_room(self) -> None:
        if (lines := len(self.parts) + len(self.labor)) >= LINES_MAX:
            raise Refused(f"a ticket has at most {LINES_MAX} lines; this one has {lines}")

    def apply(self, event: TicketEvent) -> None:
        match event:
            case TicketOpened():
                self.customer_id, self.vehicle_id = event.customer_id, event.vehicle_id
                self.opened_at, self.odometer_unit = event.opened_at, event.odometer_unit
                self.details = msgspec.convert(event, TicketDetails, from_attributes=True)
            case TicketDetailsChanged():
                self.details = msgspec.convert(event, TicketDetails, from_attributes=True)
            case MechanicAssigned(mechanic_ids=ids) | MechanicRemoved(mechanic_ids=ids):
                self.mechanic_ids = list(ids)
            case PartIssued(line_id=line_id):
                self.parts[line_id] = msgspec.convert(event, PartLine, from_attributes=True)
                self.parts_total_cents = event.parts_total_cents
            case PartReturned(line_id=line_id):
                del self.parts[line_id]
                self.parts_total_cents = event.parts_total_cents
            case LaborAdded(line_id=line_id):
                self.labor[line_id] = event.line_total_cents
                self.labor_total_cents = event.labor_total_cents
            case LaborRemoved(line_id=line_id):
                del self.labor[line_id]
                self.labor_total_cents = event.labor_total_cents
            case TicketStarted() | TicketResumed():
                self.status = Status.IN_PROGRESS
            case TicketPutOnHold():
                self.status = Status.ON_HOLD
            case TicketCompleted():
                self.status = Status.COMPLETED
            case TicketClosed(closed_at=closed_at):
                self.status, self.closed_at = Status.CLOSED, closed_at
            case TicketReopened():
                self.status = Status.OPEN
            case TicketVoided():
                self.status = Status.VOIDED
            case _:
                assert_never(event)


def _sane(total_cents: int) -> int:
    if total_cents > CENTS_MAX:
        raise Refused(f"a ticket totals at most {CENTS_MAX} cents; this would make {total_cents}")
    return total_cents
