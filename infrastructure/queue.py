"""How one process asks another to look: jobs on RQ that carry no event.

A nudge that is lost, doubled or late costs time at most: the worker's clock looks once a
second anyway.
"""

from __future__ import annotations

import logging
import time

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue

ADVANCE = "workers.jobs.advance"
"""By name: entry points are never imported."""
QUEUE = "views"
PAUSE_SECONDS = 2.0
NO_TIMEOUT = -1
"""A nudge's job ends by itself; RQ's alarm would strike in the middle of SQL."""
FAILURE_SECONDS = 3600

log = logging.getLogger(__name__)


class Nudge:
    """Wakes the workers, unless a nudge is waiting for them already.

    While Redis is away nothing is tried for two seconds at a time: a write must not wait for
    what it can do without. Not `unique=True`: RQ refuses that while the same job is running,
    and the wake-up of what came in between would be lost.
    """

    def __init__(self, redis: Redis) -> None:
        self._queue = Queue(QUEUE, connection=redis)
        self._silent_until = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if now < self._silent_until:
            return
        try:
            if self._queue.count == 0:
                self._queue.enqueue(
                    ADVANCE, job_timeout=NO_TIMEOUT, result_ttl=0, failure_ttl=FAILURE_SECONDS
                )
        except RedisError as error:
            log.warning("the queue is away (%s); the workers' clock takes over", error)
            self._silent_until = now + PAUSE_SECONDS
