"""The jobs RQ runs. Each may run twice, late, or beside itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infrastructure.runtime import Runtime


@dataclass
class Here:
    """What this process lends its jobs; `busy` while one of them talks to the database."""

    runtime: Runtime
    stopping: Callable[[], bool]
    busy: bool = False


_here: Here | None = None


def use(here: Here) -> None:
    """Before the first job runs."""
    global _here
    _here = here


def advance() -> bool:
    """Bring the views up to date; return whether there was more than one stretch of it.

    The job carries no event: it is only a nudge. What is new, the sequencer and the runner
    ask the database; how far they got, they write beside the rows. With more to do it
    enqueues itself again, so that one job never keeps the worker from being asked to stop.
    """
    if _here is None:
        raise RuntimeError("jobs run in `mechanic-shop worker`, which gives them their runtime")
    _here.busy = True
    try:
        more = _here.runtime.advance(stopping=_here.stopping)
    finally:
        _here.busy = False
    if more:
        _here.runtime.nudge()
    return more
