"""`python -m benchmarks.store [name ...]`: the event store, measured."""

from __future__ import annotations

import sys

from benchmarks import append, lag, library, projection, reading, replay
from benchmarks.measure import say
from benchmarks.servers import subject
from benchmarks.writers import Writers

BENCHMARKS = {
    "append": append.measure,
    "library": library.measure,
    "lag": lag.measure,
    "replay": replay.measure,
    "reading": reading.measure,
    "projection": projection.measure,
}


def main(names: list[str]) -> int:
    """Run the benchmarks named, or all; their results go to results.md."""
    if unknown := set(names) - BENCHMARKS.keys():
        say(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
        return 2
    writers = Writers()
    with subject() as measured:
        for name in names or BENCHMARKS:
            BENCHMARKS[name](measured, writers)
    writers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
