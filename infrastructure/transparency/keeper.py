"""Keeps the log up with the feed, in the background."""

from __future__ import annotations

import logging
from threading import Event, Thread

from infrastructure.transparency.log import TransparencyLog

TICK_SECONDS = 0.5
"""Short enough that a checkpoint follows its events within a second, and long enough that
under load one checkpoint stands for many of them."""

log = logging.getLogger(__name__)


class LogKeeper:
    """A thread apart from that of the views: neither waits for the other, or stops with it."""

    def __init__(
        self, transparency_log: TransparencyLog, *, tick_seconds: float = TICK_SECONDS
    ) -> None:
        self._log, self._tick = transparency_log, tick_seconds
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="log-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once the batch under way is done."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._tick):
            try:
                while self._log.extend() and not self._stopping.is_set():
                    continue
            except Exception:
                # The database may be away, or the log broken: said again until somebody looks.
                log.exception("the transparency log could not be extended")
                self._stopping.wait(10 * self._tick)
