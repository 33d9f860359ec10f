"""Requests per second of everything people ask, what each costs whom, and how far that is from
the same shop on the other stack and from what the framework and the driver can do at all."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from random import Random
from statistics import median
from typing import NamedTuple

from benchmarks.append import PLAIN_TABLE, connect, plain
from benchmarks.chart import draw
from benchmarks.http_cases import Asked, Case, cases, nothing
from benchmarks.http_client import Ask, Clients
from benchmarks.http_servers import How, Running, World
from benchmarks.measure import say, size, table, write_section
from benchmarks.shop_data import CUSTOMERS, PARTS, TICKETS
from benchmarks.turns import Driver, Rate, Turn, in_turns
from benchmarks.usage import children, megabytes

OURS, FREE, THEIRS, CACHED, BARE = (
    "this service",
    "without limits",
    "seed stack",
    "seed stack, all cached 60 s",
    "bare route",
)
BLANK = ""


class Statement(NamedTuple):
    """What the driver can do at all: one row by its key, or one more row and COMMIT."""

    url: str
    is_read: bool

    def asking(self, client: int, clients: int) -> Ask:
        if not self.is_read:
            commit = plain(self.url, 1)
            return lambda: commit() is None
        cursor, chance = connect(self.url, autocommit=True).cursor(), Random(client)
        cursor.execute("SELECT MAX(id) FROM plain")
        [stored] = cursor.fetchone() or (0,)

        def ask() -> bool:
            cursor.execute("SELECT state FROM plain WHERE id = %s", chance.randint(1, stored))
            return cursor.fetchone() is not None

        return ask


def measure(world: World, clients: Clients) -> None:
    rounds, seconds = int(size("ROUNDS", 5)), size("HTTP_SECONDS", 1.5)
    how, found = How(), dict[Case, dict[str, Turn]]()
    with ExitStack() as running:
        following = running.enter_context(world.worker())
        serving = {
            OURS: running.enter_context(world.ours(how, limits=True)),
            FREE: running.enter_context(world.ours(how, limits=False)),
            THEIRS: running.enter_context(world.theirs(how, cached=False)),
            CACHED: running.enter_context(world.theirs(how, cached=True)),
            BARE: running.enter_context(world.bare(how)),
        }
        driver = Driver(clients, world.subject, following, seconds)
        for case in cases(world, clients, seconds):
            found[case] = in_turns(_asked(case, driver, serving), rounds)
            say(f"{case.name}: {found[case]}")
        memory = [[name, _memory(each.server.pid)] for name, each in serving.items()]
        memory.append(["worker of this service", megabytes(following.worker.pid)])
        limits = _limits(driver, world.subject.empty("plain"), rounds)
    parts = [
        table(("requests/s", *serving, *RATIOS), [_rates(*each) for each in found.items()]),
        table(CPU, [_costs(*each) for each in found.items()]),
        table(TIMES, [_times(*each) for each in found.items()]),
        table(("what can be done at all", "per second", "p50 ms", "p99 ms"), limits),
        table(("memory of one process after that (PSS)", "MB"), memory),
        TEXT,
    ]
    name, version = world.subject.name, world.subject.version
    write_section(f"Over HTTP, {name}", version, parts, make="bench-read")
    bars = {
        case.name: [turns[who].per_second for who in (OURS, THEIRS)]
        for case, turns in found.items()
    }
    draw((OURS, "the same shop on Flask"), bars, version)


def _asked(
    case: Case, driver: Driver, serving: dict[str, Running]
) -> dict[str, tuple[Driver, Running, Asked]]:
    who = serving if case.is_read else (OURS, THEIRS)
    asked = {OURS: case.ours, FREE: case.ours, BARE: nothing}
    return {name: (driver, serving[name], asked.get(name, case.theirs)) for name in who}


def _limits(driver: Driver, url: str, rounds: int) -> list[list[object]]:
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(PLAIN_TABLE)
    statements = {
        "INSERT of one event into a plain table, COMMIT": Statement(url, is_read=False),
        "SELECT of one such row by its key": Statement(url, is_read=True),
    }
    rows = []
    for name, statement in statements.items():
        rates = [driver.drive(statement) for _ in range(rounds)]
        middle = Rate(*(median(values) for values in zip(*rates, strict=True)))
        rows.append([f"{name}, bare driver", *middle[1:]])
    return rows


def _memory(pid: int) -> float:
    each = [megabytes(child) for child in children(pid)]
    return sum(each) / len(each)


RATIOS = ("**this / seed**", "goal", "this / seed cached", "this / bare", "without limits / bare")
CPU = (
    "CPU µs per request",
    *(OURS, FREE, THEIRS, CACHED, BARE),
    *("worker of this", "database for this", "database for seed"),
)
TIMES = ("ms", *(f"{who}, {which}" for who in (OURS, THEIRS, BARE) for which in ("p50", "p99")))


def _rates(case: Case, turns: Mapping[str, Turn]) -> list[object]:
    rates = {name: turn.per_second for name, turn in turns.items()}
    rest = [rates.get(name, BLANK) for name in (FREE, THEIRS, CACHED, BARE)]
    return [
        *(case.name, rates[OURS], *rest),
        *(_ratio(rates, OURS, THEIRS), case.goal or BLANK),
        *(_ratio(rates, OURS, CACHED), _ratio(rates, OURS, BARE), _ratio(rates, FREE, BARE)),
    ]


def _ratio(rates: Mapping[str, float], one: str, other: str) -> object:
    return rates[one] / rates[other] if other in rates else BLANK


def _costs(case: Case, turns: Mapping[str, Turn]) -> list[object]:
    names = (OURS, FREE, THEIRS, CACHED, BARE)
    serving = [turns[name].cpu_us if name in turns else BLANK for name in names]
    ours, theirs = turns[OURS], turns[THEIRS]
    return [case.name, *serving, ours.worker_us, ours.database_us, theirs.database_us]


def _times(case: Case, turns: Mapping[str, Turn]) -> list[object]:
    row: list[object] = [case.name]
    for name in (OURS, THEIRS, BARE):
        row += [turns[name].p50_ms, turns[name].p99_ms] if name in turns else [BLANK, BLANK]
    return row


TEXT = f"""\
Same gunicorn for all (2 processes, gthread with 4 threads, connections kept alive), 8 clients in
processes of their own with one connection each, on the same cores as servers, database and Redis.
{CUSTOMERS:,} customers, {TICKETS:,} tickets, 50 mechanics, {PARTS} parts; COMMIT waits for the
disk. This service checks token, role, consistency token and limits on every request, and its
worker runs beside it; the seed stack checks token, role and limits. "All cached" answers every
read from Redis for a minute, however wrong it is by then, and so does no more than check the token
and fetch; this service's reads are never older than the client's last. A ticket that is closed was
opened for that, which is not counted. Mixed: five of ten requests are for a single ticket, four for
lists, one opens a ticket or adds a part. CPU is from /proc: of the processes that serve HTTP; of
the worker until the views show what was written; of the database in that time."""
