"""A process that moves the views and is killed at a moment of its own choosing.

Nothing in the service knows of it: the process counts the statements it sends, and what it
tells the cache, and strikes itself down in the middle.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from infrastructure.preparing import begin, rebuild
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from tests.projections.views import statements

CACHE, CACHED, DONE = "before the cache", "after the cache", "all done"
PATIENCE_SECONDS = 120

processes = get_context("forkserver")
processes.set_forkserver_preload([__name__])


class Moment(NamedTuple):
    """The n-th time that something comes whose text holds `what`; after that the next `then`."""

    what: str
    nth: int = 1
    then: str = ""


def killed(settings: Settings, work: Callable[[Runtime], object], at: Moment) -> bool:
    """Let a process do the work; whether it came to that moment, and died of it."""
    process = processes.Process(target=_until, args=(settings, work, at), daemon=True)
    process.start()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def _until(settings: Settings, work: Callable[[Runtime], object], at: Moment) -> None:
    runtime = open_runtime(settings)
    told = _Fate(at)
    cache: Any = runtime.runner._cache
    publish = cache.publish

    def publishing(*given: Any, **named: Any) -> None:
        told(CACHE)
        publish(*given, **named)
        told(CACHED)

    cache.publish = publishing
    with statements(runtime.database, told):
        work(runtime)
        told(DONE)


class _Fate:
    def __init__(self, at: Moment) -> None:
        self._at, self._left = at, at.nth

    def __call__(self, told: str) -> None:
        what = told.replace("`", "")
        if self._left:
            self._left -= self._at.what in what
            if self._left or self._at.then:
                return
        elif self._at.then not in what:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def one_batch(runtime: Runtime) -> None:
    """Of what has its positions."""
    runtime.runner.step(runtime.generations.live())


def whole_rebuild(runtime: Runtime) -> None:
    """In batches small enough for a kill to find many."""
    runner: Any = _Small(runtime)
    rebuild(replace(runtime, runner=runner), begin(runtime))


class _Small:
    def __init__(self, runtime: Runtime) -> None:
        self._runner = runtime.runner

    def step(self, generation: int, _: int) -> int:
        return self._runner.step(generation, 60)


def _for_ever(settings: Settings) -> None:
    runtime = open_runtime(settings)
    while True:
        runtime.advance()


@contextmanager
def worker(settings: Settings) -> Iterator[BaseProcess]:
    """Moves the views until it is killed, at the latest at the end."""
    process = processes.Process(target=_for_ever, args=(settings,), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def chances(seed: int) -> Iterator[float]:
    """How long a worker lives, in seconds."""
    dice = random.Random(seed)
    while True:
        yield dice.uniform(0.02, 0.3)
