"""How gunicorn should serve: worker class, threads, kept connections."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median

from benchmarks.http_cases import Turn, reads, turn
from benchmarks.http_client import Clients
from benchmarks.http_servers import How, World
from benchmarks.measure import say, size, table, write_section

WAYS = {
    "sync": How("sync", 1, 0),
    "gthread, 1 thread": How("gthread", 1),
    "gthread, 2 threads": How("gthread", 2),
    "gthread, 4 threads": How("gthread", 4),
    "gthread, 8 threads": How("gthread", 8),
    "gthread, 4 threads, no keep-alive": How("gthread", 4, 0),
}


def measure(world: World, clients: Clients) -> None:
    """The same cached GET of a ticket, through this service's application."""
    rounds, seconds = int(size("ROUNDS", 5)), size("HTTP_SECONDS", 2)
    with ExitStack() as running:
        running.enter_context(world.worker())
        serving = {
            name: running.enter_context(world.application(how)) for name, how in WAYS.items()
        }
        paths = [f"/v1/tickets/{id}" for id in world.ids.tickets[:200]]
        asked = {name: reads(serving[name], paths) for name in WAYS}
        found: dict[str, list[Turn]] = {name: [] for name in WAYS}
        names = list(WAYS)
        for n in range(rounds):
            for name in names[n % len(names) :] + names[: n % len(names)]:
                found[name].append(turn(serving[name], asked[name], clients, seconds))
    rows = []
    for name, turns in found.items():
        middle = Turn(*(median(values) for values in zip(*turns, strict=True)))
        rows.append([name, middle.per_second, middle.cpu_us, middle.p50_ms, middle.p99_ms])
        say(f"threads: {rows[-1]}")
    headers = ("one cached ticket", "requests/s", "CPU µs per request", "p50 ms", "p99 ms")
    title = f"Ways to serve, {world.subject.name}"
    write_section(title, world.subject.version, [table(headers, rows), TEXT], make="bench-read")


TEXT = """\
2 processes each, 8 clients. The sync worker closes each connection after its answer; whoever
keeps it needs a thread that waits for the next request."""
