"""Mechanics over HTTP. Their paths are in api/app.py."""

from __future__ import annotations

from typing import Annotated, Literal

import falcon
import msgspec
from msgspec import Meta

from api.history import PastResource, difference_of, history_of, read_of
from api.operation import any_of, operation, own, write
from api.resource import NamedFilters, Resource
from commands.mechanics import ChangeMechanic, HireMechanic, RecordMechanicLeft, RehireMechanic
from domain.account import Role
from domain.text import folded
from projections.leaderboard import Leaderboard
from projections.mechanics import MechanicView

ADMIN, MECHANIC, AUDITOR, REPORTER = Role.ADMIN, Role.MECHANIC, Role.AUDITOR, Role.REPORTER
READERS = any_of(ADMIN, MECHANIC, AUDITOR, REPORTER)


class MechanicFilters(NamedFilters, kw_only=True):
    """`q` is the beginning of a name; `include=archived` shows those who left."""

    email: Annotated[str, Meta(min_length=1, max_length=254)] | None = None


class RankedBy(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What mechanics are ranked by: tickets assigned, tickets closed, minutes of labor."""

    by: Literal["tickets", "closed", "labor"] = "tickets"


class Mechanics(Resource):
    @operation(READERS, params=MechanicFilters, returns=list[MechanicView], late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: MechanicFilters) -> None:
        """List the mechanics who work here."""
        where = {"email": folded(query.email)} if query.email else {}
        self.serve_list(req, resp, query.listing("mechanics", where), query)

    on_post = write(HireMechanic, any_of(ADMIN))


class Mechanic(PastResource):
    on_get = read_of("mechanic", READERS, MechanicView)
    on_patch = write(ChangeMechanic, any_of(ADMIN) | own(MECHANIC))
    on_delete = write(RecordMechanicLeft, any_of(ADMIN))


class MechanicHistory(PastResource):
    on_get = history_of("mechanic")


class MechanicDiff(PastResource):
    on_get = difference_of("mechanic")


class MechanicRehire(Resource):
    on_post = write(RehireMechanic, any_of(ADMIN))


class MechanicLeaderboard(Resource):
    @operation(READERS, params=RankedBy, returns=Leaderboard, late=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: RankedBy) -> None:
        """Rank the mechanics who work here; equal figures share a rank."""
        self.serve_page(req, resp, self.runtime.queries.leaderboard(query.by))
