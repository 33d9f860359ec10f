"""`python -m benchmarks.feed`: the event feed as its readers get it."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import httpx
from falcon.testing import TestClient, create_environ

from api.app import create_app
from benchmarks.append import CONTEXT
from benchmarks.measure import interleave, percentile, say, size, table, write_section
from benchmarks.replay import fill
from benchmarks.servers import runtime_on, subject, valkey
from cli.accounts import create
from commands.inventory import AddItem, ReceiveStock
from domain.account import Role
from infrastructure.ids import uuid7
from infrastructure.preparing import prepare
from infrastructure.runtime import Runtime
from tests.examples.service import Service, serving
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD

STREAM = 1000
"""Events per item."""
PAGE = 100
RATE = 100
GOAL = 50_000
MARGIN_MEGABYTES = 8
LINES, EVENTS = "application/x-ndjson", "text/event-stream"
processes = get_context("spawn")


def main() -> int:
    """The results go to results.md."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, subject() as measured:
        small, large = int(size("FEED_SMALL", 100_000)), int(size("FEED_LARGE", 1_000_000))
        sqlite = f"sqlite:///{Path(directory, 'shop.db')}"
        with closing(runtime_on(sqlite)) as runtime:
            prepare(runtime)
        _measure(sqlite, "SQLite", "SQLite, in the process", [small, large])
        measured.durable(False)
        name, version = measured.name, measured.version
        _measure(measured.prepared("feed"), name, version, [small])
        _latency(measured.prepared("streams"), Path(directory), name, version)
    return 0


def _measure(url: str, name: str, version: str, sizes: list[int]) -> None:
    with closing(runtime_on(url)) as runtime:
        token = _token(runtime)
        rows = []
        for events in sizes:
            _filled(runtime, events)
            got, seconds, cpu, grown, peak = _in_a_process(_download, url, token)
            row = [f"{got:,}", got / seconds, got / cpu, 1e6 * cpu / got, grown, peak]
            rows.append(row)
            say(f"download, {name}: {row}")
        head = ["events", "events/s", "per second of its own CPU", "CPU µs per event"]
        headers = (*head, "MB more at the end", "MB at most")
        parts = [table(headers, rows), DOWNLOAD_TEXT, _pages(runtime, token), PAGES_TEXT]
    write_section(f"The feed over HTTP, {name}", version, parts, make="bench-feed")


DOWNLOAD_TEXT = f"""\
`GET /v1/events` with `Accept: {LINES}`, every event, taken from the application in a process of
its own and thrown away. The goal is {GOAL:,} events/s per core, with as much memory for a million
events as for a hundred thousand. What the database server needs comes on top of the CPU column
(with SQLite it is in it)."""
PAGES_TEXT = f"""\
Pages of {PAGE} events, one after the other through the application, the gate included. "Known" is
the same request with `If-None-Match`: nothing is read but that both ends of the page are there."""


def _token(runtime: Runtime) -> str:
    create(runtime, ADMIN_EMAIL, ADMIN_PASSWORD, Role.ADMIN)
    session = runtime.sessions.log_in(ADMIN_EMAIL, ADMIN_PASSWORD)
    assert session is not None
    return session.access_token


def _filled(runtime: Runtime, events: int) -> None:
    while runtime.sequencer.step():
        continue
    for _ in range(runtime.feed.position(), events, STREAM):
        fill(runtime, uuid7(), STREAM)
    while runtime.sequencer.step():
        continue


def _in_a_process(work: Callable[..., Any], *given: object) -> Any:
    with processes.Pool(1) as pool:
        return pool.apply(work, given)


def _download(url: str, token: str) -> tuple[int, float, float, float, float]:
    with closing(runtime_on(url)) as runtime:
        app = create_app(runtime)
        # The first one connects, compiles, and takes the memory that is taken once.
        for piece in _pieces(app, token, "limit=1000", LINES):
            assert piece
        before = _megabytes()
        start, cpu, events = time.perf_counter(), time.process_time(), 0
        for piece in _pieces(app, token, "", LINES):
            events += piece.count(b"\n")
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        return events, seconds, cpu, _megabytes() - before, _megabytes()


