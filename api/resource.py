"""What every resource does the same way: carry out a command, serve a body, serve a list."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import falcon
import msgspec
from msgspec import Meta

from api import answers, cursors
from api.answers import answer, answer_digested, answer_tagged, tell_next, tell_position
from api.gate import NoSuchThing
from api.operation import Operation, Scope, WriteAnswer
from api.validation import FieldError, InvalidFields
from commands.fields import Moment
from commands.kernel import Command, Context, Receipt
from commands.store import Key
from domain.text import folded
from infrastructure.runtime import Runtime
from infrastructure.sessions import Standing
from projections.history import CannotBeShown
from projections.listing import Listing
from projections.queries import Made, Plan, Served
from projections.tokens import Token, parse
from projections.views import KIND_OF

WAIT_SECONDS, WAIT_MAX_SECONDS = 2.0, 10.0
KEY_MAX = 255
_ETAG = re.compile(r'^"(\d{1,9})(?:\.\d{1,9})?"$')
_WAIT = re.compile(r"\bwait=(\d{1,9})\b")
NOUNS = {"inventory": "inventory item"}
"""What a thing of that kind is called, where not like the kind."""


class ListParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every list takes. `cursor` is the opaque one of the page before."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, Meta(max_length=1000)] | None = None


ByTime = Literal["created_at", "-created_at", "updated_at", "-updated_at"]


class Filters(ListParams, kw_only=True):
    """What lists of resources take besides. `include=archived` shows what is archived too, and
    `sort` begins with - where it descends."""

    updated_after: Moment | None = None
    include: Literal["archived"] | None = None


class NamedFilters(Filters, kw_only=True):
    """What lists of what has a name take. `q` is the beginning of one."""

    q: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    sort: Literal["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"] = (
        "-created_at"
    )

    def listing(self, table: str, where: dict[str, Any]) -> Listing:
        return Listing(
            table,
            **sorted_by(self.sort),
            limit=self.limit,
            where=where,
            prefix={"name": folded(self.q)} if self.q else {},
            updated_after=self.updated_after,
            archived=self.include == "archived",
        )


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
        answer(resp, WriteAnswer(receipt.id, receipt.version, token))
        if "return=representation" in (req.get_header("Prefer") or ""):
            self._represent(resp, command, receipt, operation)

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
        try:
            served = self.runtime.queries.at(operation.kind, target, version=receipt.version)
        except CannotBeShown:
            return  # It is written all the same, and the receipt says so.
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
        show(req, resp, id, token, self.find(req, kind, id, token), shown)

    def find(self, req: falcon.Request, kind: str, id: UUID, token: Token) -> Served:
        """At least as fresh as the token. Raises `NoSuchThing`, also where it is not the caller's
        to see, and `CannotBeShown` where it is."""
        try:
            found = self.runtime.queries.get(kind, id, token, req.context.passage.look)
        except CannotBeShown:
            # Whose it is, the view says, where some of it could be shown.
            known = self.runtime.queries.bodies(kind, [id]).get(id)
            if visible(req, known and known[1]):
                raise
            found = None
        if found is None or not visible(req, found.owner_id):
            raise no_such(kind, id)
        return found

    def wait(self, req: falcon.Request, reached: Callable[[], int]) -> Token:
        """Until what says how far it has `reached` has come as far as the client's token."""
        token = parse_token(req)
        if token.position or token.versions:
            req.context.passage.settle()
            self.runtime.queries.wait_for(token, _wait_seconds(req), reached)
        return token

    def serve_list(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        listing: Listing,
        query: ListParams,
        shown: Shown | None = None,
    ) -> None:
        """One page, and the way to the next. `shown` needs streams of other kinds."""
        if query.cursor is not None:
            listing = listing._replace(after=cursors.read(listing, query.cursor))

        def make(generation: int) -> Made:
            listed = self.runtime.queries.list(listing, generation)
            following = listed.next_key
            cursor = cursors.made(listing, following) if following is not None else None
            items = shown(listed.items) if shown else listed.items
            body, link = answers.page(req, b"[%b]" % b",".join(items), cursor)
            return Made(body, link, listed.position)

        name = _page_name(req, listing) if shown is None and listing.is_common else ""
        self.serve_page(req, resp, Plan(name, (KIND_OF[listing.table],), make))

    def serve_page(self, req: falcon.Request, resp: falcon.Response, plan: Plan) -> None:
        """A body made of many streams; waits until it is as fresh as the client's token."""
        token = parse_token(req)
        passage = req.context.passage
        if token.versions or not plan.name:
            passage.settle()
        page = self.runtime.queries.page(plan, token, _wait_seconds(req), passage.look)
        tell_next(resp, page.link)
        tell_position(resp, token.shown(page.position), page.position)
        answer_tagged(req, resp, page.body, f'"{page.tag}"')


def parse_token(req: falcon.Request) -> Token:
    try:
        return parse(req.get_header("Consistency-Token"))
    except ValueError as error:
        raise InvalidFields([FieldError("/headers/Consistency-Token", str(error))]) from None


def _page_name(req: falcon.Request, listing: Listing) -> str:
    """By the query, which holds what the caller may see, and the address, which is in `next`."""
    asked = f"{req.relative_uri} {listing}".encode()
    return f"page:{hashlib.blake2b(asked, digest_size=16).hexdigest()}"


def _wait_seconds(req: falcon.Request) -> float:
    """How long a list may wait for the views (RFC 7240, section 4.3)."""
    preferred = preferred_wait(req, WAIT_MAX_SECONDS)
    return WAIT_SECONDS if preferred is None else preferred


def preferred_wait(req: falcon.Request, most: float) -> float | None:
    """How long the client would rather wait than hear that there is nothing yet, in seconds."""
    preferred = req.get_header("Prefer")
    found = _WAIT.search(preferred) if preferred else None
    return min(float(found[1]), most) if found else None


def no_such(kind: str, id: UUID) -> NoSuchThing:
    return NoSuchThing(f"no {NOUNS.get(kind, kind)} {id}")


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
    if served.ahead:
        token = token.seen(served.position, id, served.version)
    else:
        token = token.shown(served.position, id)
    tell_position(resp, token, served.position)
    if shown is None:
        answer_tagged(req, resp, served.body, served.etag)
    else:
        answer_digested(req, resp, shown([served.body])[0])


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
