"""What is done now and then: following the feed at leisure, and sweeping."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread

TICK_SECONDS = 0.5
"""Short enough that a checkpoint follows its events within a second, and long enough that under
load one transaction, and one checkpoint, stands for many of them."""
FAILED_TICKS = 10
FAILED_SECONDS_MAX = 60.0

log = logging.getLogger(__name__)


class Periodic:
    """A thread of its own for something: nothing waits for it, or stops with it.

    `step` is taken every `tick_seconds`, and again at once where it did as much as `batch`, the
    most it does at a time.
    """

    def __init__(
        self, name: str, step: Callable[[], int], batch: int, *, tick_seconds: float = TICK_SECONDS
    ) -> None:
        self._name, self._step, self._batch, self._tick = name, step, batch, tick_seconds
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once the step under way is done."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._tick):
            try:
                # What came while a batch was made waits for the next tick: a few at a time they
                # would cost what a whole batch does.
                while self._step() >= self._batch and not self._stopping.is_set():
                    continue
            except Exception:
                # The database may be away, or the log broken: said again until somebody looks.
                log.exception("the %s could not be kept up", self._name)
                self._stopping.wait(min(FAILED_TICKS * self._tick, FAILED_SECONDS_MAX))
