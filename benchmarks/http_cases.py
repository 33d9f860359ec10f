"""What clients ask: of this service, and of the same shop on the other stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import msgspec

from benchmarks.http_client import Clients, Connection, Requests, request
from benchmarks.http_servers import Running, World
from benchmarks.shop_data import CUSTOMERS, DESCRIPTION, OPEN_EVERY, PARTS, TICKETS, vin

DIFFERENT = 400
"""So many different requests go round in each case."""
CLOSES_PER_SECOND = 600
"""Opened for them beforehand; where more could be closed, the turn is over sooner."""

Asked = Callable[[Running], Requests]


class Case(NamedTuple):
    """One thing both can do, and how many times as fast this service wants to be; 0: unsaid."""

    name: str
    ours: Asked
    theirs: Asked
    goal: float
    is_read: bool = True


class Opened(msgspec.Struct):
    id: Any


def cases(world: World, clients: Clients, seconds: float) -> list[Case]:
    ours, theirs = our_requests(world), their_requests()
    number = int(CLOSES_PER_SECOND * seconds)
    return [
        Case("one ticket", ours["ticket"], theirs["ticket"], 5),
        Case("a page of 50 tickets", ours["page"], theirs["page"], 20),
        Case("leaderboard", ours["ranking"], theirs["ranking"], 8),
        Case("stock levels, 50", ours["levels"], theirs["levels"], 0),
        Case("open a ticket", ours["open"], theirs["open"], 2, is_read=False),
        Case("add a part", ours["part"], theirs["part"], 2, is_read=False),
        Case(
            "close a ticket",
            closing(ours["open"], "/v1/tickets/{}/close", clients, number),
            closing(theirs["open"], "/tickets/{}/close", clients, number),
            0,
            is_read=False,
        ),
        Case("mixed, 9 reads to 1 write", mixed(ours), mixed(theirs), 0, is_read=False),
    ]


def our_requests(world: World) -> dict[str, Asked]:
    ids = world.ids
    tickets = ids.tickets[:: max(1, len(ids.tickets) // DIFFERENT)]
    return {
        "ticket": reading(*(f"/v1/tickets/{ticket}" for ticket in tickets)),
        "page": reading("/v1/tickets?sort=-created_at"),
        "ranking": reading("/v1/mechanics/leaderboard"),
        "levels": reading("/v1/stock-levels"),
        "open": posting(
            lambda n: "/v1/tickets",
            lambda n: dict(
                customer_id=ids.customers[n % len(ids.customers)][0],
                vehicle_id=ids.customers[n % len(ids.customers)][1],
                description=DESCRIPTION,
            ),
            CUSTOMERS,
        ),
        "part": posting(
            lambda n: f"/v1/tickets/{ids.open_tickets[n % len(ids.open_tickets)]}/parts",
            lambda n: dict(inventory_id=ids.parts[n * 7 % len(ids.parts)], quantity=1),
        ),
    }


def their_requests() -> dict[str, Asked]:
    spread = range(1, 1 + TICKETS, max(1, TICKETS // DIFFERENT))
    opened = range(1, 1 + TICKETS, OPEN_EVERY)
    return {
        "ticket": reading(*(f"/tickets/{id}" for id in spread)),
        "page": reading("/tickets"),
        "ranking": reading("/mechanics/ranking"),
        "levels": reading("/parts/levels"),
        "open": posting(
            lambda n: "/tickets",
            lambda n: dict(
                customer_id=1 + n % CUSTOMERS, vin=vin(n % CUSTOMERS), description=DESCRIPTION
            ),
            CUSTOMERS,
        ),
        "part": posting(
            lambda n: f"/tickets/{opened[n % len(opened)]}/parts",
            lambda n: dict(part_id=1 + n * 7 % PARTS, quantity=1),
        ),
    }


def nothing(running: Running) -> Requests:
    """Of the bare route."""
    return Requests(running.port, [request("GET", "/v1/nothing")])


def reading(*paths: str) -> Asked:
    """With a token of what was read last, where there are tokens."""

    def asked(running: Running) -> Requests:
        headers = _headers(running)
        connection = Connection(running.port)
        connection.ask(request("GET", paths[0], headers))
        if token := connection.header("consistency-token"):
            headers["Consistency-Token"] = token
        connection.close()
        return Requests(running.port, [request("GET", path, headers) for path in paths])

    return asked


def posting(
    path: Callable[[int], str], body: Callable[[int], object], number: int = DIFFERENT
) -> Asked:
    def asked(running: Running) -> Requests:
        made = (msgspec.json.encode(body(n)) for n in range(number))
        headers = _headers(running)
        posts = [request("POST", path(n), headers, each) for n, each in enumerate(made)]
        return Requests(running.port, posts)

    return asked


def closing(opening: Asked, path: str, clients: Clients, number: int) -> Asked:
    """Each is opened first, which is not measured, and closed once."""

    def asked(running: Running) -> Requests:
        opened = _repeated(opening(running).requests, number)
        bodies = clients.answers(Requests(running.port, opened))
        ids = [msgspec.json.decode(body, type=Opened).id for body in bodies]
        posts = [request("POST", path.format(id), _headers(running), b"{}") for id in ids]
        return Requests(running.port, posts, once=True)

    return asked


def mixed(asked: dict[str, Asked]) -> Asked:
    """A working day: mostly single tickets, now and then a list, every tenth request a write.
    Each client carries the token of its last answer."""

    def made(running: Running) -> Requests:
        each = {name: cycle(_tokenless(what(running).requests)) for name, what in asked.items()}
        order = [
            *(["ticket"] * 5 + ["page"] * 2 + ["ranking", "levels", "open"]),
            *(["page", "levels"] + ["ticket"] * 5 + ["ranking", "page", "part"]),
        ]
        turns = DIFFERENT // len(order)
        return Requests(running.port, [next(each[name]) for name in order * turns], follows=True)

    return made


def _tokenless(requests: Sequence[bytes]) -> Iterator[bytes]:
    for each in requests:
        lines = each.split(b"\r\n")
        yield b"\r\n".join(line for line in lines if not line.startswith(b"Consistency-Token:"))


def _repeated(requests: Sequence[bytes], number: int) -> list[bytes]:
    return [requests[n % len(requests)] for n in range(number)]


def _headers(running: Running) -> dict[str, str]:
    return {"Authorization": running.authorization} if running.authorization else {}
