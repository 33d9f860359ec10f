"""What every resource does the same way: carry out a command, serve a body, serve a list."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import falcon
import msgspec
from msgspec import Meta

from api import cursors
from api.gate import NoSuchThing
from api.operation import Operation, Scope, WriteAnswer
from api.validation import FieldError, InvalidFields
from commands.fields import Moment
from commands.kernel import Command, Context, Receipt
from commands.store import Key
from infrastructure.runtime import Runtime
from infrastructure.sessions import Standing
from projections.queries import Listing, Served
from projections.tokens import Token, parse

WAIT_SECONDS, WAIT_MAX_SECONDS = 2.0, 10.0
KEY_MAX = 255
_ETAG = re.compile(r'^"(\d{1,9})(?:\.\d{1,9})?"$')
_WAIT = re.compile(r"\bwait=(\d{1,3})\b")


class ListParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every list takes. `cursor` is the opaque one of the page before."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, Meta(max_length=1000)] | None = None


ByTime = Literal["created_at", "-created_at", "updated_at", "-updated_at"]
ByTimeOrName = Literal["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"]


class Filters(ListParams, kw_only=True):
    """What lists of resources take besides. `include=archived` shows what is archived too, and
    `sort` begins with - where it descends."""

    updated_after: Moment | None = None
    include: Literal["archived"] | None = None


Shown = Callable[[Sequence[bytes]], Sequence[bytes]]
"""What is done to bodies before they are served."""


class Resource:
    """One URL. Its operations are bound to their paths when the application is made."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.operations: dict[str, Operation] = {}

    def execute(self, req: falcon.Request, resp: falcon.Response, command: Command) -> None:
        """Carry out a command and answer with its receipt, or what it led to if preferred."""
        operation: Operation = req.context.operation
        actor: Standing = req.context.actor
        context = Context(
            actor=actor.account_id,
            role=actor.role,
            correlation_id=req.context.request_id,
            expected_version=_if_match(req),
            key=self._key(req, operation, actor),
        )
        seen = parse_token(req)
        receipt = self.runtime.execute(command, context)
        token = str(seen.seen_all(receipt.versions))
        resp.set_header("ETag", f'"{receipt.version}"')
        resp.set_header("Consistency-Token", token)
        if receipt.created:
            resp.status = falcon.HTTP_201
            resp.set_header("Location", f"{req.path}/{receipt.id}")
        if "return=representation" in (req.get_header("Prefer") or ""):
            self._represent(resp, command, receipt, operation)
        else:
            answer = WriteAnswer(receipt.id, receipt.version, token)
            resp.data, resp.content_type = msgspec.json.encode(answer), falcon.MEDIA_JSON

    def _key(self, req: falcon.Request, operation: Operation, actor: Standing) -> Key | None:
        """Scope and fingerprint are keyed digests: nobody can try guesses against them."""
        header = req.get_header("Idempotency-Key")
        if header is None or operation.method != "POST":
            return None
        if not 1 <= len(header) <= KEY_MAX or not header.isascii() or not header.isprintable():
            message = f"Expected 1 to {KEY_MAX} printable ASCII characters"
            raise InvalidFields([FieldError("/headers/Idempotency-Key", message)])
        scope = f"{actor.account_id} {operation.method} {operation.path} {header}"
        digest = self.runtime.keyring.digest
        return Key(
            scope=digest(scope.encode()),
            fingerprint=digest(req.path.encode() + b"\0" + req.context.payload),
        )

    def _represent(
        self, resp: falcon.Response, command: Command, receipt: Receipt, operation: Operation
    ) -> None:
        """The resource as this write left it, from its own events: never behind."""
        target: UUID = getattr(command, command.__struct_fields__[0])
        served = self.runtime.queries.at(operation.kind, target, version=receipt.version)
        if served is not None:
            resp.data, resp.content_type = served.body, falcon.MEDIA_JSON
            resp.set_header("ETag", f'"{served.version}.{served.generation}"')
            resp.set_header("Preference-Applied", "return=representation")

    def serve(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        kind: str,
        id: UUID,
        shown: Shown | None = None,
    ) -> None:
        """A resource by its id, at least as fresh as the client's token."""
        token = parse_token(req)
        found = self.runtime.queries.get(kind, id, token, req.context.passage.look)
        if found is None or not visible(req, found.owner_id):
            raise NoSuchThing(f"no {kind} {id}")
        show(req, resp, id, token, found, shown)

    def must_be_visible(self, req: falcon.Request, kind: str, id: UUID) -> Served:
        """Raises `NoSuchThing` where a GET of it would be a 404."""
        found = self.runtime.queries.get(kind, id, parse_token(req), req.context.passage.look)
        if found is None or not visible(req, found.owner_id):
            raise NoSuchThing(f"no {kind} {id}")
        return found

    def wait(self, req: falcon.Request, reached: Callable[[], int] | None = None) -> Token:
        """For a list: until the views, or what says how far it has `reached`, have come as far
        as the client's token."""
        token = parse_token(req)
        if token.position or token.versions:
            req.context.passage.settle()
            preferred = _WAIT.search(req.get_header("Prefer") or "")
            seconds = float(preferred[1]) if preferred else WAIT_SECONDS
            self.runtime.queries.wait_for(token, min(seconds, WAIT_MAX_SECONDS), reached)
        return token

    def serve_list(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        listing: Listing,
        query: ListParams,
        shown: Shown | None = None,
    ) -> None:
        """One page, and the way to the next."""
        token = self.wait(req)
        if listing.updated_after is not None:
            listing = listing._replace(updated_after=_in_utc(listing.updated_after))
        if query.cursor is not None:
            listing = listing._replace(after=cursors.read(listing, query.cursor))
        listed = self.runtime.queries.list(listing)
        cursor = None
        if listed.next_key is not None:
            cursor = cursors.made(listing, listed.next_key)
        tell_position(resp, token.seen(listed.position), listed.position)
        items = shown(listed.items) if shown else listed.items
        answer_page(req, resp, b"[%b]" % b",".join(items), cursor)

    def serve_whole(
        self, req: falcon.Request, resp: falcon.Response, make: Callable[[], Served]
    ) -> None:
        """A body made of many streams."""
        token = self.wait(req)
        served = make()
        tell_position(resp, token.seen(served.position), served.position)
        answer_digested(req, resp, served.body)


