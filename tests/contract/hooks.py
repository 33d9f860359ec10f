"""What schemathesis cannot know about requests that fit the document, loaded by its process.

Nothing is left out and no check is softened but for the reasons given here.
"""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import schemathesis
from schemathesis import AuthContext, Case, CheckContext, HookContext, Response

from api.openapi_parts import PARAMETERS
from cli.server import LINE_MAX_BYTES
from projections.tokens import parse

OWN_ACCOUNT = os.environ.get("CONTRACT_ACCOUNT", "")
"""The account that asks: what ends its tokens would end the run."""
TOKEN = os.environ.get("CONTRACT_TOKEN", "")

UNSAYABLE = (
    re.compile(r"^no [a-z ]+ [0-9a-f-]{36}$"),
    re.compile(r"^Expected `int( \| null)?`, got `float`$"),
    re.compile(r"^goes without version$"),
    re.compile(r"^Expected an? (version|instant) up to "),
    re.compile(r"^Expected a day from "),
    re.compile(r"^Expected at most that: the log holds "),
    re.compile(r"^Expected [a-z ,/.-]+; there is no '"),
    re.compile(r"^Expected a position, or a stream_id with a version$"),
    re.compile(r"^Expected a cursor that this service gave, beginning or latest$"),
    re.compile(r"^Expected (one|at most \d+, what) (that the feed|the log) holds$"),
)
"""What may be wrong with what fits the schemas: an id of nothing there is, 1.0 for an integer,
parameters that exclude or need each other or are in the wrong order, places not there yet, made-up
cursors in bodies, and names of events in texts."""
QUERY_MAX_BYTES = LINE_MAX_BYTES - 200
"""Longer ones are answered 414 by the server, before the service sees them."""
IF_MATCH = PARAMETERS["IfMatch"]["schema"]["pattern"]
CURSORS = ("cursor", "after", "until", "expected")
MAKES_LINES = ("POST /v1/tickets/{ticket_id}/parts", "POST /v1/tickets/{ticket_id}/labor")


@schemathesis.auth()
class Token:
    """Sent with every request but those that try what happens without."""

    def get(self, case: Case[Any], context: AuthContext) -> str:
        return TOKEN

    def set(self, case: Case[Any], data: str, context: AuthContext) -> None:
        tried = getattr(case.meta and case.meta.phase.data, "parameter", None)
        if str(tried).lower() != "authorization":
            headers: Any = case.headers
            headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Whoever asks keeps their password and their account."""
    if len(urlencode(case.query or {}, doseq=True)) > QUERY_MAX_BYTES:
        return False
    if case.operation.label == "PATCH /v1/me":
        return "password" not in (case.body if isinstance(case.body, dict) else {})
    return not OWN_ACCOUNT or OWN_ACCOUNT not in (case.path_parameters or {}).values()


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """What a client has from the service and cannot make up: tokens and cursors. What it does
    not repeat: idempotency keys. What gives a write the other body: see the links. An ETag
    whose quotes were lost on the way here. And what never ends: an event stream."""
    headers: Any = case.headers or {}
    query: Any = case.query or {}
    if _fits(case) or _is_token(headers.get("Consistency-Token", "")):
        headers.pop("Consistency-Token", None)
    if not _fits(case):
        return
    for name in CURSORS:
        query.pop(name, None)
    if headers.get("Accept") == "text/event-stream":
        headers.pop("Accept")
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = str(uuid4())
    if not re.fullmatch(IF_MATCH, headers.get("If-Match", "*")):
        headers.pop("If-Match")
    if case.operation.label in MAKES_LINES:
        headers.pop("Prefer", None)


@schemathesis.check
def what_fits_the_document_is_taken(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """As `positive_data_acceptance`, with what a schema cannot say (422, see UNSAYABLE),
    and a version that is not the current one (412)."""
    if not _fits(case) or response.status_code < 400:
        return
    if response.status_code == 422:
        errors = [error["message"] for error in response.json()["errors"]]
        assert errors, response.text
        assert all(any(one.match(error) for one in UNSAYABLE) for error in errors), response.text
    else:
        assert response.status_code in (401, 403, 404, 409, 412), response.text


def _fits(case: Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def _is_token(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
