"""From the answer to a write until everybody reads it, over HTTP."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from benchmarks.http_client import Clients, Connection, request
from benchmarks.http_servers import How, Running, World
from benchmarks.measure import percentile, say, size, table, write_section
from benchmarks.shop_data import PARTS

RATE, THREADS = 100, 8
LOOK_SECONDS = 0.003
PATIENCE_SECONDS = 60
GOAL_P50, GOAL_P99 = 25, 100


class Version(msgspec.Struct):
    version: int


def measure(world: World, _: Clients) -> None:
    seconds = size("FRESHNESS_SECONDS", 10)
    with (
        world.worker(),
        world.ours(How(), limits=True) as running,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        start = time.monotonic() + 0.2
        made = pool.map(
            lambda n: _write_and_look(world, running, n, start, seconds), range(THREADS)
        )
        lags = [1000 * lag for each in made for lag in each]
    p50, p99 = percentile(lags, 0.5), percentile(lags, 0.99)
    say(f"freshness: {len(lags)} writes, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    headers = ("100 writes/s over HTTP", "p50 ms", "goal", "p99 ms", "goal")
    rows = [["from the answer to the first read that shows it", p50, GOAL_P50, p99, GOAL_P99]]
    title = f"From a write to every reader, {world.subject.name}"
    write_section(title, world.subject.version, [table(headers, rows), TEXT], make="bench-read")


TEXT = f"""\
{THREADS} clients receive stock of {THREADS} different items, together {RATE} times a second, and
read the item without a consistency token every {1000 * LOOK_SECONDS:.0f} ms until it shows the
version the write made. COMMIT waits for the disk; 2 processes serve, one worker builds the
views."""


def _write_and_look(
    world: World, running: Running, number: int, start: float, seconds: float
) -> list[float]:
    connection, lags = Connection(running.port), list[float]()
    headers = {"Authorization": running.authorization}
    at = f"/v1/inventory/{world.ids.parts[number * PARTS // THREADS]}"
    write = request("POST", f"{at}/receipts", headers, b'{"quantity":1}')
    read = request("GET", at, headers)
    due = start + number / RATE
    while due < start + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        _, answer = connection.ask(write)
        answered = time.monotonic()
        version = msgspec.json.decode(answer, type=Version).version
        while True:
            _, shown = connection.ask(read)
            if msgspec.json.decode(shown, type=Version).version >= version:
                break
            if time.monotonic() > answered + PATIENCE_SECONDS:
                raise TimeoutError("nobody moves the views")
            time.sleep(LOOK_SECONDS)
        lags.append(time.monotonic() - answered)
        due += THREADS / RATE
    connection.close()
    return lags
