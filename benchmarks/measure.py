"""Measuring side by side: cases take turns within one run, and medians are compared.

An absolute number says something about a machine and a moment; a ratio to something measured
in the same minute says something about the code.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).with_name("results.md")


def size(name: str, default: float) -> float:
    """How much to measure: BENCH_<name> from the environment, else the default."""
    return float(os.environ.get(f"BENCH_{name}", default))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def interleave(cases: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each case. Within a round every case has its turn, and every round begins
    with another one, so that a disturbance of the machine falls on all of them.
    """
    found: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            found[name].append(cases[name]())
    return {name: median(values) for name, values in found.items()}


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that is not exceeded by this share of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown; numbers are right-aligned, floats below 100 keep two digits."""
    lines = [headers, ["---"] + ["---:"] * (len(headers) - 1), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def write_section(
    title: str, database: str, parts: Sequence[str], *, make: str = "bench-store"
) -> None:
    """Put the section in the place of the one that had this title; at the end if none had."""
    today = datetime.now(UTC).date().isoformat()
    command = f"`make {make}`"
    asked = {k: v for k, v in sorted(os.environ.items()) if k.startswith("BENCH_")}
    if asked:
        command += " with " + ", ".join(f"{name}={value}" for name, value in asked.items())
    facts = f"{today}; {machine()}; {database}; {command}."
    section = "\n\n".join([f"## {title}", facts, *parts]) + "\n"
    text = RESULTS.read_text() if RESULTS.exists() else HEAD
    old = re.compile(rf"^## {re.escape(title)}$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if old.search(text):
        text = old.sub(lambda _: section + "\n", text)
    else:
        text = text.rstrip("\n") + "\n\n" + section
    RESULTS.write_text(text.rstrip("\n") + "\n")
    say(f"\n{section}")


def machine() -> str:
    cores = os.cpu_count()
    load = os.getloadavg()[0]
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    python = platform.python_version()
    return f"{cores} cores of {_cpu()}, load {load:.1f}, {system}, Python {python}"


def _cpu() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        found = re.search(r"^model name\s*: (.*)$", facts.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


HEAD = """\
# Measured

Written by `make bench`; one of its parts alone, as `make bench-read`, puts its own sections in the
place of the older ones. Numbers are medians of rounds in which all cases took turns; what counts
is the ratio to what was measured beside it, not the number itself.
"""
