"""Tickets over HTTP. Their paths are in api/app.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import falcon
import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.gate import Forbidden
from api.history import At, PastResource, difference_of, history_of
from api.operation import any_of, operation, own, write
from api.resource import (
    ListParams,
    Resource,
    narrowed,
    owner,
    parse_token,
    sorted_by,
    visible,
)
from commands.fields import Moment
from commands.ticket_status import VoidTicket
from commands.tickets import AssignMechanic, ChangeTicket, OpenTicket, RemoveMechanic
from domain import vin
from domain.account import Role
from domain.text import folded
from domain.ticket_events import Status
from projections.customers import CustomerView
from projections.listing import Listing
from projections.tickets import AssignmentView, TicketView
from projections.vehicles import VehicleView

ADMIN, MECHANIC, CUSTOMER = Role.ADMIN, Role.MECHANIC, Role.CUSTOMER
AUDITOR, REPORTER = Role.AUDITOR, Role.REPORTER
STAFF = any_of(ADMIN, MECHANIC, AUDITOR, REPORTER)
READERS = STAFF | own(CUSTOMER)
FLOOR = any_of(ADMIN, MECHANIC)


Expand = Annotated[
    str,
    Meta(
        pattern="^(customer|vehicle)(,(customer|vehicle))?$",
        description="customer, vehicle or both, separated by a comma: shown inside the ticket.",
    ),
]


class ShownTicket(TicketView, kw_only=True):
    """A service ticket. `customer` and `vehicle` are there where `expand` asks for them: as
    they are now, null where they are not the reader's to see."""

    customer: CustomerView | UnsetType | None = UNSET
    vehicle: VehicleView | UnsetType | None = UNSET


class TicketAt(At, kw_only=True):
    """A ticket now, as it was, or with its customer and vehicle as they are now."""

    expand: Expand | None = None


class TicketFilters(ListParams, kw_only=True):
    """`open=true` shows what is neither closed nor voided; `include=voided` voided ones too."""

    status: Status | None = None
    open: bool | None = None
    ro_number: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    customer_id: UUID | None = None
    vehicle_id: UUID | None = None
    mechanic_id: UUID | None = None
    vin: Annotated[str, Meta(min_length=1, max_length=17)] | None = None
    plate: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    email: Annotated[str, Meta(min_length=1, max_length=254)] | None = None
    expand: Expand | None = None
    updated_after: Moment | None = None
    include: Literal["voided"] | None = None
    sort: Literal[
        "created_at", "-created_at", "updated_at", "-updated_at", "ro_number", "-ro_number"
    ] = "-created_at"


class AssignmentFilters(ListParams, kw_only=True):
    ticket_id: UUID | None = None
    mechanic_id: UUID | None = None


def listing(query: TicketFilters, req: falcon.Request, **where: Any) -> Listing:
    """By what the reader may not read, nothing is found: it could be guessed that way."""
    if req.context.actor.role is REPORTER and (query.vin or query.plate or query.email):
        raise Forbidden(f"{REPORTER} finds tickets by nothing of customers and vehicles")
    asked = {
        "status": query.status and query.status.value,
        "is_open": query.open,
        "ro_number": query.ro_number,
        "owner_id": query.customer_id,
        "vehicle_id": query.vehicle_id,
    }
    related = {
        "mechanic_id": query.mechanic_id,
        "vin": query.vin and vin.normalised(query.vin),
        "plate": query.plate and folded(query.plate),
        "email": query.email and folded(query.email),
    }
    return Listing(
        "tickets",
        **sorted_by(query.sort),
        limit=query.limit,
        where=narrowed({name: value for name, value in asked.items() if value is not None}, where),
        related={name: value for name, value in related.items() if value is not None},
        reader=owner(req).get("owner_id"),
        updated_after=query.updated_after,
        archived=query.include == "voided" or query.status is Status.VOIDED,
    )


