"""A background worker: RQ for wake-ups, and a clock for those that get lost."""

from __future__ import annotations

import logging
import signal
import time
from types import FrameType
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, SimpleWorker

from infrastructure.advancing import BackgroundAdvance
from infrastructure.queue import QUEUE
from infrastructure.runtime import Runtime
from workers import jobs

REDIS_PAUSE_SECONDS = 2.0

log = logging.getLogger(__name__)


class NudgedWorker(SimpleWorker):
    """Runs jobs in its own process (a fork per job costs five times as much), and looks for
    Redis every two seconds where RQ would wait up to a minute."""

    max_connection_wait_time = REDIS_PAUSE_SECONDS


class Stop(Exception):
    """The process was asked to end while it was not in a job."""


def run(runtime: Runtime) -> None:
    """Work until SIGTERM or SIGINT. While Redis is away, the clock keeps the views moving."""
    if runtime.redis is None:
        raise ValueError("embedded mode needs no worker: `mechanic-shop serve` does it all")
    jobs.use(runtime)
    clock = BackgroundAdvance(runtime.advance)
    clock.start()
    runtime.chores.start()
    try:
        signal.signal(signal.SIGTERM, _stop)
        while True:
            try:
                worker = NudgedWorker([Queue(QUEUE, connection=runtime.redis)])
                worker.work(logging_level="WARNING", with_scheduler=False)
                return
            except RedisError as error:
                log.warning("Redis is away (%s); the clock keeps the views moving", error)
                signal.signal(signal.SIGTERM, _stop)
                time.sleep(REDIS_PAUSE_SECONDS)
    except (Stop, KeyboardInterrupt):
        return
    finally:
        runtime.chores.stop()
        clock.stop()


def _stop(number: int, frame: FrameType | None) -> Any:
    raise Stop
