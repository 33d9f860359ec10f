"""How one process asks another to look: jobs on RQ that carry no event.

A nudge that is lost, doubled or late costs time at most: the worker's clock looks once a
second anyway.
"""

from __future__ import annotations

from rq import Queue

from infrastructure.redis_link import Link

ADVANCE = "workers.jobs.advance"
"""By name: entry points are never imported."""
VIEWS, EXPORTS = "views", "exports"
"""A queue each, so that neither keeps the other waiting."""
NO_TIMEOUT = -1
"""A nudge's job ends by itself; RQ's alarm would strike in the middle of SQL."""
FAILURE_SECONDS = 3600


class Nudge:
    """Wakes the workers of a queue, unless a nudge is waiting for them already.

    Not `unique=True`: RQ refuses that while the same job is running, and the wake-up of what
    came in between would be lost.
    """

    def __init__(self, link: Link, queue: str = VIEWS) -> None:
        self._link, self._queue = link, Queue(queue, connection=link.redis)

    def __call__(self) -> None:
        self._link.attempt(self._send)

    def _send(self) -> None:
        if self._queue.count == 0:
            self._queue.enqueue(
                ADVANCE, job_timeout=NO_TIMEOUT, result_ttl=0, failure_ttl=FAILURE_SECONDS
            )
