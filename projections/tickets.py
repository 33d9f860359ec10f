"""Tickets, who works on them, and what they add to the mechanics' figures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.kernel import Recorded
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
    TicketOpened,
    TicketPutOnHold,
    TicketReopened,
    TicketResumed,
    TicketStarted,
    TicketVoided,
)
from domain.vehicle import OdometerUnit
from projections import ticket_figures
from projections.kernel import Fold, Row, Seen, changed, first


class PartLineView(msgspec.Struct, kw_only=True, frozen=True):
    """Parts on a ticket, at the price of the moment they were issued."""

    line_id: UUID
    inventory_id: UUID
    part_number: str
    name: str
    quantity: int
    unit_price_cents: int
    line_total_cents: int


class LaborLineView(msgspec.Struct, kw_only=True, frozen=True):
    """Working time on a ticket."""

    line_id: UUID
    description: str
    mechanic_id: UUID | None
    minutes: int
    rate_cents_per_hour: int
    line_total_cents: int


class AssignmentView(msgspec.Struct, kw_only=True, frozen=True):
    """A mechanic on a ticket."""

    ticket_id: UUID
    mechanic_id: UUID
    ro_number: int
    status: Status
    assigned_at: datetime


class TicketView(Seen, kw_only=True):
    """A service ticket. Totals are in cents; `hold_reason` is set only while on hold."""

    ro_number: int
    status: Status
    hold_reason: HoldReason | None
    customer_id: UUID
    vehicle_id: UUID
    description: str
    customer_concerns: list[str]
    priority: Priority
    odometer_unit: OdometerUnit
    odometer_in: int | None
    odometer_out: int | None
    promised_at: datetime | None
    key_tag: str | None
    mechanic_ids: list[UUID]
    parts: list[PartLineView]
    labor: list[LaborLineView]
    parts_total_cents: int
    labor_total_cents: int
    total_cents: int
    opened_at: datetime
    closed_at: datetime | None


class TicketState(msgspec.Struct, kw_only=True):
    """The ticket as served, since when each mechanic is on it, and what the parts sold on it
    had cost when it was last closed."""

    view: TicketView
    assigned_at: dict[UUID, datetime] = {}
    parts_cost_cents: int = 0


def evolve(state: TicketState | None, recorded: Recorded[Any]) -> TicketState:
    view = _view(state.view if state else None, recorded)
    at = state.assigned_at if state else {}
    if state is None or view.mechanic_ids is not state.view.mechanic_ids:
        at = {id: at.get(id, recorded.recorded_at) for id in view.mechanic_ids}
    cost = state.parts_cost_cents if state else 0
    if isinstance(recorded.event, TicketClosed):
        cost = recorded.event.parts_cost_cents
    return TicketState(view=view, assigned_at=at, parts_cost_cents=cost)


def _view(view: TicketView | None, recorded: Recorded[Any]) -> TicketView:
    match recorded.event:
        case TicketOpened() as e:
            return TicketView(
                **first(recorded),
                **_details(e),
                ro_number=e.ro_number,
                status=Status.OPEN,
                hold_reason=None,
                customer_id=e.customer_id,
                vehicle_id=e.vehicle_id,
                odometer_unit=e.odometer_unit,
                odometer_out=None,
                mechanic_ids=[],
                parts=[],
                labor=[],
                parts_total_cents=0,
                labor_total_cents=0,
                total_cents=0,
                opened_at=e.opened_at,
                closed_at=None,
            )
        case event if view is not None:
            return changed(view, recorded, **_changes(view, event))
        case _:
            return changed(view, recorded)


def _changes(view: TicketView, event: Any) -> dict[str, Any]:
    match event:
        case TicketDetailsChanged():
            return _details(event)
        case MechanicAssigned(mechanic_ids=ids) | MechanicRemoved(mechanic_ids=ids):
            return dict(mechanic_ids=ids)
        case PartIssued() as e:
            line = PartLineView(
                line_id=e.line_id,
                inventory_id=e.inventory_id,
                part_number=e.part_number,
                name=e.name,
                quantity=e.quantity,
                unit_price_cents=e.unit_price_cents,
                line_total_cents=e.quantity * e.unit_price_cents,
            )
            return dict(parts=[*view.parts, line], **_parts_totals(e))
        case PartReturned(line_id=line_id) as e:
            left = [line for line in view.parts if line.line_id != line_id]
            return dict(parts=left, **_parts_totals(e))
        case LaborAdded() as e:
            labor = LaborLineView(
                line_id=e.line_id,
                description=e.description,
                mechanic_id=e.mechanic_id,
                minutes=e.minutes,
                rate_cents_per_hour=e.rate_cents_per_hour,
                line_total_cents=e.line_total_cents,
            )
            return dict(labor=[*view.labor, labor], **_labor_totals(e))
        case LaborRemoved(line_id=line_id) as e:
            kept = [one for one in view.labor if one.line_id != line_id]
            return dict(labor=kept, **_labor_totals(e))
        case TicketStarted() | TicketResumed():
            return dict(status=Status.IN_PROGRESS, hold_reason=None)
        case TicketPutOnHold(hold_reason=reason):
            return dict(status=Status.ON_HOLD, hold_reason=reason)
        case TicketCompleted():
            return dict(status=Status.COMPLETED)
        case TicketClosed(closed_at=closed_at, odometer_out=odometer_out):
            return dict(status=Status.CLOSED, closed_at=closed_at, odometer_out=odometer_out)
        case TicketReopened():
            return dict(status=Status.OPEN, closed_at=None)
        case TicketVoided():
            return dict(status=Status.VOIDED, hold_reason=None)
        case other:
            raise TypeError(f"tickets do not know {other}")


def _details(event: TicketOpened | TicketDetailsChanged) -> dict[str, Any]:
    return dict(
        description=event.description,
        customer_concerns=event.customer_concerns,
        priority=event.priority,
        odometer_in=event.odometer_in,
        promised_at=event.promised_at,
        key_tag=event.key_tag,
    )


def _parts_totals(event: PartIssued | PartReturned) -> dict[str, int]:
    return dict(parts_total_cents=event.parts_total_cents, total_cents=event.total_cents)


def _labor_totals(event: LaborAdded | LaborRemoved) -> dict[str, int]:
    return dict(labor_total_cents=event.labor_total_cents, total_cents=event.total_cents)


def rows(state: TicketState) -> Iterator[Row]:
    view = state.view
    yield (
        "tickets",
        dict(
            id=view.id,
            version=view.version,
            owner_id=view.customer_id,
            ro_number=view.ro_number,
            status=view.status.value,
            is_open=view.status not in (Status.CLOSED, Status.VOIDED),
            vehicle_id=view.vehicle_id,
            archived=view.status is Status.VOIDED,
            created_at=view.created_at,
            updated_at=view.updated_at,
            body=msgspec.json.encode(view),
        ),
    )
    if view.status is Status.VOIDED:
        return
    for mechanic_id, assigned_at in state.assigned_at.items():
        assignment = AssignmentView(
            ticket_id=view.id,
            mechanic_id=mechanic_id,
            ro_number=view.ro_number,
            status=view.status,
            assigned_at=assigned_at,
        )
        yield (
            "assignments",
            dict(
                id=uuid5(view.id, str(mechanic_id)),
                ticket_id=view.id,
                mechanic_id=mechanic_id,
                assigned_at=assigned_at,
                body=msgspec.json.encode(assignment),
            ),
        )
    yield from ticket_figures.rows(view, state.parts_cost_cents)


FOLD = Fold("ticket", TicketState, evolve, rows)
