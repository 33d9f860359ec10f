"""How fast the views follow the feed, and whether an event costs more in an old shop."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from statistics import median

from pymysql.cursors import Cursor

from benchmarks import history
from benchmarks.append import connect
from benchmarks.measure import interleave, say, size, table, write_section
from benchmarks.reading import SELECT
from benchmarks.servers import Subject, runtime_on
from benchmarks.writers import Writers
from infrastructure.runtime import Runtime
from projections.runner import BATCH_MAX, REBUILD_BATCH
from workers.worker import tune_process

GOAL_LIVE, GOAL_REBUILT = 5_000, 10_000
STRETCH = 10_000
"""Events per measurement; the next ones each time."""
AGES = 10_000, 100_000
NAMES = {
    "copied": "copied by the bare driver: SELECT, multi-row INSERT",
    "live": f"folded into all views, {BATCH_MAX:,} at a time (goal {GOAL_LIVE:,})",
    "rebuilt": f"the same, {REBUILD_BATCH:,} at a time, as a rebuild does (goal {GOAL_REBUILT:,})",
}
COPY_TABLE = """\
CREATE TABLE copy (originator_id BINARY(16) NOT NULL, originator_version INT NOT NULL,
topic VARCHAR(255) NOT NULL, state MEDIUMBLOB NOT NULL, recorded_at DATETIME(6) NOT NULL,
position BIGINT PRIMARY KEY)"""
COPY = "REPLACE INTO copy VALUES (%s, %s, %s, %s, %s, %s)"
TEXT = f"""\
The ordinary days of a shop, {history.VISITS_AT_ONCE} visits at a time: each is a ticket of
thirteen events, with seven more of its customer, its vehicle and the parts. One worker, the
database on the same cores, COMMIT does not wait for the disk. Each measurement takes the next
{STRETCH:,} events, with everything before them in the views. The copy is what the simplest
follower of the feed does: it stores each event as one row, {BATCH_MAX} at a time. A fold writes
fewer rows, but to up to ten tables with their indexes, after reading and decoding what the
streams were before. CPU is that of the follower's own process, without the database's."""


def measure(subject: Subject, _: Writers) -> None:
    """At each of AGES, and at BENCH_PROJECTION_EVENTS (1,000,000 takes minutes)."""
    tune_process()
    subject.durable(False)
    url, rounds = subject.prepared("projection"), int(size("ROUNDS", 3))
    runtime, rows = runtime_on(url), list[list[object]]()
    past, largest = history.Past(runtime), int(size("PROJECTION_EVENTS", max(AGES)))
    with closing(connect(url, autocommit=True)) as raw, raw.cursor() as cursor:
        cursor.execute(COPY_TABLE)
        for age in sorted({*(age for age in AGES if age < largest), largest}):
            past.store(max(age, runtime.queries.position()) + 2 * rounds * STRETCH)
            while (left := age - runtime.queries.position()) > 0:
                runtime.runner.step(1, min(left, REBUILD_BATCH))
            cpu = defaultdict[str, list[float]](list)
            found = interleave(_cases(runtime, cursor, cpu), rounds)
            say(f"projection, {subject.version}, {age:,} events: {found}")
            rows += [
                [name, age, found[case], found[case] / found["copied"], median(cpu[case])]
                for case, name in NAMES.items()
            ]
    runtime.close()
    headers = ("events", "there already", "events/s", "ratio", "µs of CPU per event")
    title = f"Folding the views, {subject.name}"
    write_section(title, subject.version, [table(headers, sorted(rows)), TEXT])


def _cases(
    runtime: Runtime, cursor: Cursor, cpu: dict[str, list[float]]
) -> dict[str, Callable[[], float]]:
    def timed(case: str, work: Callable[[], None]) -> float:
        begun, used = time.perf_counter(), time.process_time()
        work()
        cpu[case].append((time.process_time() - used) / STRETCH * 1e6)
        return STRETCH / (time.perf_counter() - begun)

    def fold(batch: int) -> None:
        for _ in range(STRETCH // batch):
            assert runtime.runner.step(1, batch) == batch

    def copy() -> None:
        for after in range(0, STRETCH, BATCH_MAX):
            cursor.execute(SELECT, (after, BATCH_MAX))
            cursor.executemany(COPY, cursor.fetchall())

    return {
        "copied": lambda: timed("copied", copy),
        "live": lambda: timed("live", lambda: fold(BATCH_MAX)),
        "rebuilt": lambda: timed("rebuilt", lambda: fold(REBUILD_BATCH)),
    }
