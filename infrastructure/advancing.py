"""Moving the views forward: sequence what is pending, fold, and go on while there is more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from infrastructure.event_store.sequencer import Sequencer
from projections.generations import Generations
from projections.runner import Runner

STRETCH_SECONDS = 5.0
"""How long one call goes on; a job queue's time limit must never strike in the middle of SQL."""
TICK_SECONDS = 1.0

log = logging.getLogger(__name__)


class Advance:
    """Any number of processes may advance at once; each batch takes effect once."""

    def __init__(self, sequencer: Sequencer, generations: Generations, runner: Runner) -> None:
        self._sequencer, self._generations, self._runner = sequencer, generations, runner

    def __call__(
        self,
        *,
        seconds: float = STRETCH_SECONDS,
        stopping: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Go on until there is nothing to do, time is up or somebody wants to stop.

        Returns whether there may be more to do.
        """
        end = time.monotonic() + seconds
        while not stopping():
            sequenced = self._sequencer.step()
            if not self._runner.step(self._generations.live()) and not sequenced:
                return False
            if time.monotonic() > end:
                return True
        return True


class BackgroundAdvance:
    """A thread that advances when woken, and once a second in case a wake-up was lost."""

    def __init__(self, advance: Advance, *, tick_seconds: float = TICK_SECONDS) -> None:
        self._advance, self._tick = advance, tick_seconds
        self._woken, self._stopping = Event(), Event()
        self._thread = Thread(target=self._run, name="advance", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        """Returns once the batch under way is done."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(self._tick)
            self._woken.clear()
            try:
                while self._advance(stopping=self._stopping.is_set):
                    if self._stopping.is_set():
                        return
            except Exception:
                # The database may be away; the next tick tries again.
                log.exception("the views could not be advanced")
                self._stopping.wait(self._tick)
