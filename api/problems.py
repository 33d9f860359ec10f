"""What goes wrong, as clients read it: RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import falcon
import msgspec

from api.validation import FieldError

MEDIA_PROBLEM = "application/problem+json"


class Problem(msgspec.Struct, omit_defaults=True):
    """`type` is a page that explains it; `instance` is the id of the request."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    errors: list[FieldError] = []
    current_version: int | None = None
    blocking: dict[str, list[UUID]] = {}


class Kind(msgspec.Struct, frozen=True):
    """A type of problem: its page, and what to do about it."""

    slug: str
    status: int
    title: str
    meaning: str


KINDS = {
    kind.slug: kind
    for kind in (
        Kind(
            "unreadable",
            400,
            "The request cannot be read",
            "The body is not valid JSON in UTF-8, or the request is not proper HTTP.",
        ),
        Kind(
            "unauthorized",
            401,
            "Log in first",
            "There is no access token, or it has expired, or it is not valid, or its account was "
            "deactivated or got a new password or role. Log in, or use the refresh token.",
        ),
        Kind(
            "forbidden",
            403,
            "Not for this role",
            "The account's role may not do this. The document at /openapi.json says who may.",
        ),
        Kind("not-found", 404, "Not found", "There is no such thing, or it is not yours."),
        Kind(
            "method-not-allowed",
            405,
            "Method not allowed",
            "The path exists but not with this method; the Allow header lists those it has.",
        ),
        Kind(
            "not-acceptable",
            406,
            "Not answered in that form",
            "The Accept header names no media type in which this is answered; the detail names "
            "those there are.",
        ),
        Kind(
            "refused",
            409,
            "A rule of the shop refuses this",
            "The request is well-formed, but a rule says no in the present state. The detail "
            "states both; `blocking` names what stands in the way. Nothing was changed.",
        ),
        Kind(
            "taken",
            409,
            "The value is taken",
            "The value of the named field must be unique and belongs to another. Values that "
            "differ only in case, or in how Unicode encodes a letter, are the same. Archived "
            "owners keep theirs.",
        ),
        Kind(
            "conflict",
            409,
            "Others were faster",
            "Others kept changing the same things while this request was tried several times. "
            "Nothing was changed; try again.",
        ),
        Kind(
            "feed-fork",
            409,
            "The feed is not the one the cursor is of",
            "The shop was put back from a backup, or this is another shop: what was read up to the "
            "cursor is not what this feed holds. Going on would mix two histories. Throw away what "
            "was made of the events and read from the beginning.",
        ),
        Kind(
            "cursor-moved",
            409,
            "The cursor is not where it was expected",
            "Another process has moved the consumer's cursor meanwhile. Read the consumer, and go "
            "on from where it is.",
        ),
        Kind(
            "version-mismatch",
            412,
            "It has changed meanwhile",
            "If-Match named another version than the current one, which `current_version` "
            "gives. Read the resource again, decide again.",
        ),
        Kind("too-large", 413, "The body is too large", "A body has at most 1 MiB."),
        Kind(
            "uri-too-long",
            414,
            "The address is too long",
            "The first line of the request is longer than the service takes.",
        ),
        Kind(
            "unsupported-media-type",
            415,
            "Not a media type this operation takes",
            "Bodies are sent as application/json.",
        ),
        Kind(
            "range-not-satisfiable",
            416,
            "Beyond the end of the file",
            "The file ends before the range begins; Content-Range tells how many bytes it has.",
        ),
        Kind(
            "invalid-fields",
            422,
            "Some fields are invalid",
            "`errors` lists every wrong field of the body, the query or the headers by its JSON "
            "Pointer, with what was expected.",
        ),
        Kind(
            "key-reused",
            422,
            "The idempotency key was used for something else",
            "The same Idempotency-Key came before with another payload. Use a new key for a new "
            "request, and the same key only to send the same request again.",
        ),
        Kind(
            "too-many-requests",
            429,
            "Too many requests",
            "The budget that RateLimit names is used up. Wait as long as Retry-After says; nothing "
            "was done.",
        ),
        Kind(
            "headers-too-large",
            431,
            "The headers are too large",
            "The request has a header field that is too long, or more than 100 of them.",
        ),
        Kind(
            "projection-behind",
            503,
            "The views have not come that far yet",
            "The list was asked to be as fresh as a Consistency-Token, and the views did not "
            "get there in the time given. Try again, or ask with a longer `Prefer: wait`. Or what "
            "was asked for has an event that this release cannot show: `detail` says so.",
        ),
        Kind(
            "too-many-streams",
            503,
            "Too many streams",
            "Streams and waiting requests hold a thread each, and this process has no more of them "
            "to give. Try again, perhaps at another process, or read pages without waiting.",
        ),
        Kind(
            "unavailable",
            503,
            "The database is away",
            "The service cannot reach its database or is too busy for it. Nothing of this request "
            "was done unless a retry with the same Idempotency-Key says otherwise.",
        ),
        Kind(
            "too-slow",
            503,
            "The database took too long",
            "The question took longer than one may, and was ended. Ask for less, as in a shorter "
            "period, or try again after `Retry-After`.",
        ),
        Kind(
            "disk-full",
            503,
            "There is no space to write to",
            "The database could not write, for want of space. Nothing of this request was done. "
            "Reads go on; writes do when there is space again, without anything else to be done.",
        ),
        Kind(
            "overloaded",
            503,
            "Too much to do",
            "More requests came than the service has threads for, and this one waited too long "
            "for one. Nothing of it was done. Slow down and try again after `Retry-After`.",
        ),
        Kind(
            "internal",
            500,
            "A mistake of ours",
            "Something went wrong inside. The request id finds it in the log.",
        ),
    )
}
"""Every type of problem there is, by the last part of its URL."""

OF_STATUS = {400: "unreadable", 401: "unauthorized", 403: "forbidden", 404: "not-found"}
OF_STATUS |= {405: "method-not-allowed", 406: "not-acceptable", 413: "too-large"}
OF_STATUS |= {414: "uri-too-long", 415: "unsupported-media-type"}
OF_STATUS |= {422: "invalid-fields", 429: "too-many-requests", 431: "headers-too-large"}
OF_STATUS |= {500: "internal", 503: "unavailable"}


def made(slug: str, detail: str, **more: Any) -> Problem:
    kind = KINDS[slug]
    return Problem(f"/docs/problems/{slug}", kind.title, kind.status, detail, **more)


def answer(
    req: falcon.Request,
    resp: falcon.Response,
    slug: str,
    detail: str,
    *,
    errors: Iterable[FieldError] = (),
    current_version: int | None = None,
    blocking: Mapping[str, list[UUID]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Make the response this problem."""
    problem = made(
        slug,
        detail,
        instance=getattr(req.context, "request_id", ""),
        errors=list(errors),
        current_version=current_version,
        blocking=dict(blocking or {}),
    )
    resp.status = falcon.util.code_to_http_status(problem.status)
    resp.data, resp.content_type = msgspec.json.encode(problem), MEDIA_PROBLEM
    for name, value in (headers or {}).items():
        resp.set_header(name, value)
    if problem.status in (429, 503) and "Retry-After" not in (headers or {}):
        resp.set_header("Retry-After", "1")
