"""What can be asked of tickets while they are worked on."""

from __future__ import annotations

from datetime import UTC
from uuid import UUID

from msgspec import UNSET, UnsetType, convert
from msgspec.structs import replace

from commands.fields import (
    Cents,
    Concerns,
    Description,
    Minutes,
    Moment,
    Name,
    NewId,
    OdometerValue,
    Quantity,
    RunningNumber,
    ShopUnit,
    ShortText,
    merged,
)
from commands.kernel import Command, NotFound, Work, handles
from domain.customer import Customer
from domain.inventory import InventoryItem
from domain.kernel import Refused
from domain.mechanic import Mechanic
from domain.ticket import PartLine, Ticket, TicketDetails
from domain.ticket_events import Priority
from domain.vehicle import Odometer, Vehicle


class OpenTicket(Command, frozen=True):
    """Open a ticket on a vehicle of that customer."""

    ticket_id: NewId
    ro_number: RunningNumber
    shop_unit: ShopUnit
    customer_id: UUID
    vehicle_id: UUID
    description: Description
    customer_concerns: Concerns = []
    priority: Priority = Priority.NORMAL
    odometer_in: OdometerValue | None = None
    promised_at: Moment | None = None
    key_tag: ShortText | None = None


@handles(OpenTicket)
def open_ticket(command: OpenTicket, work: Work) -> None:
    ticket = work.new(Ticket, command.ticket_id)
    customer, vehicle = work.both((Customer, command.customer_id), (Vehicle, command.vehicle_id))
    if vehicle.customer_id != customer.id:
        raise Refused("a ticket is opened on a vehicle of its customer; this one is another's")
    vehicle.open_ticket(ticket.id)
    customer.open_ticket(ticket.id)
    if command.odometer_in is not None:
        reading = Odometer(command.odometer_in, command.shop_unit)
        vehicle.record_odometer(reading, work.now, ticket.id)
    ticket.open(
        command.ro_number,
        customer_id=customer.id,
        vehicle_id=vehicle.id,
        at=work.now,
        odometer_unit=command.shop_unit,
        details=_in_utc(convert(command, TicketDetails, from_attributes=True)),
    )


class ChangeTicket(Command, frozen=True):
    """Change details of a ticket that is not closed; what is absent stays as it is."""

    ticket_id: UUID
    description: Description | UnsetType = UNSET
    customer_concerns: Concerns | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    odometer_in: OdometerValue | UnsetType | None = UNSET
    promised_at: Moment | UnsetType | None = UNSET
    key_tag: ShortText | UnsetType | None = UNSET


@handles(ChangeTicket)
def change_ticket(command: ChangeTicket, work: Work) -> None:
    ticket = work.get(Ticket, command.ticket_id)
    before = ticket.details.odometer_in
    ticket.change_details(_in_utc(merged(ticket.details, command)))
    corrected = ticket.details.odometer_in
    if corrected is not None and corrected != before:
        reading = Odometer(corrected, ticket.odometer_unit)
        work.get(Vehicle, ticket.vehicle_id).record_odometer(reading, work.now, ticket.id)


def _in_utc(details: TicketDetails) -> TicketDetails:
    at = details.promised_at
    try:
        return replace(details, promised_at=at.astimezone(UTC)) if at else details
    except OverflowError:
        raise Refused(f"a promise is kept in the years 1 to 9999 UTC; this one is {at}") from None


class AssignMechanic(Command, frozen=True):
    """Assign a mechanic who works here. Assigning one twice changes nothing.

    A mechanic who leaves at that very moment stays assigned: harmless, and seen on the ticket.
    """

    ticket_id: UUID
    mechanic_id: UUID


@handles(AssignMechanic)
def assign_mechanic(command: AssignMechanic, work: Work) -> None:
    ticket, mechanic = work.both((Ticket, command.ticket_id), (Mechanic, command.mechanic_id))
    if mechanic.id not in ticket.mechanic_ids:
        mechanic.must_work_here("only a mechanic who works here is assigned")
    ticket.assign(mechanic.id)


class RemoveMechanic(Command, frozen=True):
    """Take an assigned mechanic off the ticket."""

    ticket_id: UUID
    mechanic_id: UUID


@handles(RemoveMechanic)
def remove_mechanic(command: RemoveMechanic, work: Work) -> None:
    work.get(Ticket, command.ticket_id).remove(command.mechanic_id)


class IssuePart(Command, frozen=True):
    """Take parts from the shelf and put them on the ticket, at today's price."""

    ticket_id: UUID
    line_id: NewId
    inventory_id: UUID
    quantity: Quantity


@handles(IssuePart)
def issue_part(command: IssuePart, work: Work) -> None:
    ticket, item = work.both((Ticket, command.ticket_id), (InventoryItem, command.inventory_id))
    ticket.must_take_parts()
    item.issue(command.quantity, ticket_id=ticket.id, line_id=command.line_id)
    line = PartLine(
        inventory_id=item.id,
        quantity=command.quantity,
        unit_price_cents=item.unit_price_cents,
        unit_cost_cents=item.unit_cost_cents,
    )
    name, part_number = item.details.name, item.details.part_number
    ticket.issue_part(command.line_id, line, name=name, part_number=part_number)


class ReturnPart(Command, frozen=True):
    """Take a part line off the ticket; its parts go back on the shelf."""

    ticket_id: UUID
    line_id: UUID


@handles(ReturnPart)
def return_part(command: ReturnPart, work: Work) -> None:
    ticket = work.get(Ticket, command.ticket_id)
    if command.line_id not in ticket.parts:
        raise NotFound("part line", command.line_id)
    line = ticket.return_part(command.line_id)
    put_back(work, ticket.id, command.line_id, line)


def put_back(work: Work, ticket_id: UUID, line_id: UUID, line: PartLine) -> None:
    """The parts of a line, back on the shelf."""
    item = work.get(InventoryItem, line.inventory_id)
    item.take_back(line.quantity, ticket_id=ticket_id, line_id=line_id)


class AddLabor(Command, frozen=True):
    """Add working time; without a rate, at the mechanic's own.

    A mechanic who has left, or is not assigned, may be named: they did the work.
    """

    ticket_id: UUID
    line_id: NewId
    description: Name
    minutes: Minutes
    mechanic_id: UUID | None = None
    rate_cents_per_hour: Cents | None = None


@handles(AddLabor)
def add_labor(command: AddLabor, work: Work) -> None:
    ticket = work.get(Ticket, command.ticket_id)
    mechanic = work.get(Mechanic, command.mechanic_id) if command.mechanic_id else None
    rate = command.rate_cents_per_hour
    if rate is None:
        rate = mechanic.labor_rate_cents if mechanic else 0
        if rate == 0:
            has = "this mechanic has none" if mechanic else "this one names neither"
            raise Refused(f"labor takes a rate or a mechanic's own; {has}")
    ticket.add_labor(
        command.line_id,
        description=command.description,
        mechanic_id=command.mechanic_id,
        minutes=command.minutes,
        rate_cents_per_hour=rate,
    )


class RemoveLabor(Command, frozen=True):
    """Take a labor line off the ticket."""

    ticket_id: UUID
    line_id: UUID


@handles(RemoveLabor)
def remove_labor(command: RemoveLabor, work: Work) -> None:
    ticket = work.get(Ticket, command.ticket_id)
    if command.line_id not in ticket.labor:
        raise NotFound("labor line", command.line_id)
    ticket.remove_labor(command.line_id)
