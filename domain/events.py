"""Every event there is: what the store may contain, and nothing else."""

from domain.account import AccountEvent
from domain.claim import ClaimEvent
from domain.customer import CustomerEvent
from domain.inventory import InventoryEvent
from domain.mechanic import MechanicEvent
from domain.ticket_events import TicketEvent
from domain.vehicle import VehicleEvent

AnyEvent = (
    CustomerEvent
    | VehicleEvent
    | MechanicEvent
    | InventoryEvent
    | TicketEvent
    | AccountEvent
    | ClaimEvent
)
