"""The past over HTTP: any version, any moment, and everything that happened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

import falcon
import msgspec
from msgspec import Meta

from api.gate import Forbidden, NoSuchThing
from api.resource import Resource, Shown, answer_digested, parse_token, show, tell_position
from commands.fields import Moment
from domain.account import Role
from projections import history
from projections.queries import Served
from projections.views import FOLDS


class At(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A resource as it was: at a version, or as recorded at a moment."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    as_of: Moment | None = None


class PastResource(Resource):
    """A resource that is read as it was, too."""

    PAST = frozenset({Role.ADMIN, Role.AUDITOR})
    """Who may read it as it was."""

    def serve_at(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        kind: str,
        id: UUID,
        at: At,
        shown: Shown | None = None,
    ) -> None:
        """A resource by its id, now or as it was."""
        if at.version is None and at.as_of is None:
            self.serve(req, resp, kind, id, shown)
        else:
            req.context.passage.settle()
            served = self._as_it_was(req, kind, id, at)
            show(req, resp, id, parse_token(req), served, shown)

    def _as_it_was(self, req: falcon.Request, kind: str, id: UUID, at: At) -> Served:
        if req.context.actor.role not in self.PAST:
            raise Forbidden("the past is read by " + ", ".join(sorted(self.PAST)))
        events: Iterable[Any] = self.runtime.store.events(id, lte=at.version)
        if at.as_of is not None:
            events = history.until(events, at.as_of)
        served = self.runtime.queries.folded(kind, events)
        if served is None or (at.as_of is None and served.version != at.version):
            raise NoSuchThing(f"no {kind} {id} at that point")
        return served

    def history(self, req: falcon.Request, resp: falcon.Response, kind: str, id: UUID) -> None:
        """Every event of the stream with what it changed."""
        token, position = parse_token(req), self.runtime.queries.position()
        entries = history.history(FOLDS[kind], self.runtime.store.events(id))
        if not entries:
            raise NoSuchThing(f"no {kind} {id}")
        tell_position(resp, token.seen(position, id, entries[-1].version), position)
        answer_digested(req, resp, msgspec.json.encode({"items": entries, "next": None}))
