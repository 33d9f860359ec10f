"""What processes use, from /proc."""

from __future__ import annotations

import os
import re
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """What the process has used so far, in all its threads."""
    facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(facts[11]) + int(facts[12])) / TICKS_PER_SECOND


def megabytes(pid: int) -> float:
    """What it holds of the memory; of what it shares with others its part (PSS)."""
    facts = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB$", facts, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def children(pid: int) -> list[int]:
    """Of a gunicorn: the processes that serve; the one above them does nothing."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
