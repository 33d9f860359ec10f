"""How fast one core reads the feed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from benchmarks.append import connect
from benchmarks.measure import interleave, size, table, write_section
from benchmarks.replay import fill
from benchmarks.servers import Subject, runtime_on
from benchmarks.writers import Writers
from infrastructure.event_store.feed import FeedEntry
from infrastructure.ids import uuid7
from infrastructure.runtime import Runtime

BATCH = 1000
STREAM = 50
"""Events per item."""
GOAL_RAW, GOAL_DECODED = 100_000, 50_000
SELECT = """\
SELECT STRAIGHT_JOIN e.originator_id, e.originator_version, e.topic, e.state, e.recorded_at,
f.position FROM feed f JOIN events e ON f.originator_id = e.originator_id
AND f.originator_version = e.originator_version
WHERE f.position > %s ORDER BY f.position LIMIT %s"""


def measure(subject: Subject, _: Writers) -> None:
    subject.durable(False)
    url, events = subject.prepared("reading"), int(size("FEED_EVENTS", 20_000))
    runtime = runtime_on(url)
    for _unused in range(0, events, STREAM):
        fill(runtime, uuid7(), STREAM)
    while runtime.sequencer.step():
        continue
    raw = connect(url, autocommit=True)

    def drained(batches: Callable[[], Iterator[Any]]) -> Callable[[], float]:
        def run() -> float:
            start = time.thread_time(), time.perf_counter()
            assert sum(len(batch) for batch in batches()) == events
            cpu.setdefault(batches.__name__, []).append(time.thread_time() - start[0])
            return events / (time.perf_counter() - start[1])

        return run

    cpu: dict[str, list[float]] = {}

    def bare() -> Iterator[Any]:
        after = 0
        with raw.cursor() as cursor:
            while cursor.execute(SELECT, (after, BATCH)):
                yield (rows := cursor.fetchall())
                after = rows[-1][5]

    def read() -> Iterator[list[FeedEntry]]:
        yield from _batches(runtime)

    def decoded() -> Iterator[Any]:
        for batch in _batches(runtime):
            yield runtime.feed.decode(batch)

    with closing(raw):
        cases = {case.__name__: drained(case) for case in (bare, read, decoded)}
        found = interleave(cases, int(size("ROUNDS", 3)))
    runtime.close()
    names = {
        "bare": "SELECT by the bare driver",
        "read": f"`Feed.read` (goal {GOAL_RAW:,})",
        "decoded": f"`Feed.read` and `decode` (goal {GOAL_DECODED:,})",
    }
    rows = [
        [name, found[case], found[case] / found["bare"], 1e6 * min(cpu[case]) / events]
        for case, name in names.items()
    ]
    headers = (f"{events:,} events, {BATCH:,} at a time", "events/s", "ratio", "CPU µs per event")
    write_section(
        f"Reading the feed, {subject.name}", subject.version, [table(headers, rows), TEXT]
    )


def _batches(runtime: Runtime) -> Iterator[list[FeedEntry]]:
    after = 0
    while batch := runtime.feed.read(after, BATCH):
        yield batch
        after = batch[-1].position


TEXT = """\
One thread, time by the wall; the CPU column is this process alone, the best round. A driver
written in Python needs most of its time to take rows apart. `Feed.read` therefore asks for a
batch as one row, whose two values the server puts together, and the JSON decoder, which is
not Python, takes apart; what is left is bound by the server, which has to find every event
by a key without order, and by the objects made of them."""
