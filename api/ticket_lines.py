"""Parts and labor on a ticket over HTTP. Their paths are in api/app.py.

The lines of a ticket are part of it, so they are as fresh as the ticket is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def lines_of(name: str, view: type[msgspec.Struct], told: str) -> Callable[..., None]:
    """A responder that lists the lines in that field of a ticket."""

    def shown(bodies: Sequence[bytes]) -> Sequence[bytes]:
        return [msgspec.json.encode({"items": _lines(bodies, name), "next": None})]

    def on_get(
        self: PastResource, req: falcon.Request, resp: falcon.Response, ticket_id: UUID, query: At
    ) -> None:
        self.serve_at(req, resp, "ticket", ticket_id, query, shown)

    on_get.__doc__ = told
    items: Any = list
    return operation(READERS, params=At, returns=items[view], fresh=True, late=True)(on_get)


def line_of(name: str, view: type[msgspec.Struct], told: str) -> Callable[..., None]:
    """A responder that reads one of the lines in that field of a ticket."""

    def on_get(
        self: PastResource,
        req: falcon.Request,
        resp: falcon.Response,
        ticket_id: UUID,
        line_id: UUID,
        query: At,
    ) -> None:
        def shown(bodies: Sequence[bytes]) -> Sequence[bytes]:
            for line in _lines(bodies, name):
                if line["line_id"] == str(line_id):
                    return [msgspec.json.encode(line)]
            raise NoSuchThing(f"no line {line_id} on ticket {ticket_id}")

        self.serve_at(req, resp, "ticket", ticket_id, query, shown)

    on_get.__doc__ = told
    return operation(READERS, params=At, returns=view, late=True)(on_get)


def _lines(bodies: Sequence[bytes], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(bodies[0])[name]
    return found


class TicketParts(PastResource):
    on_get = lines_of("parts", PartLineView, "List the parts on a ticket, now or as it was.")
    on_post = write(IssuePart, FLOOR)


class TicketPart(PastResource):
    on_get = line_of("parts", PartLineView, "Read one part line, now or as it was.")
    on_delete = write(ReturnPart, FLOOR)


class TicketLabor(PastResource):
    on_get = lines_of(
        "labor", LaborLineView, "List the working time on a ticket, now or as it was."
    )
    on_post = write(AddLabor, FLOOR)


class TicketLaborLine(PastResource):
    on_get = line_of("labor", LaborLineView, "Read one labor line, now or as it was.")
    on_delete = write(RemoveLabor, FLOOR)
