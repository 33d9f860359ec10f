"""`mechanic-shop` on a machine whose clock is stepped while it runs.

The file named by CLOCK_STEP holds by how many seconds the clock is off. It is asked wherever this
program and the library that checks access tokens read the time of day; what the operating system
and the servers believe stays as it is, as on a machine among others whose clocks are right.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import jwt.api_jwt

from cli.main import main
from infrastructure import runtime
from infrastructure.event_store import recorder

STEP = "CLOCK_STEP"
_seconds, _nanoseconds = time.time, time.time_ns


def off_by() -> float:
    return float(Path(os.environ[STEP]).read_text())


class _Like(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class Stepped(datetime, metaclass=_Like):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) + timedelta(seconds=off_by())


def step() -> None:
    time.time = lambda: _seconds() + off_by()
    time.time_ns = lambda: _nanoseconds() + round(off_by() * 1e9)
    for module in (jwt.api_jwt, runtime, recorder):
        vars(module)["datetime"] = Stepped


if __name__ == "__main__":
    step()
    main()
