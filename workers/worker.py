"""A background worker: RQ for wake-ups, and a clock for those that get lost."""

from __future__ import annotations

import gc
import logging
import signal
import sys
from threading import Event
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job

from infrastructure.advancing import BackgroundAdvance
from infrastructure.exporting import ALIVE
from infrastructure.queue import EXPORTS, VIEWS
from infrastructure.runtime import Runtime
from workers import jobs

REDIS_PAUSE_SECONDS = 2.0
LISTEN_SECONDS = 3
SWITCH_SECONDS = 0.0005
OBJECTS_BETWEEN_COLLECTIONS = 20_000
SILENCE_SECONDS_MAX = 5
"""How long a worker believes in a Redis that says nothing."""

log = logging.getLogger(__name__)


class Background(Protocol):
    """Threads of their own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class NudgedWorker(SimpleWorker):
    """Runs jobs in its own process (a fork per job costs five times as much), and looks for
    Redis every two seconds where RQ would wait up to a minute."""

    max_connection_wait_time = REDIS_PAUSE_SECONDS
    dequeue_timeout = LISTEN_SECONDS
    connection_timeout = SILENCE_SECONDS_MAX

    def __init__(self, redis: Redis, queue: str, stopping: Event) -> None:
        super().__init__([Queue(queue, connection=redis)])
        self._stopping = stopping

    def execute_job(self, job: Job, queue: Queue) -> None:
        super().execute_job(job, queue)
        if self._stopping.is_set():
            raise StopRequested

    def subscribe(self) -> None:
        """Nobody commands this worker through Redis, so no thread needs to listen for it."""

    def _install_signal_handlers(self) -> None:
        """Ours are there already: RQ's ask Redis what to do, which may be away."""


def run(runtime: Runtime, queue: str = VIEWS) -> None:
    """Work until SIGTERM or SIGINT. While Redis is away, the clock keeps things moving."""
    if runtime.settings.redis_url is None:
        raise ValueError("embedded mode needs no worker: `mechanic-shop serve` does it all")
    stopping = Event()
    views = BackgroundAdvance(runtime.advance)
    if queue == EXPORTS:
        runtime.exporter.show_life(runtime.settings.data_dir / ALIVE)
        here = jobs.Here(runtime.exporter.attend, runtime.nudge_exports, stopping.is_set)
        background: list[Background] = [runtime.exporter]
    else:
        here = jobs.Here(views.attend, runtime.nudge, stopping.is_set)
        background = [views, *runtime.periodic]

    def stop(*_: object) -> None:
        asked_before = stopping.is_set()
        stopping.set()
        if not here.busy and not asked_before:
            raise StopRequested

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    jobs.use(here)
    tune_process()
    try:
        for each in background:
            each.start()
        # RQ gives its connections a timeout far too long for anybody else.
        with Redis.from_url(runtime.settings.redis_url) as redis:
            while not stopping.is_set():
                _listen(redis, queue, stopping)
    except StopRequested:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for each in reversed(background):
            each.stop()


def tune_process() -> None:
    """A batch of the views must not keep the sequencer from its turn for long; and it makes
    thousands of objects and no cycle of them, so that looking for those so often as Python does
    would be a fifth of the work."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 10, 10)


def _listen(redis: Redis, queue: str, stopping: Event) -> None:
    """Do what is on the queue until Redis goes away or the process is asked to stop."""
    try:
        NudgedWorker(redis, queue, stopping).work(logging_level="WARNING")
    except RedisError as error:
        log.warning("Redis is away (%s); the clock keeps things moving", error)
    stopping.wait(REDIS_PAUSE_SECONDS)
