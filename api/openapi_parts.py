"""What many operations share: headers, and the problems they may answer with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from api.openapi_examples import CURSOR, REF, TOKEN, Schema, uuid_of
from api.problems import KINDS, MEDIA_PROBLEM, Kind, made
from api.resource import KEY_MAX, WAIT_MAX_SECONDS, WAIT_SECONDS
from api.validation import FieldError

REQUEST_ID = uuid_of("request_id")


def _text(**more: Any) -> Schema:
    return {"type": "string", **more}


def _header(name: str, description: str, schema: Schema, **more: Any) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": schema, **more}


PARAMETERS: dict[str, Schema] = {
    "IfMatch": _header(
        "If-Match",
        "Do it only if the resource is at this version, else 412. An ETag of a read or a write.",
        _text(pattern=r'^(\*|"[0-9]{1,9}(\.[0-9]{1,9})?")$'),
        example='"3"',
    ),
    "IdempotencyKey": _header(
        "Idempotency-Key",
        "Makes retries safe: the same key with the same payload has one effect and one answer, "
        "for 24 hours.",
        _text(minLength=1, maxLength=KEY_MAX, pattern=r"^[\x20-\x7e]+$"),
        example="2026-09-21-order-17",
    ),
    "ConsistencyToken": _header(
        "Consistency-Token",
        "From an earlier answer: what this one shows is at least as fresh.",
        _text(),
        example=TOKEN,
    ),
    "IfNoneMatch": _header(
        "If-None-Match", "An ETag of an earlier read: 304 if it has not changed.", _text()
    ),
    "PreferRepresentation": _header(
        "Prefer",
        "`return=representation` answers with the resource as this write left it.",
        _text(),
        example="return=representation",
    ),
    "PreferWait": _header(
        "Prefer",
        f"`wait=<seconds>`: how long to wait for the Consistency-Token, {WAIT_SECONDS:.0f} "
        f"if not said, {WAIT_MAX_SECONDS:.0f} at most.",
        _text(),
        example="wait=5",
    ),
}

PARAMETERS |= {
    "Accept": _header(
        "Accept",
        "`application/x-ndjson`: one event per line, all of them unless `limit` says otherwise. "
        "`text/event-stream`: go on for ever, as server-sent events. Else: a page.",
        _text(),
        example="application/x-ndjson",
    ),
    "PreferWaitForEvents": _header(
        "Prefer",
        "`wait=<seconds>`, 30 at most: if there is nothing yet, answer when there is.",
        _text(),
        example="wait=30",
    ),
    "LastEventId": _header(
        "Last-Event-ID",
        "The cursor of the last event that came through, where a stream was cut off; counts "
        "instead of `after`.",
        _text(),
    ),
    "IfNoneMatchPage": _header(
        "If-None-Match", "The ETag of a full page that was read before.", _text()
    ),
    "Range": _header(
        "Range",
        "One range of bytes; where it is of another file (`If-Range`) the whole is sent.",
        _text(),
        example="bytes=0-1023",
    ),
    "IfRange": _header("If-Range", "The ETag of the file that the range is of.", _text()),
    "AcceptReport": _header(
        "Accept",
        "`text/csv`: a table for a spreadsheet, in UTF-8 with a byte order mark. Text that could "
        "be taken for a formula has a `'` before it, and so has text that begins with one.",
        _text(),
        example="text/csv",
    ),
}

PATH_TEXTS: dict[str, Schema] = {
    "slug": {"enum": sorted(KINDS), "description": "The last part of a problem's `type`."},
    "name": {"description": "The name of a file that the page asks for."},
    "consumer": {"description": "Its name.", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"},
    "level": {
        "description": "The level of the tree, or `entries`.",
        "pattern": "^(entries|[0-9]|[1-5][0-9]|6[0-3])$",
    },
    "tile_path": {
        "description": "The number of the tile in groups of three digits, and how much of it.",
        "pattern": "^(x(00[1-9]|0[1-9][0-9]|[1-9][0-9]{2})/(x[0-9]{3}/){0,3})?[0-9]{3}"
        r"(\.p/([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$",
    },
}
"""What stands in a path and is no id."""

HEADERS: dict[str, Schema] = {
    "Repr-Digest": {
        "description": "SHA-256 of the whole file (RFC 9530).",
        "schema": _text(),
        "example": "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
    },
    "Accept-Ranges": {"description": "`bytes`.", "schema": _text(), "example": "bytes"},
    "Content-Range": {
        "description": "Which bytes these are, and of how many; with 206 alone.",
        "schema": _text(),
        "example": "bytes 0-1023/146515",
    },
    "Feed-Cursor": {
        "description": "The `after` of the next page, also behind the last event there is.",
        "schema": _text(),
        "example": CURSOR,
    },
    "X-Request-Id": {
        "description": "Of this request; that of the client if it sent a sane one.",
        "required": True,
        "schema": _text(),
        "example": REQUEST_ID,
    },
    "ETag": {
        "description": "The version of what is shown.",
        "schema": _text(),
        "example": '"3"',
    },
    "Consistency-Token": {
        "description": "Send it with a later read, so that it shows at least this much.",
        "schema": _text(),
        "example": TOKEN,
    },
    "Feed-Position": {
        "description": "How much of the event feed is reflected, at least.",
        "schema": {"type": "integer", "format": "int64", "minimum": 0},
        "example": 4711,
    },
    "Preference-Applied": {
        "description": "What of `Prefer` was done.",
        "schema": _text(),
        "example": "return=representation",
    },
    "Location": {
        "description": "The URL of what was made.",
        "required": True,
        "schema": _text(format="uri-reference"),
    },
    "Link": {
        "description": 'The next page, `rel="next"` (RFC 8288); absent on the last.',
        "schema": _text(),
    },
    "Retry-After": {
        "description": "When to try again, in seconds.",
        "schema": {"type": "integer", "format": "int32", "minimum": 0},
        "example": 1,
    },
    "RateLimit-Policy": {
        "description": "The budget this request counted against: `q` requests in `w` seconds.",
        "schema": _text(),
        "example": '"reads";q=1200;w=60',
    },
    "RateLimit": {
        "description": "What is left of that budget: `r` requests for the next `t` seconds.",
        "schema": _text(),
        "example": '"reads";r=1199;t=42',
    },
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": _text(), "example": "Bearer"},
}

SECURITY: dict[str, Schema] = {
    "bearerAuth": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` of POST /v1/auth/login.",
    }
}

DETAILS = {
    "forbidden": "reporter may not do this; admin, mechanic may",
    "not-found": f"no ticket {uuid_of('ticket_id')}",
    "refused": "a vehicle with open tickets is not archived; 1 is open",
    "taken": "this email is taken",
    "feed-fork": "event 4711 of this feed is not the one the cursor is of: the feed was put back "
    "and went another way",
    "version-mismatch": "the current version is 4",
    "invalid-fields": "/quantity: Expected `int` >= 1",
}
MORE: dict[str, dict[str, Any]] = {
    "refused": {"blocking": {"tickets": [UUID(uuid_of("ticket_id"))]}},
    "taken": {"errors": [FieldError("/email", "this email is taken")]},
    "version-mismatch": {"current_version": 4},
    "invalid-fields": {"errors": [FieldError("/quantity", "Expected `int` >= 1")]},
}
HEADERS_OF_PROBLEMS = {
    401: ["WWW-Authenticate"],
    429: ["Retry-After", "RateLimit-Policy", "RateLimit"],
    503: ["Retry-After"],
}


def headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def problem_response(slugs: Sequence[str]) -> Schema:
    """The response of one status, which may be any of these types of problem."""
    kinds = [KINDS[slug] for slug in slugs]
    return {
        "description": " / ".join(kind.title for kind in kinds),
        "headers": headers("X-Request-Id", *HEADERS_OF_PROBLEMS.get(kinds[0].status, [])),
        "content": {
            MEDIA_PROBLEM: {
                "schema": {"$ref": REF + "Problem"},
                "examples": {
                    kind.slug: {"summary": kind.meaning, "value": problem_example(kind)}
                    for kind in kinds
                },
            }
        },
    }


def problem_example(kind: Kind) -> Any:
    detail, more = DETAILS.get(kind.slug, kind.meaning), MORE.get(kind.slug, {})
    return msgspec.to_builtins(made(kind.slug, detail, instance=REQUEST_ID, **more))