def parse_token(req: falcon.Request) -> Token:
    try:
        return parse(req.get_header("Consistency-Token"))
    except ValueError as error:
        raise InvalidFields([FieldError("/headers/Consistency-Token", str(error))]) from None


def owner(req: falcon.Request) -> dict[str, Any]:
    """The filter that keeps customers to what is theirs."""
    return {"owner_id": req.context.actor.customer_id} if req.context.scope is Scope.OWN else {}


def narrowed(asked: dict[str, Any], must: dict[str, Any]) -> dict[str, Any]:
    """Both conditions at once: nothing fits where a client asks for what is not theirs."""
    contradiction = any(must.get(name, value) != value for name, value in asked.items())
    return {**asked, **must, **({"id": None} if contradiction else {})}


def sorted_by(sort: str) -> dict[str, Any]:
    return {"sort": sort.removeprefix("-"), "descending": sort.startswith("-")}


def visible(req: falcon.Request, owner_id: UUID | None) -> bool:
    if req.context.scope is Scope.ALL:
        return True
    return owner_id is not None and owner_id == req.context.actor.customer_id


def show(
    req: falcon.Request,
    resp: falcon.Response,
    id: UUID,
    token: Token,
    served: Served,
    shown: Shown | None,
) -> None:
    """Answer with one resource, and tell what the client has seen by now."""
    tell_position(resp, token.seen(served.position, id, served.version), served.position)
    if shown is None:
        _answer(req, resp, served.body, f'"{served.version}.{served.generation}"')
    else:
        answer_digested(req, resp, shown([served.body])[0])


def tell_position(resp: falcon.Response, token: Token, position: int) -> None:
    resp.set_header("Consistency-Token", str(token))
    resp.set_header("Feed-Position", str(position))


def answer_page(
    req: falcon.Request, resp: falcon.Response, items: bytes, cursor: str | None
) -> None:
    """A page, given as a JSON array, and the way to the next."""
    link = None
    if cursor is not None:
        link = f"{req.path}?{urlencode({**req.params, 'cursor': cursor}, doseq=True)}"
        resp.set_header("Link", f'<{link}>; rel="next"')
    answer_digested(req, resp, b'{"items":%b,"next":%b}' % (items, msgspec.json.encode(link)))


def _answer(req: falcon.Request, resp: falcon.Response, body: bytes, etag: str) -> None:
    resp.set_header("ETag", etag)
    resp.set_header("Cache-Control", "private, no-cache")
    known = req.get_header("If-None-Match")
    if known is not None and (known.strip() == "*" or etag in re.findall(r'"[^"]*"', known)):
        resp.status = falcon.HTTP_304
        return
    resp.data, resp.content_type = body, falcon.MEDIA_JSON


def answer_digested(req: falcon.Request, resp: falcon.Response, body: bytes) -> None:
    """For what is made of several streams: the ETag is a digest of the body."""
    _answer(req, resp, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _if_match(req: falcon.Request) -> int | None:
    header = req.get_header("If-Match")
    if header is None or header.strip() == "*":
        return None
    found = _ETAG.match(header.strip())
    if found is None:
        raise InvalidFields(
            [FieldError("/headers/If-Match", 'Expected one ETag of the resource, like "3"')]
        )
    return int(found[1])


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        message = "Expected a moment in the years 1 to 9999 UTC"
        raise InvalidFields([FieldError("/updated_after", message)]) from None
