"""Parts and labor on a ticket over HTTP. Their paths are in api/app.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import falcon
import msgspec

from api.gate import NoSuchThing
from api.history import At, PastResource
from api.operation import operation, write
from api.tickets import FLOOR, READERS
from commands.tickets import AddLabor, IssuePart, RemoveLabor, ReturnPart
from projections.tickets import LaborLineView, PartLineView


class TicketLines(PastResource):
    """The lines of a ticket are part of it, so they are as fresh as the ticket is."""

    def lines(
        self, req: falcon.Request, resp: falcon.Response, name: str, id: UUID, at: At
    ) -> None:
        def shown(bodies: Sequence[bytes]) -> Sequence[bytes]:
            return [msgspec.json.encode({"items": _lines(bodies, name), "next": None})]

        self.serve_at(req, resp, "ticket", id, at, shown)

    def line(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        name: str,
        id: UUID,
        line_id: UUID,
        at: At,
    ) -> None:
        def shown(bodies: Sequence[bytes]) -> Sequence[bytes]:
            for line in _lines(bodies, name):
                if line["line_id"] == str(line_id):
                    return [msgspec.json.encode(line)]
            raise NoSuchThing(f"no line {line_id} on ticket {id}")

        self.serve_at(req, resp, "ticket", id, at, shown)


def _lines(bodies: Sequence[bytes], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(bodies[0])[name]
    return found


class TicketParts(TicketLines):
    @operation(READERS, params=At, returns=list[PartLineView], fresh=True, late=True)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, query: At
    ) -> None:
        """List the parts on a ticket, now or as it was."""
        self.lines(req, resp, "parts", ticket_id, query)

    on_post = write(IssuePart, FLOOR)


class TicketPart(TicketLines):
    @operation(READERS, params=At, returns=PartLineView, late=True)
    def on_get(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        ticket_id: UUID,
        line_id: UUID,
        query: At,
    ) -> None:
        """Read one part line, now or as it was."""
        self.line(req, resp, "parts", ticket_id, line_id, query)

    on_delete = write(ReturnPart, FLOOR)


class TicketLabor(TicketLines):
    @operation(READERS, params=At, returns=list[LaborLineView], fresh=True, late=True)
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, query: At
    ) -> None:
        """List the working time on a ticket, now or as it was."""
        self.lines(req, resp, "labor", ticket_id, query)

    on_post = write(AddLabor, FLOOR)


class TicketLaborLine(TicketLines):
    @operation(READERS, params=At, returns=LaborLineView, late=True)
    def on_get(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        ticket_id: UUID,
        line_id: UUID,
        query: At,
    ) -> None:
        """Read one labor line, now or as it was."""
        self.line(req, resp, "labor", ticket_id, line_id, query)

    on_delete = write(RemoveLabor, FLOOR)
