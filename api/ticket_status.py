"""What moves a ticket through its states over HTTP. The paths are in api/app.py."""

from __future__ import annotations

from api.operation import any_of, write
from api.resource import Resource
from api.tickets import FLOOR
from commands.ticket_status import (
    CloseTicket,
    CompleteTicket,
    HoldTicket,
    ReopenTicket,
    ResumeTicket,
    StartTicket,
)
from domain.account import Role


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
    on_post = write(ReopenTicket, any_of(Role.ADMIN))