class TicketResource(PastResource):
    """Tickets, which can show what they refer to."""

    def expanding(
        self, req: falcon.Request, expand: str | None
    ) -> Callable[[Sequence[bytes]], Sequence[bytes]] | None:
        """What puts customer and vehicle into ticket bodies; nothing a role may not read."""
        if expand is None:
            return None
        if req.context.actor.role is REPORTER:
            raise Forbidden(f"{REPORTER} reads tickets, not the customers and vehicles of them")
        kinds = tuple(dict.fromkeys(expand.split(",")))
        return lambda bodies: self._expanded(req, bodies, kinds)

    def _expanded(
        self, req: falcon.Request, bodies: Sequence[bytes], kinds: tuple[str, ...]
    ) -> Sequence[bytes]:
        named = [_decode_named(body) for body in bodies]
        for kind in kinds:
            ids = [getattr(one, f"{kind}_id") for one in named]
            found = self.runtime.queries.bodies(kind, ids)
            inside = [self._inside(req, found.get(id)) for id in ids]
            bodies = [
                b'%b,"%b":%b}' % (body[:-1], kind.encode(), part)
                for body, part in zip(bodies, inside, strict=True)
            ]
        return bodies

    @staticmethod
    def _inside(req: falcon.Request, found: tuple[bytes, UUID | None] | None) -> bytes:
        return found[0] if found is not None and visible(req, found[1]) else b"null"


class _Named(msgspec.Struct):
    customer_id: UUID
    vehicle_id: UUID


_decode_named = msgspec.json.Decoder(_Named).decode


class Tickets(TicketResource):
    @operation(READERS, params=TicketFilters, returns=list[ShownTicket], late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: TicketFilters) -> None:
        """List tickets; a customer sees their own only."""
        shown = self.expanding(req, query.expand)
        self.serve_list(req, resp, listing(query, req, **owner(req)), query, shown)

    on_post = write(OpenTicket, FLOOR)


class CustomerTickets(TicketResource):
    @operation(READERS, params=TicketFilters, returns=list[ShownTicket], late=True)
    def on_get(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        customer_id: UUID,
        query: TicketFilters,
    ) -> None:
        """List the tickets of a customer."""
        self.find(req, "customer", customer_id, parse_token(req))
        shown = self.expanding(req, query.expand)
        self.serve_list(req, resp, listing(query, req, owner_id=customer_id), query, shown)


class Ticket(TicketResource):
    @operation(READERS, params=TicketAt, returns=ShownTicket, late=True)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, query: TicketAt
    ) -> None:
        """Read a ticket, now or as it was."""
        self.serve_at(req, resp, "ticket", ticket_id, query, self.expanding(req, query.expand))

    on_patch = write(ChangeTicket, FLOOR)
    on_delete = write(VoidTicket, any_of(ADMIN))


class TicketHistory(PastResource):
    on_get = history_of("ticket")


class TicketDiff(PastResource):
    on_get = difference_of("ticket")


class TicketMechanics(Resource):
    @operation(READERS, params=ListParams, returns=list[AssignmentView], late=True)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, query: ListParams
    ) -> None:
        """List who is assigned to a ticket."""
        self.find(req, "ticket", ticket_id, parse_token(req))
        where = {"ticket_id": ticket_id}
        self.serve_list(req, resp, _assignments(query, where), query)


class TicketMechanic(Resource):
    on_put = write(AssignMechanic, FLOOR)
    on_delete = write(RemoveMechanic, FLOOR)


class Assignments(Resource):
    @operation(
        any_of(ADMIN, MECHANIC, AUDITOR, REPORTER),
        params=AssignmentFilters,
        returns=list[AssignmentView],
        late=True,
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: AssignmentFilters) -> None:
        """List who is assigned to what."""
        asked = {"ticket_id": query.ticket_id, "mechanic_id": query.mechanic_id}
        where = {name: value for name, value in asked.items() if value is not None}
        self.serve_list(req, resp, _assignments(query, where), query)


def _assignments(query: ListParams, where: dict[str, Any]) -> Listing:
    return Listing("assignments", sort="assigned_at", limit=query.limit, where=where)
