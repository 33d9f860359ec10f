"""How an answer is given: what everybody does who answers with JSON, an ETag or a page."""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import urlencode

import falcon
import msgspec

from projections.tokens import Token


def answer(resp: falcon.Response, shown: Any) -> None:
    """As JSON that nobody keeps (`AT_FIRST` in api/headers.py): it is another the next moment."""
    resp.data, resp.content_type = msgspec.json.encode(shown), falcon.MEDIA_JSON


def answer_tagged(req: falcon.Request, resp: falcon.Response, body: bytes, etag: str) -> None:
    """As JSON that clients keep, and ask for again with its ETag."""
    resp.set_header("Cache-Control", "private, no-cache")
    if not unchanged(req, resp, etag):
        resp.data, resp.content_type = body, falcon.MEDIA_JSON


def answer_digested(req: falcon.Request, resp: falcon.Response, body: bytes) -> None:
    """For what is made of several streams: the ETag is a digest of the body."""
    answer_tagged(req, resp, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def answer_page(
    req: falcon.Request, resp: falcon.Response, items: bytes, cursor: str | None
) -> None:
    """A page, given as a JSON array, and the way to the next."""
    body, link = page(req, items, cursor)
    tell_next(resp, link)
    answer_digested(req, resp, body)


def page(req: falcon.Request, items: bytes, cursor: str | None) -> tuple[bytes, str | None]:
    """The body, and the address of the page that follows."""
    link = None
    if cursor is not None:
        link = f"{req.path}?{urlencode({**req.params, 'cursor': cursor}, doseq=True)}"
    return b'{"items":%b,"next":%b}' % (items, msgspec.json.encode(link)), link


def tell_next(resp: falcon.Response, link: str | None) -> None:
    """Where it goes on (RFC 8288); nothing on the last page."""
    if link is not None:
        resp.set_header("Link", f'<{link}>; rel="next"')


def tell_position(resp: falcon.Response, token: Token, position: int) -> None:
    resp.set_header("Consistency-Token", str(token))
    resp.set_header("Feed-Position", str(position))


def unchanged(req: falcon.Request, resp: falcon.Response, etag: str) -> bool:
    """Tell the ETag; and that is all, with a 304, if the client has what it stands for."""
    resp.set_header("ETag", etag)
    known = req.get_header("If-None-Match")
    if known is None or not (known.strip() == "*" or etag in re.findall(r'"[^"]*"', known)):
        return False
    resp.status = falcon.HTTP_304
    return True
