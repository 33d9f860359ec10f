"""Numbers that belong to no process and are looked up when Prometheus asks for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from prometheus_client.core import GaugeMetricFamily, Metric
from redis import Redis, RedisError
from sqlalchemy.exc import SQLAlchemyError

from infrastructure.queue import EXPORTS, VIEWS
from infrastructure.runtime import Runtime
from infrastructure.view_status import view_status
from projections.generations import NoViews

log = logging.getLogger(__name__)


def readings(runtime: Runtime) -> list[Metric]:
    """Everything that can be told now; whoever is away is told to be (`shop_up` 0)."""
    asked: dict[str, Callable[[], Iterable[Metric]]] = {
        "database": lambda: [*_views(runtime), *_followers(runtime)]
    }
    if runtime.redis is not None:
        asked["redis"] = partial(_queue, runtime.redis)
    up = GaugeMetricFamily("shop_up", "Whether it answers.", labels=["server"])
    found = list[Metric]()
    for server, read in asked.items():
        try:
            found += read()
        except (SQLAlchemyError, RedisError, NoViews) as error:
            log.warning("%s: %s", server, type(error).__name__)
            up.add_metric([server], 0)
        else:
            up.add_metric([server], 1)
    return [up, *found]


def _views(runtime: Runtime) -> Iterator[Metric]:
    status = view_status(runtime)
    yield _gauge("feed_position", "Events that have their place in the feed.", status.feed_position)
    yield _gauge("sequencer_pending_events", "Events that wait for it.", status.pending_events)
    yield _gauge("sequencer_pending_seconds", "Age of the oldest.", status.pending_seconds)
    yield _gauge("projection_position", "How far the views are.", status.position)
    yield _gauge("projection_lag_events", "Events that they do not show yet.", status.lag_events)
    yield _gauge("projection_lag_seconds", "Age of the oldest of those.", status.lag_seconds)
    yield _gauge("dead_letters", "Streams that are parked.", status.dead_letters)
    yield _gauge("view_generation", "Which generation of the views is served.", status.generation)
    followers = GaugeMetricFamily(
        "shop_follower_lag_events", "Events that are not in it yet.", labels=["follower"]
    )
    indexed, logged = runtime.audit_index.position(), runtime.transparency_log.size()
    followers.add_metric(["audit index"], max(0, status.feed_position - indexed))
    followers.add_metric(["transparency log"], max(0, status.feed_position - logged))
    yield followers


def _followers(runtime: Runtime) -> Iterator[Metric]:
    lags = runtime.consumers.lags(runtime.consumers.list())
    events = GaugeMetricFamily(
        "shop_consumer_lag_events", "Events behind its committed cursor.", labels=["consumer"]
    )
    seconds = GaugeMetricFamily(
        "shop_consumer_lag_seconds", "Age of the oldest of those.", labels=["consumer"]
    )
    for name, lag in lags.items():
        events.add_metric([name], lag.events)
        seconds.add_metric([name], lag.seconds)
    yield from (events, seconds)


def _queue(redis: Redis) -> Iterator[Metric]:
    depth = GaugeMetricFamily("shop_queue_depth", "Jobs that nobody has begun.", labels=["queue"])
    for queue in (VIEWS, EXPORTS):
        depth.add_metric([queue], redis.llen(f"rq:queue:{queue}"))
    yield depth


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"shop_{name}", meaning, value=value)
