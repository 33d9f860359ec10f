"""What may be asked of the model's shop: drawn as numbers, made into commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID, uuid4

from hypothesis import strategies as st

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
from domain.inventory import AdjustmentReason
from domain.ticket_events import HoldReason
from domain.vehicle import OdometerUnit
from tests.commands.model import Model, TicketModel

MILES = OdometerUnit.MILES
REASONS = AdjustmentReason.COUNT_CORRECTION, AdjustmentReason.LOSS
UNKNOWN = 4
Asked = tuple[str, int, int, int]
"""What, of which, with which other, how many."""


class Chosen:
    """Those of the model's things that the numbers mean; now and then something unknown."""

    def __init__(self, model: Model, which: int, other: int, number: int) -> None:
        self.ticket, self.vehicle = _of(model.tickets, which), _of(model.vehicles, which)
        self.item, self.other_item = _of(model.on_hand, which), _of(model.on_hand, other)
        self.customer, self.mechanic = _of(model.customers, other), _of(model.rates, other)
        vehicle = model.vehicles.get(self.vehicle)
        self.owner = vehicle.owner if vehicle and number else self.customer
        ticket = model.tickets.get(self.ticket, TicketModel(uuid4(), uuid4()))
        self.part_line, self.labor_line = _of(ticket.parts, other), _of(ticket.labor, other)
        self.number = number


def _of(known: Iterable[UUID], which: int) -> UUID:
    ids = list(known)
    return ids[which % len(ids)] if ids and which != UNKNOWN else uuid4()


def opening(customer_id: UUID, vehicle_id: UUID) -> OpenTicket:
    return OpenTicket(
        ticket_id=uuid4(),
        ro_number=1,
        shop_unit=MILES,
        customer_id=customer_id,
        vehicle_id=vehicle_id,
        description="Brakes",
    )


ASKING: dict[str, Callable[[Chosen], Command]] = {
    "open": lambda c: opening(c.owner, c.vehicle),
    "issue": lambda c: IssuePart(
        ticket_id=c.ticket, line_id=uuid4(), inventory_id=c.other_item, quantity=c.number + 1
    ),
    "return": lambda c: ReturnPart(ticket_id=c.ticket, line_id=c.part_line),
    "receive": lambda c: ReceiveStock(inventory_id=c.item, quantity=c.number + 1),
    "adjust": lambda c: AdjustStock(
        inventory_id=c.item, quantity_delta=c.number - 2, reason=REASONS[c.number % 2]
    ),
    "assign": lambda c: AssignMechanic(ticket_id=c.ticket, mechanic_id=c.mechanic),
    "remove": lambda c: RemoveMechanic(ticket_id=c.ticket, mechanic_id=c.mechanic),
    "add labor": lambda c: AddLabor(
        ticket_id=c.ticket,
        line_id=uuid4(),
        description="Work",
        minutes=c.number * 7 + 1,
        mechanic_id=c.mechanic,
    ),
    "remove labor": lambda c: RemoveLabor(ticket_id=c.ticket, line_id=c.labor_line),
    "start": lambda c: StartTicket(ticket_id=c.ticket),
    "hold": lambda c: HoldTicket(ticket_id=c.ticket, hold_reason=HoldReason.OTHER),
    "resume": lambda c: ResumeTicket(ticket_id=c.ticket),
    "complete": lambda c: CompleteTicket(ticket_id=c.ticket),
    "close": lambda c: CloseTicket(ticket_id=c.ticket),
    "reopen": lambda c: ReopenTicket(ticket_id=c.ticket, reason="comes back"),
    "void": lambda c: VoidTicket(ticket_id=c.ticket),
    "transfer": lambda c: TransferVehicle(vehicle_id=c.vehicle, customer_id=c.customer),
    "archive": lambda c: ArchiveVehicle(vehicle_id=c.vehicle),
    "restore": lambda c: RestoreVehicle(vehicle_id=c.vehicle),
}
OFTEN = ["open", "issue", "issue", "issue", "return", "receive", "reopen", "resume"]
WHAT = st.sampled_from([*OFTEN, *ASKING])
WHICH = st.sampled_from([*range(UNKNOWN)] * 4 + [UNKNOWN])
NUMBER = st.integers(0, 4)
ASKED = st.tuples(WHAT, WHICH, WHICH, NUMBER)


def asking(model: Model, asked: Asked) -> Command:
    what, which, other, number = asked
    return ASKING[what](Chosen(model, which, other, number))
