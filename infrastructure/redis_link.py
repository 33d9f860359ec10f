"""The way to a Redis that everything can do without."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from hiredis import pack_command
from redis import Redis
from redis.exceptions import ConnectionError, RedisError, ResponseError

PAUSE_SECONDS = 1.0

T = TypeVar("T")

log = logging.getLogger(__name__)


class Link:
    """Shared by all that ask Redis in this process: what one finds away, the others leave alone
    until a thread of the link's own has had an answer.

    So an outage costs those under way one timeout, and all after them nothing: neither a refused
    connection nor a name that nobody resolves, nor a server that listens and says nothing.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._idle = deque[Any]()
        self._probe: Thread | None = None
        self._lock, self._closing = Lock(), Event()

    @property
    def is_down(self) -> bool:
        # After a fork the thread is gone, and so the child begins with hope.
        return self._probe is not None and self._probe.is_alive()

    def attempt(self, what: Callable[[], T]) -> T | None:
        """What that gives; `None` while Redis is away."""
        if self.is_down:
            return None
        try:
            return what()
        except RedisError as error:
            self._look_after(error)
            return None

    def ask(self, *command: str | int) -> Any:
        """What Redis answers to one command. Raises `RedisError`.

        Where every request asks, most of what the client does around its connections is saved:
        here a connection is used as it was left, and one that broke meanwhile is made anew once.
        """
        packed = [pack_command(command)]  # type: ignore[arg-type]
        connection = self._connection()
        try:
            try:
                connection.send_packed_command(packed)
                answer = connection.read_response()
            except ConnectionError:
                connection.disconnect()
                connection.connect()
                connection.send_packed_command(packed)
                answer = connection.read_response()
        except ResponseError:
            self._idle.append(connection)
            raise
        except BaseException:
            # The answer may come yet; nobody else must take it for theirs.
            connection.disconnect()
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return answer

    def _connection(self) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            return self.redis.connection_pool.get_connection()
        # One from before this process was forked is another's.
        return connection if connection.pid == os.getpid() else self._connection()

    def close(self) -> None:
        """Ask no more."""
        self._closing.set()

    def _look_after(self, error: RedisError) -> None:
        with self._lock:
            if self.is_down or self._closing.is_set():
                return
            log.warning("Redis is away (%s); it goes on without", error)
            self._probe = Thread(target=self._until_answered, name="redis-probe", daemon=True)
            self._probe.start()

    def _until_answered(self) -> None:
        while not self._closing.wait(PAUSE_SECONDS):
            try:
                self.redis.ping()
            except Exception:
                # Whatever it was, it was no answer; and on the way out connections are closed.
                continue
            log.warning("Redis is back")
            return
