"""Writers in several processes (one would be limited by its interpreter lock), and a sequencer
in one of its own beside them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from threading import Barrier
from typing import Any

from infrastructure.database import Database
from infrastructure.event_store.sequencer import Sequencer

PROCESSES = 4
START_SECONDS_MAX = 60
SEQUENCER_PAUSE_SECONDS = 0.002

Commit = Callable[[], object]
Case = Callable[[str, int], Commit]
"""Given a database's URL and the events per commit: one writer, who commits when called."""

processes = get_context("forkserver")
processes.set_forkserver_preload(["benchmarks.append"])
_together: Any = None


class Writers:
    """`PROCESSES` processes with so many threads each, all of which start at one moment."""

    def __init__(self) -> None:
        barrier = processes.Barrier(PROCESSES)
        self._pool = ProcessPoolExecutor(
            PROCESSES, mp_context=processes, initializer=_remember, initargs=(barrier,)
        )

    def commits(self, case: Case, url: str, *, writers: int, events: int, seconds: float) -> int:
        """How many commits `writers` threads make in that time, each on its own streams."""
        given = case, url, writers // PROCESSES, events, seconds
        futures = [self._pool.submit(_write, *given) for _ in range(PROCESSES)]
        return sum(future.result() for future in futures)

    def close(self) -> None:
        self._pool.shutdown()


def _remember(barrier: Any) -> None:
    global _together
    _together = barrier


def _write(case: Case, url: str, threads: int, events: int, seconds: float) -> int:
    with ThreadPoolExecutor(threads) as pool:
        commits = list(pool.map(lambda _: case(url, events), range(threads)))
        # The first one connects and compiles.
        list(pool.map(lambda commit: commit(), commits))
        ready = Barrier(threads)
        _together.wait(START_SECONDS_MAX)
        counts = list(pool.map(lambda commit: _until(commit, ready, seconds), commits))
    return sum(counts)


def _until(commit: Commit, ready: Barrier, seconds: float) -> int:
    ready.wait(START_SECONDS_MAX)
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        commit()
        count += 1
    return count


class BesideSequencer:
    """A sequencer that works while it is told to."""

    def __init__(self, url: str) -> None:
        self._working = processes.Event()
        self._process: BaseProcess = processes.Process(
            target=_sequence, args=(url, self._working), daemon=True
        )
        self._process.start()

    @contextmanager
    def working(self) -> Iterator[None]:
        self._working.set()
        try:
            yield
        finally:
            self._working.clear()

    def close(self) -> None:
        self._process.kill()
        self._process.join()


def _sequence(url: str, working: Any) -> None:
    database, parent = Database(url, pool_size=2), os.getppid()
    sequencer = Sequencer(database)
    while os.getppid() == parent:
        if not working.is_set() or not sequencer.step():
            time.sleep(SEQUENCER_PAUSE_SECONDS)
