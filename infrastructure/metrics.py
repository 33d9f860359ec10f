"""What this process counts for Prometheus.

Names follow its conventions: base units, `_total` for what only grows. With several processes
behind one port each keeps its numbers in files of a shared directory, and whichever is asked
adds them up (PROMETHEUS_MULTIPROC_DIR, set by the server before they are forked).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from math import inf
from threading import Lock
from typing import Any

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import Engine, event

from commands.execution import Conflict
from commands.kernel import Command
from domain.kernel import Refused

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST


class Metrics:
    """Made once per process, after the fork."""

    def __init__(self) -> None:
        # The library looks once, on import, which is before the server has forked.
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
        self._own = CollectorRegistry()
        requests = Histogram(
            "shop_http_request_duration_seconds",
            "Time from reading a request to its answer, by route and status.",
            ["method", "route", "status"],
            buckets=SECONDS,
            registry=self._own,
        )
        # Finding the child of some labels costs more than counting.
        self.requests = cache(requests.labels)
        self._commands = Counter(
            "shop_commands_total",
            "Commands by what became of them: done, refused, conflict (lost every race), failed.",
            ["command", "outcome"],
            registry=self._own,
        )
        self._retries = Counter(
            "shop_command_retries_total",
            "Attempts that lost a race and were made again.",
            ["command"],
            registry=self._own,
        )
        looks = Counter(
            "shop_cache_looks_total",
            "Looks in the cache: hit, stale (older than the caller or the views want), miss.",
            ["outcome"],
            registry=self._own,
        )
        self.cache_looks = cache(looks.labels)
        self._connections = Gauge(
            "shop_database_connections_in_use",
            "Connections that requests hold, by pool.",
            ["pool"],
            multiprocess_mode="livesum",
            registry=self._own,
        )
        self._snapshot = Gauge(
            "shop_oldest_read_snapshot_started_timestamp_seconds",
            "When the oldest read that still holds a snapshot began; +Inf while there is none.",
            multiprocess_mode="livemin",
            registry=self._own,
        )
        self._snapshot.set(inf)
        self._snapshots: list[float] = []
        self._lock = Lock()

    @contextmanager
    def command(self, command: Command) -> Iterator[Callable[[], None]]:
        """Count what becomes of it; gives what to call for each attempt made again."""
        name = type(command).__name__
        try:
            yield self._retries.labels(name).inc
        except BaseException as error:
            self._commands.labels(name, _outcome(error)).inc()
            raise
        self._commands.labels(name, "done").inc()

    def count_connections(self, pool: str, engine: Engine) -> None:
        in_use = self._connections.labels(pool)

        def taken(_: object, record: Any, __: object) -> None:
            record.record_info[in_use] = True
            in_use.inc()

        def given_back(_: object, record: Any) -> None:
            # One that could not be made is given back without having been taken.
            if record.record_info.pop(in_use, False):
                in_use.dec()

        event.listen(engine, "checkout", taken)
        event.listen(engine, "checkin", given_back)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """While a read holds a snapshot, the database keeps every old version since."""
        began = time.time()
        self._count(lambda: self._snapshots.append(began))
        try:
            yield
        finally:
            self._count(lambda: self._snapshots.remove(began))

    def _count(self, change: Callable[[], None]) -> None:
        with self._lock:
            change()
            self._snapshot.set(min(self._snapshots, default=inf))

    def exposed(self, readings: Iterable[Metric] = ()) -> bytes:
        """The text that Prometheus reads: all processes of this server, and the readings."""
        registry = CollectorRegistry()
        if DIRECTORY in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry.register(_These(self._own.collect))
        registry.register(_These(lambda: readings))
        return prometheus_client.generate_latest(registry)


class _These(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._collect()


def _outcome(error: BaseException) -> str:
    if isinstance(error, Refused):
        return "refused"
    return "conflict" if isinstance(error, Conflict) else "failed"
