"""Lets a request through to its responder, or says why not.

For every request: an id, then who asks, whether their role may, whether they ask too often, and
what they send, read and checked as the operation declares.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import falcon
import msgspec

from api import callers
from api.operation import Operation, Scope
from api.validation import InvalidFields, Unreadable, from_json, from_query, unknown
from commands.kernel import Command
from infrastructure import logs
from infrastructure.access_tokens import InvalidAccess
from infrastructure.ids import uuid7_text
from infrastructure.rate_limits import Passage
from infrastructure.runtime import Runtime
from infrastructure.sessions import Standing

BODY_MAX_BYTES = 1024 * 1024
HALF = "the body did not arrive whole"
_SANE_ID = re.compile(r"^[A-Za-z0-9._:-]{1,64}$")


class NoSuchThing(Exception):
    """What the path names does not exist, or is not the caller's to see."""


class Forbidden(Exception):
    """The role may not do this."""


class TooLarge(Exception):
    """The body is over BODY_MAX_BYTES."""


class WrongMediaType(Exception):
    """The body is not sent as JSON."""


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an operation that takes none."""


class Gate:
    """Middleware. Puts `request_id`, `actor`, `scope`, `operation` and `passage` into the
    context, and hands the responder its `command`, `query` and path ids."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        asked = req.get_header("X-Request-Id") or ""
        req.context.request_id = asked if _SANE_ID.match(asked) else uuid7_text()
        logs.request_id.set(req.context.request_id)
        req.context.actor = req.context.passage = None
        resp.set_header("X-Request-Id", req.context.request_id)

    def process_resource(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: Any,
        params: dict[str, Any],
    ) -> None:
        operation: Operation | None = getattr(resource, "operations", {}).get(req.method)
        if operation is None:
            return  # Falcon answers 404, 405 or OPTIONS by itself.
        req.context.operation = operation
        passage = req.context.passage = self._passage(req, operation)
        if operation.allow is not None:
            self._admit(req, operation, passage)
        if not operation.late:
            passage.settle()
        ids = {name: _uuid(params[name]) for name in operation.path_params if name.endswith("_id")}
        params.update(ids)
        self._read(req, operation, params)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, req_succeeded: bool
    ) -> None:
        """What was turned away before it was counted counts too."""
        passage: Passage | None = req.context.passage
        if passage is None:
            return
        try:
            passage.settle()
        finally:
            if (count := passage.tightest) is not None:
                resp.set_header("RateLimit-Policy", count.hit.policy)
                left, seconds = max(0, count.left), count.seconds
                resp.set_header("RateLimit", f'"{count.hit.budget}";r={left};t={seconds}')

    def _passage(self, req: falcon.Request, operation: Operation) -> Passage:
        trusted = self._runtime.settings.trusted_proxies
        passage = Passage(self._runtime.rate_limits, callers.address(req, trusted))
        if operation.budget:
            passage.of_address(operation.budget)
        return passage

    def _admit(self, req: falcon.Request, operation: Operation, passage: Passage) -> None:
        scheme, _, token = (req.auth or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise InvalidAccess("there is no access token; send `Authorization: Bearer <token>`")
        actor = self._runtime.sessions.who(token.strip())
        if operation.budget:
            passage.of_account(operation.budget, actor.account_id)
        scope = (operation.allow or {}).get(actor.role)
        if scope is None:
            raise Forbidden(f"{actor.role} may not do this; {_told(operation)} may")
        req.context.actor, req.context.scope = actor, scope

    def _read(self, req: falcon.Request, operation: Operation, params: dict[str, Any]) -> None:
        req.context.payload = b""
        given: dict[str, Any] = {}
        if operation.params is not None:
            asked = from_query(req.params, operation.params)
            if operation.command is None:
                params["query"] = asked
            else:
                given.update({name: getattr(asked, name) for name in asked.__struct_fields__})
        elif req.params:
            raise InvalidFields(unknown(req.params))
        if operation.method != "GET":
            req.context.payload = self._body(req)
            # An empty body is an object without fields: enough where none is required.
            sent = from_json(req.context.payload or b"{}", operation.body or Nothing)
            if operation.command is None:
                params["body"] = sent
            else:
                given.update({name: getattr(sent, name) for name in sent.__struct_fields__})
        if operation.command is not None:
            self._command(req, operation, operation.command, params, given)

    def _command(
        self,
        req: falcon.Request,
        operation: Operation,
        command: type[Command],
        params: dict[str, Any],
        given: dict[str, Any],
    ) -> None:
        actor: Standing = req.context.actor
        if operation.of_actor:
            given[operation.of_actor] = actor.account_id
        ids = {name: params.pop(name) for name in operation.path_params}
        if req.context.scope is Scope.OWN and ids.get("mechanic_id") != actor.mechanic_id:
            raise Forbidden(f"{actor.role} may do this to their own record only")
        params["command"] = self._runtime.build(command, given | ids)

    @staticmethod
    def _body(req: falcon.Request) -> bytes:
        if (req.content_length or 0) > BODY_MAX_BYTES:
            raise TooLarge
        # A body sent in chunks has no length; the server says where it ends.
        stream = req.stream if req.env.get("wsgi.input_terminated") else req.bounded_stream
        try:
            data = stream.read(BODY_MAX_BYTES + 1)
        except Exception:  # whatever the server finds wrong with what it is sent
            raise Unreadable(HALF) from None
        if len(data) > BODY_MAX_BYTES:
            raise TooLarge
        if len(data) < (req.content_length or 0):
            raise Unreadable(HALF)
        media_type = (req.content_type or "").partition(";")[0].strip().lower()
        if media_type not in (falcon.MEDIA_JSON, "application/merge-patch+json") and data:
            raise WrongMediaType
        return data


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NoSuchThing(f"ids are UUIDs; {text[:64]!r} is none") from None


def _told(operation: Operation) -> str:
    return ", ".join(sorted(role.value for role in operation.allow or {}))
