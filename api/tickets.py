"""Tickets over HTTP. Their paths are in api/app.py."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import falcon
import msgspec

from api.gate import NoSuchThing
from api.operation import any_of, operation, own, write
from api.resource import At, ListParams, Resource, owner, sorted_by
from commands.fields import Moment
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
    ChangeTicket,
    IssuePart,
    OpenTicket,
    RemoveLabor,
    RemoveMechanic,
    ReturnPart,
)
from domain.account import Role
from domain.ticket_events import Status
from projections.history import HistoryEntry
from projections.queries import Listing
from projections.tickets import AssignmentView, LaborLineView, PartLineView, TicketView

ADMIN, MECHANIC, CUSTOMER = Role.ADMIN, Role.MECHANIC, Role.CUSTOMER
AUDITOR, REPORTER = Role.AUDITOR, Role.REPORTER
STAFF = any_of(ADMIN, MECHANIC, AUDITOR, REPORTER)
READERS = STAFF | own(CUSTOMER)
FLOOR = any_of(ADMIN, MECHANIC)


class TicketFilters(ListParams, kw_only=True):
    """`include=voided` shows voided tickets too."""

    status: Status | None = None
    ro_number: int | None = None
    customer_id: UUID | None = None
    vehicle_id: UUID | None = None
    updated_after: Moment | None = None
    include: Literal["voided"] | None = None
    sort: Literal[
        "created_at", "-created_at", "updated_at", "-updated_at", "ro_number", "-ro_number"
    ] = "-created_at"


class AssignmentFilters(ListParams, kw_only=True):
    ticket_id: UUID | None = None
    mechanic_id: UUID | None = None


def listing(query: TicketFilters, **where: Any) -> Listing:
    asked = {
        "status": query.status and query.status.value,
        "ro_number": query.ro_number,
        "owner_id": query.customer_id,
        "vehicle_id": query.vehicle_id,
    }
    return Listing(
        "tickets",
        **sorted_by(query.sort),
        limit=query.limit,
        where={name: value for name, value in asked.items() if value is not None} | where,
        updated_after=query.updated_after,
        archived=query.include == "voided" or query.status is Status.VOIDED,
    )


class Tickets(Resource):
    @operation(READERS, params=TicketFilters, returns=list[TicketView])
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: TicketFilters) -> None:
        """List tickets; a customer sees their own only."""
        self.serve_list(req, resp, listing(query, **owner(req)), query)

    on_post = write(OpenTicket, FLOOR)


class CustomerTickets(Resource):
    @operation(READERS, params=TicketFilters, returns=list[TicketView])
    def on_get(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        customer_id: UUID,
        query: TicketFilters,
    ) -> None:
        """List the tickets of a customer."""
        self.must_be_visible(req, "customer", customer_id)
        self.serve_list(req, resp, listing(query, owner_id=customer_id), query)


class TicketResource(Resource):
    PAST = frozenset({ADMIN, MECHANIC, AUDITOR})


class Ticket(TicketResource):
    @operation(READERS, params=At, returns=TicketView)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, query: At
    ) -> None:
        """Read a ticket, now or as it was."""
        self.serve(req, resp, "ticket", ticket_id, query)

    on_patch = write(ChangeTicket, FLOOR)
    on_delete = write(VoidTicket, any_of(ADMIN))


class TicketHistory(TicketResource):
    @operation(any_of(ADMIN, MECHANIC, AUDITOR), returns=list[HistoryEntry])
    def on_get(self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID) -> None:
        """Read everything that happened to a ticket: what, when, by whom, and what it changed."""
        self.history(resp, "ticket", ticket_id)


class TicketMechanics(Resource):
    @operation(READERS, params=ListParams, returns=list[AssignmentView])
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, query: ListParams
    ) -> None:
        """List who is assigned to a ticket."""
        self.must_be_visible(req, "ticket", ticket_id)
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
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: AssignmentFilters) -> None:
        """List who is assigned to what."""
        asked = {"ticket_id": query.ticket_id, "mechanic_id": query.mechanic_id}
        where = {name: value for name, value in asked.items() if value is not None}
        self.serve_list(req, resp, _assignments(query, where), query)


class TicketLines(Resource):
    """The lines of a ticket are part of it, so they are as fresh as the ticket is."""

    def lines(self, req: falcon.Request, ticket_id: UUID, name: str) -> list[dict[str, Any]]:
        served = self.must_be_visible(req, "ticket", ticket_id)
        found: list[dict[str, Any]] = msgspec.json.decode(served.body)[name]
        return found

    def line(
        self, req: falcon.Request, resp: falcon.Response, name: str, ticket_id: UUID, line_id: UUID
    ) -> None:
        for line in self.lines(req, ticket_id, name):
            if line["line_id"] == str(line_id):
                resp.data, resp.content_type = msgspec.json.encode(line), falcon.MEDIA_JSON
                return
        raise NoSuchThing(f"no line {line_id} on ticket {ticket_id}")


class TicketParts(TicketLines):
    @operation(READERS, returns=list[PartLineView])
    def on_get(self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID) -> None:
        """List the parts on a ticket."""
        resp.media = {"items": self.lines(req, ticket_id, "parts"), "next": None}

    on_post = write(IssuePart, FLOOR)


class TicketPart(TicketLines):
    @operation(READERS, returns=PartLineView)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, line_id: UUID
    ) -> None:
        """Read one part line."""
        self.line(req, resp, "parts", ticket_id, line_id)

    on_delete = write(ReturnPart, FLOOR)


class TicketLabor(TicketLines):
    @operation(READERS, returns=list[LaborLineView])
    def on_get(self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID) -> None:
        """List the working time on a ticket."""
        resp.media = {"items": self.lines(req, ticket_id, "labor"), "next": None}

    on_post = write(AddLabor, FLOOR)


class TicketLaborLine(TicketLines):
    @operation(READERS, returns=LaborLineView)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, line_id: UUID
    ) -> None:
        """Read one labor line."""
        self.line(req, resp, "labor", ticket_id, line_id)

    on_delete = write(RemoveLabor, FLOOR)


class TicketStart(Resource):
    on_post = write(StartTicket, FLOOR)


class TicketHold(Resource):
    on_post = write(HoldTicket, FLOOR)


class TicketResume(Resource):
    on_post = write(ResumeTicket, FLOOR)


class TicketComplete(Resource):
    on_post = write(CompleteTicket, FLOOR)


class TicketClose(Resource):
    on_post = write(CloseTicket, FLOOR)


class TicketReopen(Resource):
    on_post = write(ReopenTicket, any_of(ADMIN))


def _assignments(query: ListParams, where: dict[str, Any]) -> Listing:
    return Listing("assignments", sort="assigned_at", limit=query.limit, where=where)
