"""`python -m benchmarks.read [name ...]`: what clients see over HTTP, measured.

Beside this service run the same shop the usual way (`seed_stack`) and a bare Falcon route, on the
same gunicorn with the same processes and threads, on the same database server.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import ages, comparison, freshness, http_threads, scaling
from benchmarks.http_client import Clients
from benchmarks.http_servers import World
from benchmarks.measure import say
from benchmarks.servers import subject, valkey

CLIENTS = 8
BENCHMARKS: dict[str, Callable[[World, Clients], None]] = {
    "comparison": comparison.measure,
    "scaling": scaling.measure,
    "ages": ages.measure,
    "freshness": freshness.measure,
    "threads": http_threads.measure,
}


def main(names: list[str]) -> int:
    """Run the benchmarks named, or all; their results go to results.md."""
    if unknown := set(names) - BENCHMARKS.keys():
        say(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
        return 2
    clients = Clients(CLIENTS)
    with ExitStack() as running, tempfile.TemporaryDirectory(prefix="bench-") as directory:
        measured = running.enter_context(subject())
        measured.durable(True)
        redis_url = running.enter_context(valkey())
        world = World.made(Path(directory), measured, redis_url)
        for name in names or BENCHMARKS:
            BENCHMARKS[name](world, clients)
    clients.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
