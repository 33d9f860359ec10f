"""Whether an operation costs more in a shop with a long past: stores of different ages, each
with an API and a worker of its own, asked in turns."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from typing import NamedTuple

import msgspec

from benchmarks.history import Past
from benchmarks.http_cases import Asked, Opened, mixed, our_requests, reading
from benchmarks.http_client import Clients, Connection, Requests, request
from benchmarks.http_servers import Following, How, Running, World
from benchmarks.measure import say, size, table, write_section
from benchmarks.servers import runtime_on
from benchmarks.shop_data import ADMIN_EMAIL, PASSWORD, Ids
from benchmarks.turns import Driver, Turn, in_turns
from benchmarks.writers import processes
from cli.accounts import create
from domain.account import Role
from projections.runner import REBUILD_BATCH

YOUNGEST, STEP = 10_000, 10
FRESH_TICKETS, VISITORS = 400, 100
PAGES_ON = 5


class Shop(NamedTuple):
    """One store as it is served."""

    running: Running
    following: Following
    asked: dict[str, Asked]


def measure(world: World, clients: Clients) -> None:
    """Up to BENCH_EVENTS events, from ten thousand in steps of ten times."""
    rounds, seconds = int(size("ROUNDS", 3)), size("HTTP_SECONDS", 1.5)
    ages, oldest = [YOUNGEST], int(size("EVENTS", 1_000_000))
    while ages[-1] * STEP <= oldest:
        ages.append(ages[-1] * STEP)
    world.subject.durable(False)
    urls = {age: world.subject.prepared(f"age_{age}") for age in ages}
    with processes.Pool(len(ages)) as pool:
        made = dict(zip(ages, pool.starmap(_made, [(urls[age], age) for age in ages]), strict=True))
    world.subject.durable(True)
    rows = []
    with ExitStack() as running:
        shops = [
            _opened(replace(world, our_url=urls[age], ids=made[age]), clients, running)
            for age in ages
        ]
        for name in shops[0].asked:
            cases = {
                str(n): (
                    Driver(clients, world.subject, shop.following, seconds),
                    shop.running,
                    shop.asked[name],
                )
                for n, shop in enumerate(shops)
            }
            rows.append(_row(name, list(in_turns(cases, rounds).values())))
            say(f"ages: {rows[-1]}")
    said = [f"{age:,}" for age in ages]
    headers = (
        "CPU µs per request: API, worker and database, in a store of so many events",
        *said,
        *(f"{each} / {said[0]}" for each in said[1:]),
        *(f"p50 ms, {each}" for each in said),
    )
    title = f"Old shops, {world.subject.name}"
    write_section(title, world.subject.version, [table(headers, rows), TEXT], make="bench-read")


def _row(name: str, turns: list[Turn]) -> list[object]:
    costs = [turn.cpu_us + turn.worker_us + turn.database_us for turn in turns]
    ratios = [cost / costs[0] for cost in costs[1:]]
    return [name, *costs, *ratios, *(turn.p50_ms for turn in turns)]


TEXT = f"""\
A store of so many events, twenty to a visit, as "Folding the views" has them, each in a database
of its own in one server, with two API processes and a worker; the goal is a ratio within 20 % of 1.
The tickets asked for are spread over the whole past; the later page is the one after
{50 * PAGES_ON} tickets, which no cache holds. Parts go on {FRESH_TICKETS} new tickets, from 200
items that have moved all the time. BENCH_EVENTS=100000 leaves out the oldest shop, which takes
minutes to make."""


def _made(url: str, events: int) -> Ids:
    """In a process of its own: all that happened, sequenced, shown, found and proven."""
    with closing(runtime_on(url)) as runtime:
        past = Past(runtime)
        past.store(events)
        create(runtime, ADMIN_EMAIL, PASSWORD, Role.ADMIN)
        while runtime.sequencer.step():
            continue
        live = runtime.generations.live()
        while runtime.runner.step(live, REBUILD_BATCH):
            continue
        while runtime.audit_index.step():
            continue
        while runtime.transparency_log.extend():
            continue
        visitors = past.visitors[:: max(1, len(past.visitors) // VISITORS)][:VISITORS]
        return Ids(visitors, past.items, past.tickets, [])


def _opened(world: World, clients: Clients, running: ExitStack) -> Shop:
    following = running.enter_context(world.worker())
    served = running.enter_context(world.ours(How(), limits=True))
    opening = our_requests(world)["open"](served).requests[:FRESH_TICKETS]
    bodies = clients.answers(Requests(served.port, opening))
    fresh = [msgspec.json.decode(body, type=Opened).id for body in bodies]
    ids = world.ids._replace(open_tickets=fresh)
    asked = our_requests(replace(world, ids=ids))
    # A past that was stored in bulk has no snapshots yet: the next event of an item takes one.
    clients.answers(asked["part"](served))
    past = ids.tickets[:: max(1, len(ids.tickets) // FRESH_TICKETS)]
    return Shop(
        served,
        following,
        {
            "one ticket": asked["ticket"],
            "its history": reading(*(f"/v1/tickets/{ticket}/history" for ticket in past)),
            "a page of 50 tickets": asked["page"],
            "a later page": _later_page,
            "leaderboard": asked["ranking"],
            "stock levels, 50": asked["levels"],
            "open a ticket": asked["open"],
            "add a part": asked["part"],
            "mixed, 9 reads to 1 write": mixed(asked),
        },
    )


def _later_page(running: Running) -> Requests:
    """The way there is in the header of each page before."""
    connection, path = Connection(running.port), "/v1/tickets?sort=-created_at&limit=50"
    for _ in range(PAGES_ON):
        connection.ask(request("GET", path, {"Authorization": running.authorization}))
        path = connection.header("link").partition("<")[2].partition(">")[0]
    connection.close()
    return reading(path)(running)
