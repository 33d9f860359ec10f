"""`mechanic-shop` on a machine whose clock is as wrong as a file says.

Only the time of day is wrong, as when somebody sets it: what measures how long something takes
goes on as before. `python -m tests.faults.clock serve`
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Self

FILE = "CLOCK_WRONG_BY_SECONDS_FILE"
_right = time.time_ns


def _nanoseconds() -> int:
    return _right() + int(Path(os.environ[FILE]).read_text()) * 10**9


def _seconds() -> float:
    return _nanoseconds() / 1e9


class _AnyDatetime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class _Wrong(datetime, metaclass=_AnyDatetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(_seconds(), tz)


def run() -> None:
    # Before anything is imported that keeps a clock of its own.
    time.time_ns, time.time = _nanoseconds, _seconds
    from jwt import api_jwt

    from cli.main import main
    from infrastructure.runtime import open_runtime

    vars(api_jwt)["datetime"] = _Wrong
    open_runtime.__kwdefaults__ = {"clock": lambda: datetime.fromtimestamp(_seconds(), UTC)}
    main()


if __name__ == "__main__":
    run()
