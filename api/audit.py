"""Searching the log by who did what when, and who read the past. Paths are in api/app.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import falcon
import msgspec
from msgspec import Meta

from api import cursors
from api.answers import answer_page, tell_position
from api.history import AUDITORS, PastResource
from api.operation import operation
from api.resource import ListParams, parse_token
from api.validation import FieldError, InvalidFields
from commands.fields import Moment
from domain.events import AnyEvent
from infrastructure.accesses import Access, AccessFilter
from infrastructure.audit_index import Found, Search
from infrastructure.event_store.upcasters import UPCASTERS
from projections.history import Actor
from projections.listing import Listing

TYPES = {str(kind.__struct_config__.tag) for kind in get_args(AnyEvent)} | UPCASTERS.keys()
Number = Annotated[int, Meta(ge=1, le=2**63 - 1)]
SearchCursor = tuple[Literal["search"], Moment, Number]
AccessCursor = tuple[Literal["accesses"], Moment, UUID]


class AuditSearch(ListParams, kw_only=True):
    """Everything asked for must fit. `from` is the first instant and `to` the first one no
    longer; `type` is a tag of docs/events.md; `ro_number` stands for the ticket of that number."""

    actor: UUID | None = None
    type: Annotated[str, Meta(extra_json_schema={"enum": sorted(TYPES)})] | None = None
    from_: Moment | None = msgspec.field(name="from", default=None)
    to: Moment | None = None
    aggregate_id: UUID | None = None
    ro_number: Number | None = None


class AccessSearch(ListParams, kw_only=True):
    """Everything asked for must fit. `from` is the first instant and `to` the first one no
    longer; `subject` is the id of what was read about."""

    actor: UUID | None = None
    subject: UUID | None = None
    from_: Moment | None = msgspec.field(name="from", default=None)
    to: Moment | None = None


class FoundEvent(msgspec.Struct):
    """An event in its place in the feed. What it changed, the history of its aggregate says."""

    position: int
    aggregate: str
    aggregate_id: UUID
    version: int
    type: str
    recorded_at: datetime
    actor: Actor
    command: str
    request_id: str
    reason: str | None


class Events(PastResource):
    @operation(AUDITORS, params=AuditSearch, returns=list[FoundEvent])
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: AuditSearch) -> None:
        """Find events by who did what when, the latest first."""
        search = _search(query)
        token = self.wait(req, self.runtime.audit_index.position)
        position = self.runtime.audit_index.position()
        if query.ro_number is not None:
            search = search._replace(originators=search.originators | self._ticket(query.ro_number))
        rows = self.runtime.audit_index.find(search)
        found = [_shown(row) for row in rows[: query.limit]]
        self.name_actors([one.actor for one in found])
        self.record(req, query.aggregate_id, query)
        cursor = None
        if len(rows) > query.limit:
            cursor = cursors.packed(("search", found[-1].recorded_at, found[-1].position))
        tell_position(resp, token.shown(position), position)
        answer_page(req, resp, msgspec.json.encode(found), cursor)

    def _ticket(self, ro_number: int) -> frozenset[UUID]:
        """The id of that ticket; one that nothing has, if there is no such ticket."""
        listing = Listing("tickets", "ro_number", 1, where={"ro_number": ro_number}, archived=True)
        bodies = self.runtime.queries.list(listing).items
        return frozenset(_id(body).id for body in bodies) or frozenset({UUID(int=0)})


class Accesses(PastResource):
    @operation(AUDITORS, params=AccessSearch, returns=list[Access], fresh=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: AccessSearch) -> None:
        """Find who read the past, the latest first. Reading this is recorded here too."""
        _in_order(query)
        wanted = AccessFilter(
            limit=query.limit + 1,
            actor=query.actor,
            subject=query.subject,
            since=query.from_,
            until=query.to,
            before=_after(query.cursor, AccessCursor),
        )
        found = self.runtime.accesses.find(wanted)
        page = found[: query.limit]
        self.record(req, query.subject, query)
        cursor = None
        if len(found) > query.limit:
            cursor = cursors.packed(("accesses", page[-1].accessed_at, page[-1].id))
        position = self.runtime.queries.position()
        tell_position(resp, parse_token(req).reached(position), position)
        answer_page(req, resp, msgspec.json.encode(page), cursor)


def _search(query: AuditSearch) -> Search:
    errors = []
    if query.type is not None and query.type not in TYPES:
        errors.append(FieldError("/type", "Expected the tag of an event, as in ticket.opened"))
    _in_order(query, errors)
    return Search(
        limit=query.limit + 1,
        actor=query.actor,
        topic=query.type,
        originators=frozenset(filter(None, [query.aggregate_id])),
        since=query.from_,
        until=query.to,
        before=_after(query.cursor, SearchCursor),
    )


def _in_order(query: AuditSearch | AccessSearch, errors: list[FieldError] | None = None) -> None:
    """Raises `InvalidFields` with these errors and that of the times."""
    errors = list(errors or ())
    if query.from_ is not None and query.to is not None and query.from_ > query.to:
        errors.append(FieldError("/from", "Expected an instant up to that of `to`"))
    if errors:
        raise InvalidFields(errors)


def _after(cursor: str | None, type: Any) -> Any:
    """Where the page before ended."""
    return None if cursor is None else cursors.unpacked(cursor, type)[1:]


def _shown(found: Found) -> FoundEvent:
    return FoundEvent(
        position=found.position,
        aggregate=found.topic.partition(".")[0],
        aggregate_id=found.originator_id,
        version=found.originator_version,
        type=found.topic,
        recorded_at=found.recorded_at.astimezone(UTC),
        actor=Actor(found.envelope.actor, found.envelope.role),
        command=found.envelope.command,
        request_id=found.envelope.correlation_id,
        reason=found.envelope.reason,
    )


class _Named(msgspec.Struct):
    id: UUID


_id = msgspec.json.Decoder(_Named).decode
