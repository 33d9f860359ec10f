"""The documentation the service brings along: its OpenAPI document, a page that shows it, and
a page for every problem. Nothing of it needs another server."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import falcon
import msgspec

from api.answers import unchanged
from api.gate import NoSuchThing
from api.openapi import document
from api.openapi_parts import problem_example
from api.operation import operation
from api.problems import KINDS, Kind
from api.resource import Resource

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
}
"""The files that are served, and nothing else is."""
KEPT: dict[str, Any] = dict(asks=("IfNoneMatch",), tells=("ETag",))
"""What browsers keep, and ask for again with its ETag."""
HTML = "text/html; charset=utf-8"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class OpenApi(Resource):
    @operation(None, returns=dict, **KEPT)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Read this document."""
        _send(req, resp, openapi_json(), falcon.MEDIA_JSON)


class Docs(Resource):
    @operation(None, media_type="text/html", **KEPT)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Read the documentation in a browser."""
        _send(req, resp, _file("docs.html"), HTML)


class Static(Resource):
    @operation(None, media_type="text/*", **KEPT)
    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Fetch a style sheet or a script of the documentation."""
        if name not in MEDIA_TYPES:
            raise NoSuchThing("the documentation has no such file")
        _send(req, resp, _file(name), MEDIA_TYPES[name])


class ProblemIndex(Resource):
    @operation(None, media_type="text/html", **KEPT)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Read what may go wrong: every type of problem there is."""
        _send(req, resp, _page("Problems", _table(KINDS.values())), HTML)


class ProblemPage(Resource):
    @operation(None, media_type="text/html", **KEPT)
    def on_get(self, req: falcon.Request, resp: falcon.Response, slug: str) -> None:
        """Read about one type of problem."""
        if slug not in KINDS:
            raise NoSuchThing("there is no such type of problem; see /docs/problems")
        _send(req, resp, _page(KINDS[slug].title, _explained(KINDS[slug])), HTML)


@cache
def openapi_json() -> bytes:
    """The document of every operation there is."""
    from api.app import operations  # The application imports this module first.

    return msgspec.json.encode(document(operations(), title="Mechanic shop", version="1"))


@cache
def _file(name: str) -> bytes:
    return (STATIC / name).read_bytes()


def _send(req: falcon.Request, resp: falcon.Response, data: bytes, media_type: str) -> None:
    """Browsers keep it, and ask each time whether it is still the same."""
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    resp.set_header("Cache-Control", "public, no-cache")
    resp.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    if not unchanged(req, resp, etag):
        resp.data, resp.content_type = data, media_type


def _page(title: str, body: str) -> bytes:
    template = _file("page.html").decode()
    return template.replace("{{title}}", escape(title)).replace("{{body}}", body).encode()


def _table(kinds: Iterable[Kind]) -> str:
    rows = "".join(
        f"<tr><td>{kind.status}</td>"
        f'<td><a href="/docs/problems/{kind.slug}">{escape(kind.title)}</a></td>'
        f"<td>{_prose(kind.meaning)}</td></tr>"
        for kind in sorted(kinds, key=lambda kind: (kind.status, kind.slug))
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Status", "Problem", "Meaning"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _explained(kind: Kind) -> str:
    example = msgspec.json.format(msgspec.json.encode(problem_example(kind)))
    return (
        f"<p>{_prose(kind.meaning)}</p>"
        f"<dl><dt>Status</dt><dd>{kind.status}</dd>"
        f"<dt>Type</dt><dd><code>/docs/problems/{kind.slug}</code></dd></dl>"
        f"<h2>Example</h2><pre>{escape(example.decode())}</pre>"
        '<p><a href="/docs/problems">All problems</a></p>'
    )


def _prose(text: str) -> str:
    """Text with `code` in backticks."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escape(text))
