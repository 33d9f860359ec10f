"""The past over HTTP: any version, any moment, everything that happened, and what differs.

Whoever reads the past is recorded, and is so before the answer is sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID

import falcon
import msgspec
from msgspec import Meta

from api import cursors
from api.answers import answer_digested, answer_page, tell_position
from api.gate import Forbidden, NoSuchThing
from api.operation import Allow, any_of, operation
from api.resource import NOUNS, ListParams, Resource, Shown, no_such, parse_token, show
from api.validation import FieldError, InvalidFields
from commands.fields import Moment
from domain.account import Role
from projections.history import Actor, Change, HistoryEntry, changes, facts
from projections.queries import Served

AUDITORS = any_of(Role.ADMIN, Role.AUDITOR)
PAST: Mapping[str, Allow] = defaultdict(
    lambda: AUDITORS, ticket=any_of(Role.ADMIN, Role.MECHANIC, Role.AUDITOR)
)
"""Who may read the past, by kind."""

Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Cursor = tuple[Literal["history"], Version]


class At(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A resource as it was: at a version, or as recorded at a moment."""

    version: Version | None = None
    as_of: Moment | None = None


class Between(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Two versions of a resource, the earlier one first."""

    from_: Version = msgspec.field(name="from")
    to: Version


class Differences(msgspec.Struct):
    """What differs between two versions: by field, parts and labor by line."""

    from_: int = msgspec.field(name="from")
    to: int
    changes: dict[str, Change]


class NoSuchVersion(NoSuchThing):
    """The resource exists, not at that version or moment."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.errors = [FieldError(f"/{field}", message)]


class PastResource(Resource):
    """A resource that is read as it was, too."""

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
            return
        req.context.passage.settle()
        if at.version is not None and at.as_of is not None:
            raise InvalidFields([FieldError("/as_of", "goes without version")])
        if req.context.actor.role not in PAST[kind]:
            raise Forbidden("the past is read by " + ", ".join(sorted(PAST[kind])))
        served = self.runtime.queries.at(kind, id, version=at.version, moment=at.as_of)
        if served is None:
            raise NoSuchThing(f"{no_such(kind, id)} at that point")
        if at.version is not None and served.version != at.version:
            raise NoSuchVersion(f"the last version is {served.version}", "version")
        self.record(req, id, at)
        show(req, resp, id, parse_token(req), served, shown)

    def record(
        self, req: falcon.Request, subject: UUID | None, query: msgspec.Struct | None = None
    ) -> None:
        """Keep who is about to be told what. Raises `NotRecorded`."""
        actor, asked = req.context.actor, msgspec.to_builtins(query) or {}
        self.runtime.accesses.record(
            actor=actor.account_id,
            role=actor.role.value,
            operation=f"{req.method} {req.context.operation.path}",
            subject=subject,
            query={name: value for name, value in asked.items() if value is not None},
            request_id=req.context.request_id,
        )

    def name_actors(self, actors: Sequence[Actor]) -> None:
        """Give them the e-mail addresses they have now, if any: at most two look-ups."""
        ids = {actor.id for actor in actors if actor.id is not None}
        # The views may not know yet who was erased a moment ago; the keys do.
        known = self.runtime.keyring.keys_of(ids)
        bodies = self.runtime.queries.bodies("account", known) if known else {}
        emails = {id: _email(body).email for id, (body, _) in bodies.items()}
        for actor in actors:
            actor.email = emails.get(actor.id) if actor.id is not None else None

    def history(
        self, req: falcon.Request, resp: falcon.Response, kind: str, id: UUID, query: ListParams
    ) -> None:
        """A page of what happened to a stream and what it changed, the first event first."""
        after = cursors.unpacked(query.cursor, Cursor)[1] if query.cursor is not None else 0
        token, position = parse_token(req), self.runtime.queries.position()
        page = self.runtime.queries.past.page(kind, id, after, query.limit)
        if page is None:
            raise no_such(kind, id)
        self.name_actors([entry.actor for entry in page.entries])
        self.record(req, id, query)
        last = page.entries[-1].version if page.entries else after
        tell_position(resp, token.seen(position, id, last), position)
        cursor = cursors.packed(("history", last)) if page.more else None
        answer_page(req, resp, msgspec.json.encode(page.entries), cursor)

    def difference(
        self, req: falcon.Request, resp: falcon.Response, kind: str, id: UUID, query: Between
    ) -> None:
        """What differs between two versions of a resource."""
        if query.from_ > query.to:
            raise InvalidFields([FieldError("/from", f"Expected a version up to {query.to}")])
        then = self._version(kind, id, query.from_, "from")
        now = then if query.from_ == query.to else self._version(kind, id, query.to, "to")
        self.record(req, id, query)
        token = parse_token(req).seen(now.position, id, now.version)
        tell_position(resp, token, now.position)
        changed = changes(facts(then.body), facts(now.body))
        answer = Differences(then.version, now.version, changed)
        answer_digested(req, resp, msgspec.json.encode(answer))

    def _version(self, kind: str, id: UUID, version: int, field: str) -> Served:
        found = self.runtime.queries.at(kind, id, version=version)
        if found is None:
            raise no_such(kind, id)
        if found.version != version:
            raise NoSuchVersion(f"the last version is {found.version}", field)
        return found


def read_of(kind: str, allow: Allow, view: type[msgspec.Struct]) -> Callable[..., None]:
    """A responder that reads a resource of that kind, now or as it was."""
    id = f"{kind}_id"

    def on_get(
        self: PastResource, req: falcon.Request, resp: falcon.Response, query: At, **ids: UUID
    ) -> None:
        self.serve_at(req, resp, kind, ids[id], query)

    on_get.__doc__ = f"""Read {_a(kind)}, now or as it was."""
    return operation(allow, params=At, returns=view, late=True)(on_get)


def history_of(kind: str) -> Callable[..., None]:
    """A responder that pages through the history of a resource of that kind."""

    def on_get(
        self: PastResource,
        req: falcon.Request,
        resp: falcon.Response,
        query: ListParams,
        **ids: UUID,
    ) -> None:
        self.history(req, resp, kind, ids[f"{kind}_id"], query)

    on_get.__doc__ = f"""Read everything that happened to {_a(kind)}: what, when, by whom, and
        what it changed."""
    return operation(PAST[kind], params=ListParams, returns=list[HistoryEntry], fresh=True)(on_get)


def difference_of(kind: str) -> Callable[..., None]:
    """A responder that compares two versions of a resource of that kind."""

    def on_get(
        self: PastResource, req: falcon.Request, resp: falcon.Response, query: Between, **ids: UUID
    ) -> None:
        self.difference(req, resp, kind, ids[f"{kind}_id"], query)

    on_get.__doc__ = f"""Read what differs between two versions of {_a(kind)}."""
    return operation(PAST[kind], params=Between, returns=Differences, fresh=True)(on_get)


def _a(kind: str) -> str:
    noun = NOUNS.get(kind, kind)
    return f"an {noun}" if noun[0] in "ai" else f"a {noun}"


class _Account(msgspec.Struct):
    email: str | None


_email = msgspec.json.Decoder(_Account).decode
