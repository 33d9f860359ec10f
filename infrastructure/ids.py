"""Ids that sort by the time they were made, so that new rows go to the right edge of an index."""

from __future__ import annotations

import os
import random
import time
from uuid import UUID


def uuid7() -> UUID:
    """A version 7 UUID (RFC 9562, section 5.7): 48 bits of milliseconds, 74 of randomness."""
    return UUID(int=_uuid7(int.from_bytes(os.urandom(10))))


def uuid7_text() -> str:
    """The same as text, for what is no key: twice as fast as by way of a `UUID`, and without a
    call to the system, during which another thread would take the interpreter."""
    digits = f"{_uuid7(random.getrandbits(80)):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _uuid7(chance: int) -> int:
    milliseconds = time.time_ns() // 1_000_000
    high = (chance >> 68) & 0xFFF
    low = chance & ((1 << 62) - 1)
    return milliseconds << 80 | 7 << 76 | high << 64 | 0b10 << 62 | low
