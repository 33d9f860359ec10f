"""Moving the views forward: sequence what is pending, fold, and go on while there is more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from infrastructure.audit_index import AuditIndex
from infrastructure.event_store.sequencer import Sequencer
from projections.generations import Generations
from projections.kernel import OtherFolds
from projections.runner import BATCH_MAX, Runner

STRETCH_SECONDS = 5.0
"""How long one call goes on, so that its caller can be asked to stop or to do something else."""
TICK_SECONDS = 1.0
LINGER_SECONDS = 0.1
"""How long the sequencer goes on looking where a commit was found: the next is likely near."""
PAUSE_SECONDS = 0.002
"""Between two of its steps, so that commits come together and others have their turn."""
GLANCE_SECONDS = 0.05

log = logging.getLogger(__name__)


class Advance:
    """Any number of processes may advance at once; each batch takes effect once."""

    def __init__(
        self,
        sequencer: Sequencer,
        generations: Generations,
        runner: Runner,
        audit_index: AuditIndex,
    ) -> None:
        self._sequencer, self._generations, self._runner = sequencer, generations, runner
        self._audit_index = audit_index
        self._refused: int | None = None
        """A generation of another release; that is logged once, and nothing else stops."""

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
            sequenced, folded, indexed = self.sequence(), self.fold(), self._audit_index.step()
            if not (sequenced or folded or indexed):
                return False
            if time.monotonic() > end:
                return True
        return True

    def sequence(self) -> int:
        """One step: how many events got their positions."""
        return self._sequencer.step()

    def fold(self) -> int:
        """One batch of the live views: how many events, `BATCH_MAX` if there may be more."""
        generation = self._generations.live()
        try:
            return self._runner.step(generation)
        except OtherFolds as refused:
            if self._refused != generation:
                self._refused = generation
                log.error("%s", refused)
            return 0


class BackgroundAdvance:
    """Two threads, so that a commit gets its position while a batch of the views is written:
    one sequences, the other folds what it is told of.
    """

    def __init__(self, advance: Advance, *, tick_seconds: float = TICK_SECONDS) -> None:
        self._advance, self._stopping = advance, Event()
        self._sequencing = _Beat("sequence", self._sequence, self._stopping, tick_seconds)
        self._folding = _Beat("fold", self._fold, self._stopping, tick_seconds)

    def start(self) -> None:
        self._sequencing.start()
        self._folding.start()

    def wake(self) -> None:
        self._sequencing.wake()

    def stop(self) -> None:
        """Returns once the step and the batch under way are done."""
        self._stopping.set()
        for beat in (self._sequencing, self._folding):
            beat.stop()

    def attend(
        self,
        *,
        seconds: float = STRETCH_SECONDS,
        stopping: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wake, and stay while commits keep coming; returns whether there may be more.

        Whoever wakes others for every commit is kept from doing so needlessly.
        """
        end = time.monotonic() + seconds
        self.wake()
        while not stopping() and time.monotonic() < end:
            if self._sequencing.quiet.wait(GLANCE_SECONDS):
                return False
        return True

    def _sequence(self) -> None:
        until = 0.0
        # Also when nothing was found: another may have sequenced what this was woken for.
        self._folding.wake()
        while not self._stopping.is_set():
            if self._advance.sequence():
                self._folding.wake()
                until = time.monotonic() + LINGER_SECONDS
            elif time.monotonic() > until:
                return
            self._stopping.wait(PAUSE_SECONDS)

    def _fold(self) -> None:
        while self._advance.fold() >= BATCH_MAX and not self._stopping.is_set():
            continue


class _Beat:
    """A thread that works when woken, and once a second in case a wake-up was lost."""

    def __init__(
        self, name: str, work: Callable[[], None], stopping: Event, tick_seconds: float
    ) -> None:
        self._work, self._stopping, self._tick = work, stopping, tick_seconds
        self._woken, self.quiet = Event(), Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self.quiet.clear()
        self._woken.set()

    def stop(self) -> None:
        self.wake()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(self._tick)
            self._woken.clear()
            try:
                self._work()
            except Exception:
                # The database may be away; the next tick tries again.
                log.exception("the views could not be advanced")
                self._stopping.wait(self._tick)
            if not self._woken.is_set():
                self.quiet.set()
