"""Requests per second, and what each costs the processes that serve it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

import msgspec

from benchmarks.http_client import Clients, Connection, request
from benchmarks.http_servers import How, Running, World, cpu_seconds
from benchmarks.measure import percentile, say, size, table, write_section
from benchmarks.shop_data import CUSTOMERS, DESCRIPTION, OPEN_EVERY, PARTS, TICKETS, vin

DIFFERENT = 400
"""So many different requests go round in each case."""

Requests = Callable[[Running], list[bytes]]


class Case(NamedTuple):
    """One thing both can do, and how many times as fast this service wants to be."""

    name: str
    ours: Requests
    theirs: Requests
    goal: float


class Turn(NamedTuple):
    per_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


def cases(world: World) -> list[Case]:
    ids = world.ids
    spread = range(0, len(ids.tickets), max(1, len(ids.tickets) // DIFFERENT))
    opened = [n for n in range(TICKETS) if not n % OPEN_EVERY]
    plenty = range(DIFFERENT)

    def get(*paths: str) -> Requests:
        return lambda running: reads(running, paths)

    def post(path: Callable[[int], str], body: Callable[[int], object]) -> Requests:
        return lambda running: [
            request("POST", path(n), _headers(running), msgspec.json.encode(body(n)))
            for n in plenty
        ]

    return [
        Case(
            "one ticket",
            get(*(f"/v1/tickets/{ids.tickets[n]}" for n in spread)),
            get(*(f"/tickets/{1 + n}" for n in spread)),
            5,
        ),
        Case("a page of 50 tickets", get("/v1/tickets?sort=-created_at"), get("/tickets"), 20),
        Case("ranking", get("/v1/mechanics/leaderboard"), get("/mechanics/ranking"), 8),
        Case("stock levels, 50", get("/v1/stock-levels"), get("/parts/levels"), 0),
        Case(
            "open a ticket",
            post(
                lambda n: "/v1/tickets",
                lambda n: dict(
                    customer_id=ids.customers[n % CUSTOMERS][0],
                    vehicle_id=ids.customers[n % CUSTOMERS][1],
                    description=DESCRIPTION,
                ),
            ),
            post(
                lambda n: "/tickets",
                lambda n: dict(customer_id=1 + n, vin=vin(n), description=DESCRIPTION),
            ),
            2,
        ),
        Case(
            "add a part",
            post(
                lambda n: f"/v1/tickets/{ids.open_tickets[n % len(ids.open_tickets)]}/parts",
                lambda n: dict(inventory_id=ids.parts[n * 7 % PARTS], quantity=1),
            ),
            post(
                lambda n: f"/tickets/{1 + opened[n % len(opened)]}/parts",
                lambda n: dict(part_id=1 + n * 7 % PARTS, quantity=1),
            ),
            2,
        ),
    ]


def reads(running: Running, paths: Sequence[str]) -> list[bytes]:
    """With a token of what was read last, where there are tokens."""
    headers = _headers(running)
    if running.authorization and paths[0].startswith("/v1"):
        connection = Connection(running.port)
        connection.ask(request("GET", paths[0], headers))
        headers["Consistency-Token"] = connection.header("consistency-token")
        connection.close()
    return [request("GET", path, headers) for path in paths]


def _headers(running: Running) -> dict[str, str]:
    return {"Authorization": running.authorization} if running.authorization else {}


def measure(world: World, clients: Clients) -> None:
    how = How()
    rounds, seconds = int(size("ROUNDS", 5)), size("HTTP_SECONDS", 2)
    with ExitStack() as running:
        running.enter_context(world.worker())
        serving: dict[str, Running] = {
            "ours": running.enter_context(world.ours(how, limits=True)),
            "ours, no limits": running.enter_context(world.ours(how, limits=False)),
            "theirs": running.enter_context(world.theirs(how, cached=False)),
            "theirs, cached": running.enter_context(world.theirs(how, cached=True)),
            "bare": running.enter_context(world.bare(how)),
        }
        rows, costs = [], []
        for case in cases(world):
            is_read = case.goal != 2
            who = [name for name in serving if is_read or name in ("ours", "theirs")]
            asked = {name: _requests(case, name, serving[name]) for name in who}
            found: dict[str, list[Turn]] = {name: [] for name in who}
            for n in range(rounds):
                for name in who[n % len(who) :] + who[: n % len(who)]:
                    found[name].append(turn(serving[name], asked[name], clients, seconds))
            best = {name: _median(turns) for name, turns in found.items()}
            rows.append(_row(case, best))
            costs.append(_costs(case, best))
            say(f"{case.name}: {best}")
    parts = [table(HEADERS, rows), table(COST_HEADERS, costs), TEXT]
    write_section(
        f"Over HTTP, {world.subject.name}", world.subject.version, parts, make="bench-read"
    )


def _requests(case: Case, name: str, running: Running) -> list[bytes]:
    if name == "bare":
        return [request("GET", "/v1/nothing")]
    return (case.ours if name.startswith("ours") else case.theirs)(running)


def turn(running: Running, requests: list[bytes], clients: Clients, seconds: float) -> Turn:
    before = cpu_seconds(running.server)
    load = clients.drive(running.port, requests, seconds)
    used = cpu_seconds(running.server) - before
    if load.refused:
        raise RuntimeError(f"{load.refused} of {load.answers + load.refused} refused")
    ms = [1000 * each for each in load.seconds]
    return Turn(
        load.answers / seconds,
        1e6 * used / load.answers,
        percentile(ms, 0.5),
        percentile(ms, 0.99),
    )


def _median(turns: list[Turn]) -> Turn:
    return Turn(*(median(values) for values in zip(*turns, strict=True)))


def _row(case: Case, best: dict[str, Turn]) -> list[object]:
    mine = best["ours"].per_second
    free, cached, nothing = (best.get(n) for n in ("ours, no limits", "theirs, cached", "bare"))
    return [
        case.name,
        mine,
        free.per_second if free else "",
        best["theirs"].per_second,
        cached.per_second if cached else "",
        nothing.per_second if nothing else "",
        mine / best["theirs"].per_second,
        case.goal or "",
        mine / cached.per_second if cached else "",
        mine / nothing.per_second if nothing else "",
        free.per_second / nothing.per_second if free and nothing else "",
    ]


def _costs(case: Case, best: dict[str, Turn]) -> list[object]:
    row: list[object] = [case.name]
    for name in ("ours", "ours, no limits", "theirs", "theirs, cached", "bare"):
        row.append(best[name].cpu_us if name in best else "")
    for name in ("ours", "theirs"):
        row += [best[name].p50_ms, best[name].p99_ms]
    return row


HEADERS = (
    "requests/s",
    "this service",
    "without limits",
    "seed stack",
    "seed stack, all cached 60 s",
    "bare route",
    "**this / seed**",
    "goal",
    "this / seed cached",
    "this / bare",
    "without limits / bare",
)
COST_HEADERS = (
    "CPU µs per request",
    "this service",
    "without limits",
    "seed stack",
    "seed stack, all cached",
    "bare route",
    "this p50 ms",
    "p99 ms",
    "seed p50 ms",
    "p99 ms",
)
TEXT = f"""\
Same gunicorn for all (2 processes, gthread with 4 threads, connections kept alive), 8 clients in
processes of their own with one connection each, on the same cores as servers, database and Redis.
{CUSTOMERS:,} customers, {TICKETS:,} tickets, 50 mechanics, {PARTS} parts; COMMIT waits for the
disk. This service checks token, role, consistency token and limits on every request, and its
worker runs beside it; the seed stack checks token, role and limits. "All cached" answers every
read from Redis for a minute, however wrong it is by then, and so does no more than check the token
and fetch; this service's reads are never older than the client's last. CPU is that of the
processes that serve HTTP, from /proc."""
