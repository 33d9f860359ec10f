"""The jobs RQ runs. Each may run twice, late, or beside itself."""

from __future__ import annotations

from infrastructure.runtime import Runtime

_runtime: Runtime | None = None


def use(runtime: Runtime) -> None:
    """Give this process's jobs their runtime, before the first of them runs."""
    global _runtime
    _runtime = runtime


def advance() -> bool:
    """Bring the views up to date; return whether there was more than one stretch of it.

    The job carries no event: it is only a nudge. What is new, the sequencer and the runner
    ask the database; how far they got, they write beside the rows. With more to do it
    enqueues itself again, so that no job runs into its time limit.
    """
    if _runtime is None:
        raise RuntimeError("jobs run in `mechanic-shop worker`, which gives them their runtime")
    more = _runtime.advance()
    if more:
        _runtime.nudge()
    return more