def _megabytes() -> float:
    """The most that was ever taken."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _pieces(app: Any, token: str, query: str, accept: str, **more: str) -> Iterator[bytes]:
    headers = {"Accept": accept, "Authorization": f"Bearer {token}", **more}
    body = app(create_environ("/v1/events", query_string=query, headers=headers), _ignore)
    try:
        yield from body
    finally:
        if hasattr(body, "close"):
            body.close()


def _ignore(*_: object) -> None:
    """The status and the headers of an answer whose body alone is measured."""


def _pages(runtime: Runtime, token: str) -> str:
    app = create_app(runtime)
    client = TestClient(app, headers={"Authorization": f"Bearer {token}"})
    known, queries, cursor = list[str](), list[str](), "beginning"
    for _ in range(int(size("FEED_PAGES", 50))):
        queries.append(f"aggregate=inventory&limit={PAGE}&after={cursor}")
        answer = client.simulate_get("/v1/events", query_string=queries[-1])
        known.append(answer.headers["etag"])
        cursor = answer.headers["feed-cursor"]

    def rate(*, conditional: bool) -> Callable[[], float]:
        def run() -> float:
            start = time.perf_counter()
            for query, etag in zip(queries, known, strict=True):
                more = {"If-None-Match": etag} if conditional else {}
                for _ in _pieces(app, token, query, "*/*", **more):
                    assert not conditional
            return len(queries) / (time.perf_counter() - start)

        return run

    cases = {"cold": rate(conditional=False), "known": rate(conditional=True)}
    found = interleave(cases, int(size("ROUNDS", 5)))
    rows = [
        [f"read ({PAGE * found['cold']:,.0f} events/s)", found["cold"], 1.0],
        ["known", found["known"], found["known"] / found["cold"]],
    ]
    return table((f"pages of {PAGE}", "pages/s", "ratio"), rows)


def _latency(url: str, directory: Path, name: str, version: str) -> None:
    rows = []
    with valkey() as redis_url, _service(directory, url, redis_url) as service:
        for clients in (1, 20):
            lags = _lags(service, clients)
            rows.append([f"{clients}", percentile(lags, 0.5), percentile(lags, 0.99)])
            say(f"streams, {name}: {rows[-1]}")
    parts = [table(("clients", "p50 ms", "p99 ms"), rows), LATENCY_TEXT]
    write_section(f"From COMMIT to a stream, {name}", version, parts, make="bench-feed")


LATENCY_TEXT = f"""\
{RATE} commits/s (`execute(ReceiveStock)`) by one process; `mechanic-shop serve` and `worker` are
processes of their own; the clock runs from the return of `execute` to the moment a client in the
first process has the event (all clients count). Part of it is the sequencer's ("From COMMIT to a
position"), part the look for news every 20 ms, part that writer and clients share a process."""


@contextmanager
def _service(directory: Path, url: str, redis_url: str) -> Iterator[Service]:
    settings = {"DATABASE_URL": url, "REDIS_URL": redis_url, "WEB_THREADS": "64"}
    place = directory / "service"
    place.mkdir()
    with serving(place, settings) as service:
        yield service


def _lags(service: Service, clients: int) -> list[float]:
    """Milliseconds."""
    arrived: list[dict[str, float]] = [{} for _ in range(clients)]
    with closing(service.client()) as http, closing(service.open()) as runtime:
        authorization = http.headers["Authorization"]
        threads = [
            Thread(target=_listen, args=(service.url, authorization, seen), daemon=True)
            for seen in arrived
        ]
        for thread in threads:
            thread.start()
        item = uuid7()
        add = AddItem(inventory_id=item, part_number=str(item), name="A", unit_price_cents=1)
        runtime.execute(add, CONTEXT)
        while not all(f"{item}.1" in seen for seen in arrived):
            time.sleep(0.05)
        committed = _commit_steadily(runtime, item)
        deadline = time.monotonic() + 30
        while not all(committed.keys() <= seen.keys() for seen in arrived):
            assert time.monotonic() < deadline, "an event did not arrive"
            time.sleep(0.05)
    return [1000 * (seen[id] - at) for seen in arrived for id, at in committed.items()]


def _commit_steadily(runtime: Runtime, item: UUID) -> dict[str, float]:
    committed, start = dict[str, float](), time.monotonic()
    for turn in range(int(RATE * size("STREAM_SECONDS", 5))):
        time.sleep(max(0.0, start + turn / RATE - time.monotonic()))
        receipt = runtime.execute(ReceiveStock(inventory_id=item, quantity=1), CONTEXT)
        committed[f"{item}.{receipt.version}"] = time.monotonic()
    return committed


def _listen(url: str, authorization: str, seen: dict[str, float]) -> None:
    headers = {"Accept": EVENTS, "Authorization": authorization}
    # The service is ended before those who listen to it.
    with (
        suppress(httpx.RemoteProtocolError),
        httpx.stream("GET", f"{url}/v1/events", headers=headers, timeout=60) as answer,
    ):
        for line in answer.iter_lines():
            if line.startswith("data: "):
                seen[json.loads(line[6:])["id"]] = time.monotonic()


if __name__ == "__main__":
    sys.exit(main())
