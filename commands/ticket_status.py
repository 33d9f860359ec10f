"""What moves a ticket from one status to the next.

Closing, voiding and reopening also tell vehicle and customer, so that "refused, a ticket is
open" never rests on anything but their own events.
"""

from __future__ import annotations

from uuid import UUID

from commands.fields import OdometerValue, Reason
from commands.kernel import Command, Work, handles
from commands.tickets import put_back
from domain.customer import Customer
from domain.kernel import Refused
from domain.ticket import Ticket
from domain.ticket_events import HoldReason
from domain.vehicle import Odometer, Vehicle


class StartTicket(Command, frozen=True):
    """Begin the work: open -> in_progress."""

    ticket_id: UUID


@handles(StartTicket)
def start_ticket(command: StartTicket, work: Work) -> None:
    work.get(Ticket, command.ticket_id).start()


class HoldTicket(Command, frozen=True):
    """Put the work on hold: in_progress -> on_hold."""

    ticket_id: UUID
    hold_reason: HoldReason


@handles(HoldTicket)
def hold_ticket(command: HoldTicket, work: Work) -> None:
    work.get(Ticket, command.ticket_id).hold(command.hold_reason)


class ResumeTicket(Command, frozen=True):
    """Go on with the work: on_hold | completed -> in_progress."""

    ticket_id: UUID


@handles(ResumeTicket)
def resume_ticket(command: ResumeTicket, work: Work) -> None:
    work.get(Ticket, command.ticket_id).resume()


class CompleteTicket(Command, frozen=True):
    """The work is done: open | in_progress -> completed."""

    ticket_id: UUID


@handles(CompleteTicket)
def complete_ticket(command: CompleteTicket, work: Work) -> None:
    work.get(Ticket, command.ticket_id).complete()


class CloseTicket(Command, frozen=True):
    """Close the ticket: paid and handed over. Nothing on it changes any more."""

    ticket_id: UUID
    odometer_out: OdometerValue | None = None


@handles(CloseTicket)
def close_ticket(command: CloseTicket, work: Work) -> None:
    ticket = work.get(Ticket, command.ticket_id)
    ticket.close(at=work.now, odometer_out=command.odometer_out)
    vehicle, customer = _of(ticket, work)
    if command.odometer_out is not None:
        reading = Odometer(command.odometer_out, ticket.odometer_unit)
        vehicle.record_odometer(reading, work.now, ticket.id)
    vehicle.close_ticket(ticket.id)
    customer.close_ticket(ticket.id)


class ReopenTicket(Command, frozen=True):
    """Open a closed ticket again: closed -> open.

    The customer and the vehicle must be active, and the vehicle still the customer's.
    """

    ticket_id: UUID
    reason: Reason


@handles(ReopenTicket)
def reopen_ticket(command: ReopenTicket, work: Work) -> None:
    ticket = work.get(Ticket, command.ticket_id)
    ticket.reopen()
    vehicle, customer = _of(ticket, work)
    if vehicle.customer_id != ticket.customer_id:
        raise Refused("a ticket is reopened on a vehicle of its customer; this one is another's")
    vehicle.open_ticket(ticket.id)
    customer.open_ticket(ticket.id)


class VoidTicket(Command, frozen=True):
    """Void a ticket that is not closed: its parts go back to stock, it takes no more commands."""

    ticket_id: UUID
    reason: Reason | None = None


@handles(VoidTicket)
def void_ticket(command: VoidTicket, work: Work) -> None:
    ticket = work.get(Ticket, command.ticket_id)
    for line_id, line in ticket.void().items():
        put_back(work, ticket.id, line_id, line)
    vehicle, customer = _of(ticket, work)
    vehicle.close_ticket(ticket.id)
    customer.close_ticket(ticket.id)


def _of(ticket: Ticket, work: Work) -> tuple[Vehicle, Customer]:
    return work.both((Vehicle, ticket.vehicle_id), (Customer, ticket.customer_id))
