"""The headers of every answer that tell a browser what not to do with it."""

from __future__ import annotations

import falcon

from api import callers
from infrastructure.settings import Settings

AT_FIRST = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
)
"""What stays, unless the answer says something else."""
HSTS = "max-age=31536000"
EXPOSED = (
    "Accept-Ranges",
    "Consistency-Token",
    "Content-Digest",
    "Content-Range",
    "ETag",
    "Feed-Cursor",
    "Feed-Position",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Repr-Digest",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
"""What pages of CORS_ORIGINS may read besides what every page may."""


class AnswerHeaders:
    """Middleware, the outermost: problems get them as well."""

    def __init__(self, settings: Settings) -> None:
        self._trusted, self._cors = settings.trusted_proxies, bool(settings.cors_origins)

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_headers(AT_FIRST)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        if callers.secure(req, self._trusted):
            resp.set_header("Strict-Transport-Security", HSTS)
        if self._cors:
            resp.append_header("Vary", "Origin")
