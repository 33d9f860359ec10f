"""What can happen to a service ticket: its events, and the words they use."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.kernel import Event
from domain.vehicle import OdometerUnit


class Status(StrEnum):
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    COMPLETED = "completed"
    CLOSED = "closed"
    VOIDED = "voided"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class HoldReason(StrEnum):
    WAITING_PARTS = "waiting_parts"
    WAITING_AUTHORIZATION = "waiting_authorization"
    WAITING_SUBLET = "waiting_sublet"
    WAITING_CUSTOMER = "waiting_customer"
    OTHER = "other"


class TicketOpened(Event, frozen=True, tag="ticket.opened"):
    """`odometer_unit` is the unit of both readings of this ticket, in and out."""

    ro_number: int
    customer_id: UUID
    vehicle_id: UUID
    opened_at: datetime
    description: str
    customer_concerns: list[str]
    priority: Priority
    odometer_in: int | None
    odometer_unit: OdometerUnit
    promised_at: datetime | None
    key_tag: str | None


class TicketDetailsChanged(Event, frozen=True, tag="ticket.details-changed"):
    """All details as they are now, changed or not."""

    description: str
    customer_concerns: list[str]
    priority: Priority
    odometer_in: int | None
    promised_at: datetime | None
    key_tag: str | None


class MechanicAssigned(Event, frozen=True, tag="ticket.mechanic-assigned"):
    mechanic_id: UUID
    mechanic_ids: list[UUID]


class MechanicRemoved(Event, frozen=True, tag="ticket.mechanic-removed"):
    mechanic_id: UUID
    mechanic_ids: list[UUID]


class PartIssued(Event, frozen=True, tag="ticket.part-issued"):
    """Price and cost are frozen here; the totals are those afterwards."""

    line_id: UUID
    inventory_id: UUID
    part_number: str
    name: str
    quantity: int
    unit_price_cents: int
    unit_cost_cents: int
    parts_total_cents: int
    total_cents: int


class PartReturned(Event, frozen=True, tag="ticket.part-returned"):
    """The whole line went back on the shelf."""

    line_id: UUID
    inventory_id: UUID
    quantity: int
    parts_total_cents: int
    total_cents: int


class LaborAdded(Event, frozen=True, tag="ticket.labor-added"):
    line_id: UUID
    description: str
    mechanic_id: UUID | None
    minutes: int
    rate_cents_per_hour: int
    line_total_cents: int
    labor_total_cents: int
    total_cents: int


class LaborRemoved(Event, frozen=True, tag="ticket.labor-removed"):
    line_id: UUID
    labor_total_cents: int
    total_cents: int


class TicketStarted(Event, frozen=True, tag="ticket.started"):
    pass


class TicketPutOnHold(Event, frozen=True, tag="ticket.put-on-hold"):
    hold_reason: HoldReason


class TicketResumed(Event, frozen=True, tag="ticket.resumed"):
    pass


class TicketCompleted(Event, frozen=True, tag="ticket.completed"):
    pass


class TicketClosed(Event, frozen=True, tag="ticket.closed"):
    """Carries what reports ask of a closed ticket, so that none has to look back."""

    opened_at: datetime
    closed_at: datetime
    odometer_out: int | None
    mechanic_ids: list[UUID]
    parts_total_cents: int
    parts_cost_cents: int
    labor_total_cents: int
    total_cents: int


class TicketReopened(Event, frozen=True, tag="ticket.reopened"):
    """`closed_at`: when it had been closed."""

    closed_at: datetime


class TicketVoided(Event, frozen=True, tag="ticket.voided"):
    """Parts still on it went back to stock in the same commit."""

    mechanic_ids: list[UUID]


TicketEvent = (
    TicketOpened
    | TicketDetailsChanged
    | MechanicAssigned
    | MechanicRemoved
    | PartIssued
    | PartReturned
    | LaborAdded
    | LaborRemoved
    | TicketStarted
    | TicketPutOnHold
    | TicketResumed
    | TicketCompleted
    | TicketClosed
    | TicketReopened
    | TicketVoided
)
