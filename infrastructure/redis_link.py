"""The way to a Redis that everything can do without."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import RedisError

PAUSE_SECONDS = 2.0

T = TypeVar("T")
Command = tuple[Any, ...]
"""As it is sent: its name and its arguments."""

log = logging.getLogger(__name__)


class Link:
    """Shared by all that ask Redis in this process: what one finds away, the others leave alone.

    After an error nothing is tried for two seconds at a time, and then by one thread alone, so
    that a Redis that hangs costs one request its timeout now and then and no other anything.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._silent_until: float | None = None
        self._probing = Lock()

    def ask(self, commands: Iterable[Command]) -> list[Any] | None:
        """The answers to all of them, in one round trip; `None` while Redis is away."""
        pipeline = self.redis.pipeline(transaction=True)
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        return self.attempt(pipeline.execute)

    def attempt(self, what: Callable[[], T]) -> T | None:
        """What that gives; `None` while Redis is away."""
        if self._silent_until is None:
            return self._tried(what)
        if time.monotonic() < self._silent_until or not self._probing.acquire(blocking=False):
            return None
        try:
            return self._tried(what)
        finally:
            self._probing.release()

    def _tried(self, what: Callable[[], T]) -> T | None:
        try:
            answer = what()
        except RedisError as error:
            log.warning("Redis is away (%s); it goes on without", error)
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            return None
        self._silent_until = None
        return answer
