"""From COMMIT to a known position, at a steady rate of commits."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

import pymysql
from pymysql.cursors import Cursor

from benchmarks.append import CONTEXT, connect
from benchmarks.measure import percentile, say, size, table, write_section
from benchmarks.servers import Subject, runtime_on, valkey
from benchmarks.writers import Writers, processes
from commands.inventory import AddItem, ReceiveStock
from infrastructure.advancing import Advance
from infrastructure.ids import uuid7
from infrastructure.runtime import Runtime
from projections.tables import generations
from workers import worker

RATE = 200
THREADS = 4
LOOK_SECONDS = 0.001
WARMING_SECONDS = 1
QUIET_SECONDS_MAX = 60
EVENTS_OF_NEW_ITEM = 2
"""The item's own, and the claim of its part number."""
FEED = """\
SELECT position, originator_id, originator_version FROM feed
WHERE position > %s ORDER BY position"""
VIEWS = f"SELECT MAX(position) FROM {generations.name}"  # noqa: S608
GOAL_P50, GOAL_P99 = 8, 25

Place = tuple[UUID, int]


class Observed(NamedTuple):
    """Milliseconds from the return of COMMIT, for each commit."""

    positions: list[float]
    views: list[float]


def measure(subject: Subject, _: Writers) -> None:
    seconds, rows = size("LAG_SECONDS", 4), list[list[object]]()
    for durable in (False, True):
        subject.durable(durable)
        with valkey() as redis_url:
            for name, (mover, has_views) in MOVERS.items():
                url = subject.prepared("lag")
                observed = _observe(url, redis_url, mover, seconds, has_views=has_views)
                row: list[object] = [name, "yes" if durable else "no"]
                for lags in observed:
                    row += [percentile(lags, 0.5), percentile(lags, 0.99)] if lags else ["", ""]
                rows.append(row)
                say(f"lag, {subject.version}: {row}")
    write_section(f"From COMMIT to a position, {subject.name}", subject.version, [_table(rows)])


def _table(rows: list[list[object]]) -> str:
    headers = (
        "who sequences",
        "COMMIT waits for the disk",
        "position known, p50 ms",
        "p99 ms",
        "views show it, p50 ms",
        "p99 ms",
    )
    return f"{table(headers, rows)}\n\n{TEXT}"


TEXT = f"""\
{RATE} commits/s (`execute(ReceiveStock)` by {THREADS} threads of one process), each followed by its
nudge through Redis; the clock runs from the return of `execute` to the moment a reader of the
feed in another process, who looks every millisecond, has the event. "The worker" is
`mechanic-shop worker` in a process of its own, one thread of which sequences while another folds
all views; "the sequencer alone" the same worker with nothing to fold. The first second, in which
everything is done for the first time, is not counted. The goal is p50 under {GOAL_P50} ms and p99
under {GOAL_P99} ms for the position. The lag is the pause between two
looks, the wait for the interpreter that the threads share, and the step itself with its COMMIT."""


def _sequence(url: str, redis_url: str) -> None:
    runtime = runtime_on(url, redis_url)
    worker.run(replace(runtime, advance=SequencerAlone(runtime)))


def _work(url: str, redis_url: str) -> None:
    worker.run(runtime_on(url, redis_url))


MOVERS = {"the sequencer alone": (_sequence, False), "the worker": (_work, True)}


class SequencerAlone(Advance):
    """Advances nothing but the feed."""

    def __init__(self, runtime: Runtime) -> None:
        self._sequencer = runtime.sequencer

    def fold(self) -> int:
        return 0


def _observe(
    url: str,
    redis_url: str,
    mover: Callable[[str, str], None],
    seconds: float,
    *,
    has_views: bool,
) -> Observed:
    here, there = processes.Pipe()
    moving = processes.Process(target=mover, args=(url, redis_url), daemon=True)
    writing = processes.Process(target=_write, args=(url, redis_url, seconds, there), daemon=True)
    moving.start()
    writing.start()
    with closing(connect(url, autocommit=True)) as connection:
        watch = Watch(connection, has_views=has_views)
        try:
            items: int = here.recv()
            # Whoever moves the feed is up once these have their positions.
            watch.until(lambda: watch.last >= items * EVENTS_OF_NEW_ITEM)
            here.send("go")
            watch.until(lambda: here.poll())
            committed: dict[Place, float] = here.recv()
            watch.until(lambda: committed.keys() <= watch.positions.keys())
        finally:
            moving.kill()
            moving.join()
            writing.kill()
    return watch.lags(committed)


class Watch:
    """A reader who notes when each event got its position, and when the views were past it."""

    def __init__(self, connection: pymysql.Connection[Cursor], *, has_views: bool) -> None:
        self.positions: dict[Place, tuple[int, float]] = {}
        self.last, self._views_last = 0, -1
        self._shown: list[tuple[int, float]] = []
        self._connection, self._has_views = connection, has_views

    def until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + QUIET_SECONDS_MAX
        while not (is_so() and (not self._has_views or self._views_last >= self.last)):
            if time.monotonic() > deadline:
                raise TimeoutError("nobody moved the feed")
            self._look()
            time.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(FEED, (self.last,))
            now = time.monotonic()
            for position, originator, version in cursor.fetchall():
                self.positions[UUID(bytes=originator), version] = position, now
                self.last = position
            if not self._has_views:
                return
            cursor.execute(VIEWS)
            [[position]] = cursor.fetchall()
            if position != self._views_last:
                self._shown.append((position, time.monotonic()))
                self._views_last = position

    def lags(self, committed: dict[Place, float]) -> Observed:
        known = [1000 * (self.positions[place][1] - at) for place, at in committed.items()]
        shown = [
            1000 * (self._shown_at(self.positions[place][0]) - at)
            for place, at in committed.items()
            if self._has_views
        ]
        return Observed(known, shown)

    def _shown_at(self, position: int) -> float:
        return self._shown[bisect_left(self._shown, (position, 0.0))][1]


def _write(url: str, redis_url: str, seconds: float, main: Any) -> None:
    runtime = runtime_on(url, redis_url)
    with ThreadPoolExecutor(THREADS) as pool:
        items = list(pool.map(lambda _: _item(runtime), range(THREADS)))
        main.send(len(items))
        main.recv()
        start = time.monotonic() + 0.1
        made = pool.map(
            lambda n: _commit_steadily(runtime, items[n], start, n, seconds), range(THREADS)
        )
        main.send({place: at for each in made for place, at in each.items()})
    runtime.close()


def _item(runtime: Runtime) -> UUID:
    add = AddItem(
        inventory_id=uuid7(), part_number=str(uuid7()), name="A part", unit_price_cents=1500
    )
    return runtime.execute(add, CONTEXT).id


def _commit_steadily(
    runtime: Runtime, item: UUID, start: float, number: int, seconds: float
) -> dict[Place, float]:
    """One of THREADS writers that together keep the rate, out of step with one another."""
    committed, due = dict[Place, float](), start + number / RATE
    while due < start + WARMING_SECONDS + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        receipt = runtime.execute(ReceiveStock(inventory_id=item, quantity=1), CONTEXT)
        if due >= start + WARMING_SECONDS:
            committed[item, receipt.version] = time.monotonic()
        due += THREADS / RATE
    return committed
