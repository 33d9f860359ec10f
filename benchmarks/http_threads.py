"""How gunicorn should serve: worker class, threads, kept connections."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.http_cases import nothing, reading
from benchmarks.http_client import Clients
from benchmarks.http_servers import How, World
from benchmarks.measure import say, size, table, write_section
from benchmarks.turns import Driver, in_turns

WAYS = {
    "sync": How("sync", 1, 0),
    "gthread, 1 thread": How("gthread", 1),
    "gthread, 2 threads": How("gthread", 2),
    "gthread, 4 threads": How("gthread", 4),
    "gthread, 8 threads": How("gthread", 8),
    "gthread, 4 threads, no keep-alive": How("gthread", 4, 0),
    "this service's worker, 2 threads": How("benchmarks.bare.Staying", 2),
    "this service's worker, 4 threads": How("benchmarks.bare.Staying", 4),
}
BARE = {
    "bare route, gthread, 4 threads": How("gthread", 4),
    "bare route, this service's worker, 4 threads": How("benchmarks.bare.Staying", 4),
}


def measure(world: World, clients: Clients) -> None:
    """The same cached GET of a ticket, through this service's application."""
    rounds, seconds = int(size("ROUNDS", 5)), size("HTTP_SECONDS", 1.5)
    asked = reading(*(f"/v1/tickets/{id}" for id in world.ids.tickets[:200]))
    with ExitStack() as running:
        driver = Driver(clients, world.subject, running.enter_context(world.worker()), seconds)
        cases = {
            name: (driver, running.enter_context(world.application(how)), asked)
            for name, how in WAYS.items()
        } | {
            name: (driver, running.enter_context(world.bare(how)), nothing)
            for name, how in BARE.items()
        }
        rows = [
            [name, turn.per_second, turn.cpu_us, turn.p50_ms, turn.p99_ms]
            for name, turn in in_turns(cases, rounds).items()
        ]
    say(f"threads: {rows}")
    headers = ("one cached ticket", "requests/s", "CPU µs per request", "p50 ms", "p99 ms")
    title = f"Ways to serve, {world.subject.name}"
    write_section(title, world.subject.version, [table(headers, rows), TEXT], make="bench-read")


TEXT = """\
2 processes each, 8 clients. The sync worker closes each connection after its answer; whoever
keeps it needs a thread that waits for the next request. In this service's worker a thread that
nobody wants waits 2 ms for the next request of its client before it gives the connection back."""
