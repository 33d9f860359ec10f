"""The shop as plain dicts: what every command must lead to, written down a second time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from uuid import UUID

from commands.inventory import AdjustStock, ReceiveStock
from commands.kernel import Command
from commands.ticket_status import (
    CloseTicket,
    CompleteTicket,
    HoldTicket,
    ReopenTicket,
    ResumeTicket,
    StartTicket,
    VoidTicket,
)
from commands.tickets import (
    AddLabor,
    AssignMechanic,
    IssuePart,
    OpenTicket,
    RemoveLabor,
    RemoveMechanic,
    ReturnPart,
)
from commands.vehicles import ArchiveVehicle, RestoreVehicle, TransferVehicle

DONE = "done"
WORKABLE = ("open", "in_progress", "on_hold")


class No(Exception):
    """A refusal; the rule alone, without the state that the real message goes on to tell."""


@dataclass
class VehicleModel:
    owner: UUID
    open: list[UUID] = field(default_factory=list)
    archived: bool = False


@dataclass
class TicketModel:
    customer: UUID
    vehicle: UUID
    status: str = "open"
    parts: dict[UUID, tuple[UUID, int, int]] = field(default_factory=dict)
    """Line -> item, quantity, price."""
    labor: dict[UUID, int] = field(default_factory=dict)
    """Line -> cents."""
    mechanics: list[UUID] = field(default_factory=list)


class Model:
    """`do` carries out one command at a time, and says what came of it."""

    def __init__(self) -> None:
        self.customers: dict[UUID, list[UUID]] = {}
        self.vehicles: dict[UUID, VehicleModel] = {}
        self.tickets: dict[UUID, TicketModel] = {}
        self.on_hand: dict[UUID, int] = {}
        self.prices: dict[UUID, int] = {}
        self.rates: dict[UUID, int] = {}

    def do(self, command: Command) -> str:
        try:
            self._do(command)
        except No as no:
            return str(no)
        return DONE

    def _do(self, command: Command) -> None:
        match command:
            case OpenTicket(ticket_id=ticket, customer_id=customer, vehicle_id=vehicle):
                self._open(ticket, customer, vehicle)
            case ReceiveStock(inventory_id=item, quantity=quantity):
                _must(item in self.on_hand, f"no inventory item {item}")
                self.on_hand[item] += quantity
            case AdjustStock(inventory_id=item, quantity_delta=delta, reason=reason):
                _must(item in self.on_hand, f"no inventory item {item}")
                _must(delta != 0, "an adjustment changes the quantity")
                _must(reason != "loss" or delta < 0, "loss takes from what is on hand")
                _must(self.on_hand[item] + delta >= 0, "stock never falls below zero")
                self.on_hand[item] += delta
            case ArchiveVehicle() | RestoreVehicle() | TransferVehicle():
                self._vehicle(command)
            case (
                StartTicket()
                | HoldTicket()
                | ResumeTicket()
                | CompleteTicket()
                | CloseTicket()
                | ReopenTicket()
                | VoidTicket()
            ):
                self._move(command)
            case _:
                self._work(command)

    def _open(self, ticket: UUID, customer: UUID, vehicle: UUID) -> None:
        _must(customer in self.customers, f"no customer {customer}")
        _must(vehicle in self.vehicles, f"no vehicle {vehicle}")
        mine = self.vehicles[vehicle].owner == customer
        _must(mine, "a ticket is opened on a vehicle of its customer")
        _must(not self.vehicles[vehicle].archived, "tickets open only on an active vehicle")
        self.tickets[ticket] = TicketModel(customer, vehicle)
        self._set_open(ticket, True)

    def _set_open(self, id: UUID, is_open: bool) -> None:
        ticket = self.tickets[id]
        for open in (self.vehicles[ticket.vehicle].open, self.customers[ticket.customer]):
            open.append(id) if is_open else open.remove(id)

    def _vehicle(self, command: ArchiveVehicle | RestoreVehicle | TransferVehicle) -> None:
        id = command.vehicle_id
        _must(id in self.vehicles, f"no vehicle {id}")
        vehicle = self.vehicles[id]
        match command:
            case ArchiveVehicle():
                _must(not vehicle.archived, "only an active vehicle is archived")
                _must(not vehicle.open, "a vehicle with open tickets is not archived")
                vehicle.archived = True
            case RestoreVehicle():
                _must(vehicle.archived, "only an archived vehicle is restored")
                vehicle.archived = False
            case TransferVehicle(customer_id=customer):
                _must(customer in self.customers, f"no customer {customer}")
                _must(not vehicle.archived, "only an active vehicle changes owner")
                _must(not vehicle.open, "a vehicle with open tickets is not transferred")
                other = customer != vehicle.owner
                _must(other, "a vehicle is transferred to another customer")
                vehicle.owner = customer

    def _work(self, command: Command) -> None:
        id: UUID = command.ticket_id  # type: ignore[attr-defined]
        _must(id in self.tickets, f"no ticket {id}")
        ticket = self.tickets[id]
        workable = ticket.status in WORKABLE
        match command:
            case IssuePart(line_id=line, inventory_id=item, quantity=quantity):
                _must(item in self.on_hand, f"no inventory item {item}")
                _must(workable, "parts go on an open ticket")
                enough = quantity <= self.on_hand[item]
                _must(enough, "parts are issued from what is on hand")
                self.on_hand[item] -= quantity
                ticket.parts[line] = item, quantity, self.prices[item]
            case ReturnPart(line_id=line):
                _must(line in ticket.parts, f"no part line {line}")
                _must(workable, "parts are returned while a ticket is worked on")
                self._put_back(ticket, line)
            case AddLabor(line_id=line, minutes=minutes, mechanic_id=UUID() as mechanic):
                _must(mechanic in self.rates, f"no mechanic {mechanic}")
                _must(workable, "labor goes on an open ticket")
                ticket.labor[line] = (minutes * self.rates[mechanic] + 30) // 60
            case RemoveLabor(line_id=line):
                _must(line in ticket.labor, f"no labor line {line}")
                _must(workable, "labor is removed while a ticket is worked on")
                del ticket.labor[line]
            case AssignMechanic(mechanic_id=mechanic):
                _must(mechanic in self.rates, f"no mechanic {mechanic}")
                _must(workable, "mechanics are assigned while a ticket is worked on")
                if mechanic not in ticket.mechanics:
                    ticket.mechanics.append(mechanic)
            case RemoveMechanic(mechanic_id=mechanic):
                _must(workable, "mechanics are removed while a ticket is worked on")
                _must(mechanic in ticket.mechanics, "only an assigned mechanic is removed")
                ticket.mechanics.remove(mechanic)
            case _:
                _unknown(command)

    def _put_back(self, ticket: TicketModel, line: UUID) -> None:
        item, quantity, _ = ticket.parts.pop(line)
        self.on_hand[item] += quantity

    def _move(self, command: Command) -> None:
        id: UUID = command.ticket_id  # type: ignore[attr-defined]
        _must(id in self.tickets, f"no ticket {id}")
        ticket = self.tickets[id]
        allowed, status, rule = MOVES[type(command)]
        _must(ticket.status in allowed, rule)
        match command:
            case CloseTicket():
                self._set_open(id, False)
            case ReopenTicket():
                vehicle = self.vehicles[ticket.vehicle]
                mine = vehicle.owner == ticket.customer
                _must(mine, "a ticket is reopened on a vehicle of its customer")
                _must(not vehicle.archived, "tickets open only on an active vehicle")
                self._set_open(id, True)
            case VoidTicket():
                for line in list(ticket.parts):
                    self._put_back(ticket, line)
                self._set_open(id, False)
        ticket.status = status


MOVES: dict[type[Command], tuple[tuple[str, ...], str, str]] = {
    StartTicket: (("open",), "in_progress", "only an open ticket is started"),
    HoldTicket: (("in_progress",), "on_hold", "only a ticket in progress is put on hold"),
    ResumeTicket: (
        ("on_hold", "completed"),
        "in_progress",
        "only a held or completed ticket is resumed",
    ),
    CompleteTicket: (
        ("open", "in_progress"),
        "completed",
        "only an open ticket or one in progress completes",
    ),
    CloseTicket: (
        ("open", "in_progress", "completed"),
        "closed",
        "only an open, started or completed ticket is closed",
    ),
    ReopenTicket: (("closed",), "open", "only a closed ticket is reopened"),
    VoidTicket: ((*WORKABLE, "completed"), "voided", "a ticket is voided until it is closed"),
}
"""From which status to which, and the rule that says so."""


def _must(true: bool, rule: str) -> None:
    if not true:
        raise No(rule)


def _unknown(command: Command) -> NoReturn:
    raise TypeError(f"the model does not know {command}")
