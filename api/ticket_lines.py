"""Parts and labor on a ticket over HTTP. Their paths are in api/app.py."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import falcon
import msgspec

from api.gate import NoSuchThing
from api.operation import operation, write
from api.resource import Resource
from api.tickets import FLOOR, READERS
from commands.tickets import AddLabor, IssuePart, RemoveLabor, ReturnPart
from projections.tickets import LaborLineView, PartLineView


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
