"""The jobs RQ runs. Each may run twice, late, or beside itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Attend(Protocol):
    def __call__(self, *, stopping: Callable[[], bool]) -> bool: ...


@dataclass
class Here:
    """What this process lends its jobs; `busy` while one of them runs."""

    attend: Attend
    nudge: Callable[[], object]
    stopping: Callable[[], bool]
    busy: bool = False


_here: Here | None = None


def use(here: Here) -> None:
    """Before the first job runs."""
    global _here
    _here = here


def advance() -> bool:
    """See to it that the views move; return whether there was more than one stretch of it.

    The job carries no event: it is only a nudge, and wakes the threads that ask the database
    what is new. It stays while commits keep coming: the next nudge then waits on the queue,
    and whoever commits sends no other. With more to do it enqueues itself again, so that one
    job never keeps the worker from what else there is.
    """
    if _here is None:
        raise RuntimeError("jobs run in `mechanic-shop worker`, which gives them their runtime")
    _here.busy = True
    try:
        more = _here.attend(stopping=_here.stopping)
    finally:
        _here.busy = False
    if more:
        _here.nudge()
    return more
