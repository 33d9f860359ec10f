"""`python -m benchmarks`: everything, one part after the other, into a new results.md."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from benchmarks import audit, feed, read, store
from benchmarks.measure import RESULTS, say, table, write_section

PARTS: dict[str, Callable[[], int]] = {
    "make bench-read": lambda: read.main([]),
    "make bench-store": lambda: store.main([]),
    "make bench-audit": audit.main,
    "make bench-feed": feed.main,
}


def main() -> int:
    """What results.md had is gone: all that is in it then is of one run on one machine."""
    RESULTS.unlink(missing_ok=True)
    minutes = dict[str, float]()
    for name, part in PARTS.items():
        begun = time.monotonic()
        part()
        minutes[f"`{name}`"] = (time.monotonic() - begun) / 60
        say(f"{name}: {minutes[f'`{name}`']:.1f} minutes")
    rows = [*minutes.items(), ("together", sum(minutes.values()))]
    write_section("How long it took", "all parts", [table(("part", "minutes"), rows)], make="bench")
    return 0


if __name__ == "__main__":
    sys.exit(main())
