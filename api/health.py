"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from hmac import compare_digest
from typing import Any

import falcon
import msgspec

from api.answers import answer
from api.operation import operation
from api.resource import Resource
from infrastructure import metrics
from infrastructure.access_tokens import InvalidAccess
from infrastructure.metric_readings import readings
from infrastructure.view_status import OTHER_RELEASE, ViewStatus, view_status
from projections.generations import NoViews

READY_SECONDS = 1.5
PROBE_SECONDS = 1.0
LATE_SECONDS = 10.0

MISSING = "missing: run `mechanic-shop migrate`"

log = logging.getLogger(__name__)


class Views(msgspec.Struct):
    """How far the views are behind the events, and how many streams cannot be shown."""

    generation: int
    lag_events: int
    lag_seconds: float
    dead_letters: int


class Health(msgspec.Struct):
    """`checks`: each dependency, and `ok` or what is wrong with it."""

    status: str
    checks: dict[str, str]
    views: Views | None = None


class Live(Resource):
    @operation(None, budget="", returns=Health)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say that the process answers."""
        answer(resp, Health("ok", {}))


class Ready(Resource):
    @operation(None, budget="", returns=Health, statuses=(503,))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say whether requests can be served: 200 or 503, within two seconds whatever hangs.

        Without the database or without views nothing can be. What else is wrong is told and is
        no reason not to serve: Redis away, views that are late, streams that are parked, views
        of another release. Reads by id are fresh all the same, and no other process would do
        better.
        """
        found = _within(READY_SECONDS, self._probes())
        views = found["views"].result() if _is_ok(found["views"]) else None
        checks = {name: _told(name, probe) for name, probe in found.items()}
        if views is not None:
            checks["views"] = _of_views(views)
        ready = checks["database"] == "ok" and checks["views"] != MISSING
        answer(resp, Health("ok" if ready else "unavailable", checks, views and _shown(views)))
        if not ready:
            resp.status = falcon.HTTP_503
            resp.set_header("Retry-After", "1")

    def _probes(self) -> dict[str, Callable[[], object]]:
        probes: dict[str, Callable[[], object]] = {
            "database": lambda: self.runtime.database.ping(PROBE_SECONDS),
            "views": self._views,
        }
        if (redis := self.runtime.redis) is not None:
            probes["redis"] = redis.ping
        return probes

    def _views(self) -> ViewStatus:
        # A database that hangs must not take one connection of the pool per probe.
        self.runtime.database.ping(PROBE_SECONDS)
        return view_status(self.runtime)


class Numbers(Resource):
    @operation(None, budget="", media_type="text/plain", statuses=(401,))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Give Prometheus its numbers. With METRICS_TOKEN set, for its bearer only."""
        token = self.runtime.settings.metrics_token
        if token is not None and not compare_digest(
            (req.auth or "").encode(), f"Bearer {token}".encode()
        ):
            raise InvalidAccess("the numbers are for the bearer of METRICS_TOKEN")
        resp.data = self.runtime.metrics.exposed(readings(self.runtime))
        resp.content_type = metrics.CONTENT_TYPE


def _within(seconds: float, probes: dict[str, Callable[[], object]]) -> dict[str, Future[Any]]:
    """Each probe in a thread of its own, so that one that hangs holds up nothing else."""
    executor = ThreadPoolExecutor(len(probes), thread_name_prefix="ready")
    futures = {name: executor.submit(probe) for name, probe in probes.items()}
    executor.shutdown(wait=False)
    wait(futures.values(), timeout=seconds)
    return futures


def _is_ok(probe: Future[Any]) -> bool:
    return probe.done() and probe.exception() is None


def _told(name: str, probe: Future[Any]) -> str:
    if not probe.done():
        return "no answer in time"
    if (error := probe.exception()) is None:
        return "ok"
    log.warning("%s: %s", name, error)
    return MISSING if isinstance(error, NoViews) else "away"


def _of_views(views: ViewStatus) -> str:
    wrong = []
    if views.dead_letters:
        wrong.append(f"parked streams: {views.dead_letters}")
    if views.lag_seconds > LATE_SECONDS:
        wrong.append(f"an event has waited {views.lag_seconds:.0f} s")
    if not views.current:
        wrong.append(OTHER_RELEASE)
    return ", ".join(wrong) or "ok"


def _shown(views: ViewStatus) -> Views:
    return Views(views.generation, views.lag_events, views.lag_seconds, views.dead_letters)
