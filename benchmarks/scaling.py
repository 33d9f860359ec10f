"""What more API processes bring."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.http_cases import Asked, mixed, nothing, our_requests
from benchmarks.http_client import Clients
from benchmarks.http_servers import How, Running, World
from benchmarks.measure import say, size, table, write_section
from benchmarks.turns import Driver, in_turns

PROCESSES = (1, 2, 4)


def measure(world: World, clients: Clients) -> None:
    rounds, seconds = int(size("ROUNDS", 3)), size("HTTP_SECONDS", 1.5)
    rows, ours = list[list[object]](), our_requests(world)
    asked: dict[str, Asked] = {
        "one ticket": ours["ticket"],
        "a page of 50 tickets": ours["page"],
        "open a ticket": ours["open"],
        "mixed, 9 reads to 1 write": mixed(ours),
    }
    with ExitStack() as running:
        driver = Driver(clients, world.subject, running.enter_context(world.worker()), seconds)
        ways = [How(processes=number) for number in PROCESSES]
        serving = [running.enter_context(world.ours(how, limits=True)) for how in ways]
        bare = [running.enter_context(world.bare(how)) for how in ways]
        for name, what in [*asked.items(), ("bare route", nothing)]:
            chosen = bare if what is nothing else serving
            rows.append(_row(driver, name, what, chosen, rounds))
            say(f"scaling: {rows[-1]}")
    numbers = [f"{number}" for number in PROCESSES]
    headers = (
        *("requests/s with so many processes", *numbers),
        *(f"{number} / 1" for number in numbers[1:]),
        *(f"CPU µs per request, {number}" for number in numbers),
    )
    title = f"More processes, {world.subject.name}"
    write_section(title, world.subject.version, [table(headers, rows), TEXT], make="bench-read")


def _row(
    driver: Driver, name: str, what: Asked, serving: list[Running], rounds: int
) -> list[object]:
    cases = {str(n): (driver, running, what) for n, running in enumerate(serving)}
    turns = list(in_turns(cases, rounds).values())
    rates = [turn.per_second for turn in turns]
    ratios = [rate / rates[0] for rate in rates[1:]]
    return [name, *rates, *ratios, *(turn.cpu_us for turn in turns)]


TEXT = """\
Clients, database, Redis and worker share the cores with the processes that serve: beyond half of
the cores these are what one runs into. The bare route shows the same limit without us."""
