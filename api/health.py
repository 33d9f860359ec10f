"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from hmac import compare_digest

import falcon
import msgspec

from api.operation import operation
from api.resource import Resource
from infrastructure import metrics
from infrastructure.access_tokens import InvalidAccess

READY_SECONDS = 1.5
PROBE_SECONDS = 1.0

log = logging.getLogger(__name__)


class Health(msgspec.Struct):
    """`checks`: each dependency, and `ok` or what is wrong with it."""

    status: str
    checks: dict[str, str]


class Live(Resource):
    @operation(None, budget="", returns=Health)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say that the process answers."""
        resp.data, resp.content_type = msgspec.json.encode(Health("ok", {})), falcon.MEDIA_JSON


class Ready(Resource):
    @operation(None, budget="", returns=Health, statuses=(503,))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say whether requests can be served: 200 or 503, within two seconds whatever hangs.

        Redis away is told and is no reason not to serve: reads and writes go on without it.
        """
        checks = _within(READY_SECONDS, self._probes())
        ready = checks["database"] == "ok"
        health = Health("ok" if ready else "unavailable", checks)
        resp.data, resp.content_type = msgspec.json.encode(health), falcon.MEDIA_JSON
        resp.set_header("Cache-Control", "no-store")
        if not ready:
            resp.status = falcon.HTTP_503
            resp.set_header("Retry-After", "1")

    def _probes(self) -> dict[str, Callable[[], object]]:
        probes: dict[str, Callable[[], object]] = {
            "database": lambda: self.runtime.database.ping(PROBE_SECONDS)
        }
        if (redis := self.runtime.redis) is not None:
            probes["redis"] = redis.ping
        return probes


class Numbers(Resource):
    @operation(None, budget="", media_type="text/plain", statuses=(401,))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Give Prometheus its numbers. With METRICS_TOKEN set, for its bearer only."""
        token = self.runtime.settings.metrics_token
        if token is not None and not compare_digest(
            (req.auth or "").encode(), f"Bearer {token}".encode()
        ):
            raise InvalidAccess("the numbers are for the bearer of METRICS_TOKEN")
        resp.data = self.runtime.metrics.exposed()
        resp.content_type = metrics.CONTENT_TYPE
        resp.set_header("Cache-Control", "no-store")


def _within(seconds: float, probes: dict[str, Callable[[], object]]) -> dict[str, str]:
    """Each probe in a thread of its own, so that one that hangs holds up nothing else."""
    executor = ThreadPoolExecutor(len(probes), thread_name_prefix="ready")
    futures = {name: executor.submit(probe) for name, probe in probes.items()}
    executor.shutdown(wait=False)
    wait(futures.values(), timeout=seconds)
    told = {}
    for name, future in futures.items():
        if not future.done():
            told[name] = "no answer in time"
        elif (error := future.exception()) is not None:
            log.warning("%s: %s", name, error)
            told[name] = "away"
        else:
            told[name] = "ok"
    return told
