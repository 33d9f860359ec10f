"""Parts and labor on a ticket over HTTP. Their paths are in api/app.py."""

from __future__ import annotations

from collections.abc import Sequence
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

    def lines(self, req: falcon.Request, resp: falcon.Response, name: str, id: UUID) -> None:
        def shown(bodies: Sequence[bytes]) -> Sequence[bytes]:
            return [msgspec.json.encode({"items": _lines(bodies, name), "next": None})]

        self.serve(req, resp, "ticket", id, shown=shown)

    def line(
        self, req: falcon.Request, resp: falcon.Response, name: str, id: UUID, line_id: UUID
    ) -> None:
        def shown(bodies: Sequence[bytes]) -> Sequence[bytes]:
            for line in _lines(bodies, name):
                if line["line_id"] == str(line_id):
                    return [msgspec.json.encode(line)]
            raise NoSuchThing(f"no line {line_id} on ticket {id}")

        self.serve(req, resp, "ticket", id, shown=shown)


def _lines(bodies: Sequence[bytes], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(bodies[0])[name]
    return found


class TicketParts(TicketLines):
    @operation(READERS, returns=list[PartLineView], late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID) -> None:
        """List the parts on a ticket."""
        self.lines(req, resp, "parts", ticket_id)

    on_post = write(IssuePart, FLOOR)


class TicketPart(TicketLines):
    @operation(READERS, returns=PartLineView, late=True)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, line_id: UUID
    ) -> None:
        """Read one part line."""
        self.line(req, resp, "parts", ticket_id, line_id)

    on_delete = write(ReturnPart, FLOOR)


class TicketLabor(TicketLines):
    @operation(READERS, returns=list[LaborLineView], late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID) -> None:
        """List the working time on a ticket."""
        self.lines(req, resp, "labor", ticket_id)

    on_post = write(AddLabor, FLOOR)


class TicketLaborLine(TicketLines):
    @operation(READERS, returns=LaborLineView, late=True)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, line_id: UUID
    ) -> None:
        """Read one labor line."""
        self.line(req, resp, "labor", ticket_id, line_id)

    on_delete = write(RemoveLabor, FLOOR)
