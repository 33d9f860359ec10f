"""Turning requests away that waited too long for a thread, before they cost anything more.

Under more load than the service can carry, a queue only makes everybody's answer late and the
clients ask again. A request that waited WAITED_SECONDS_MAX is answered 503 at once, so the
queue stays that short and whoever is let in is served well.
"""

from __future__ import annotations

from contextvars import ContextVar

import falcon

WAITED_SECONDS_MAX = 2.0
NEVER_REFUSED = ("/livez", "/readyz", "/metrics")

waited_seconds: ContextVar[float] = ContextVar("waited_seconds", default=0.0)
"""How long the request of this thread waited for it; set by the server."""


class Overloaded(Exception):
    """More requests than threads, for too long."""


class Pressure:
    """Middleware behind the gate: it refuses before the gate looks at who asks."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        if waited_seconds.get() > WAITED_SECONDS_MAX and req.path not in NEVER_REFUSED:
            raise Overloaded(f"no thread was free for {WAITED_SECONDS_MAX:g} seconds")
