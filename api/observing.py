"""Every request leaves one line in the log and one observation in the metrics."""

from __future__ import annotations

import logging
import time
from typing import Any

import falcon

from infrastructure import logs
from infrastructure.metrics import Metrics

UNMATCHED = "(none)"
"""The route of a path that leads nowhere: what strangers ask for makes no label of its own."""

log = logging.getLogger("access")


class Observer:
    """Middleware around the gate. Logs who asked (the id of an account), never what was sent."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.requests

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        req.context.began = time.perf_counter()

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, req_succeeded: bool
    ) -> None:
        seconds = time.perf_counter() - req.context.began
        route, status = req.uri_template or UNMATCHED, resp.status_code
        self._requests(req.method if resource else "-", route, status).observe(seconds)
        if log.isEnabledFor(logging.INFO):
            actor = getattr(req.context, "actor", None)
            log.info(
                "%s %s %d in %.1f ms",
                req.method,
                route,
                status,
                seconds * 1000,
                extra=dict(
                    method=req.method,
                    route=route,
                    status=status,
                    duration_ms=round(seconds * 1000, 3),
                    actor_id=actor.account_id if actor else None,
                ),
            )
        logs.request_id.set(None)
