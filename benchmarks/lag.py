"""From COMMIT to a known position, at a steady rate of commits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select

from benchmarks.append import CONTEXT
from benchmarks.measure import percentile, say, size, table, write_section
from benchmarks.servers import Subject, runtime_on, valkey
from benchmarks.writers import Writers, processes
from commands.inventory import AddItem, ReceiveStock
from infrastructure.advancing import Advance, BackgroundAdvance
from infrastructure.ids import uuid7
from infrastructure.runtime import Runtime
from projections.tables import generations
from workers import worker

RATE = 200
THREADS = 4
LOOK_SECONDS = 0.001
READY_SECONDS_MAX = 30
GOAL_P50, GOAL_P99 = 8, 25

Place = tuple[UUID, int]


class SequencerAlone(Advance):
    """Advances nothing but the feed."""

    def __init__(self, runtime: Runtime) -> None:
        self._sequencer = runtime.sequencer

    def __call__(self, *, seconds: float = 0, stopping: Callable[[], bool] = lambda: False) -> bool:
        while not stopping() and self._sequencer.step():
            continue
        return False


class Observed(NamedTuple):
    """Milliseconds from the return of COMMIT, for each."""

    positions: list[float]
    views: list[float]


def measure(subject: Subject, _: Writers) -> None:
    seconds, rows = size("LAG_SECONDS", 5), list[list[object]]()
    for durable in (False, True):
        subject.durable(durable)
        for name, mover in MOVERS.items():
            url = subject.prepared("lag")
            with mover(url) as (runtime, has_views):
                observed = _observe(runtime, seconds, has_views=has_views)
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
{RATE} commits/s (`execute(ReceiveStock)` by {THREADS} threads), each followed by its nudge; the
clock runs from the return of `execute` to the moment a reader of the feed, who looks every
millisecond, has the event. "The sequencer alone": a `BackgroundAdvance` thread of the writing
process that only sequences. "The worker": `mechanic-shop worker` in a process of its own, nudged
through RQ, which folds all views between two steps of the sequencer. The goal is p50 under
{GOAL_P50} ms and p99 under {GOAL_P99} ms for the position. The lag is the step under way when the
commit comes (one transaction, with the worker also one batch of the views), the wake-up, and the
step itself: two or three COMMITs of the sequencer and the runner, in other words."""


@contextmanager
def _alone(url: str) -> Iterator[tuple[Runtime, bool]]:
    runtime = runtime_on(url)
    mover = BackgroundAdvance(SequencerAlone(runtime))
    object.__setattr__(runtime, "nudge", mover.wake)
    mover.start()
    try:
        yield runtime, False
    finally:
        mover.stop()
        runtime.close()


@contextmanager
def _worker(url: str) -> Iterator[tuple[Runtime, bool]]:
    with valkey() as redis_url:
        process = processes.Process(target=_work, args=(url, redis_url), daemon=True)
        process.start()
        runtime = runtime_on(url, redis_url)
        try:
            yield runtime, True
        finally:
            runtime.close()
            process.terminate()
            process.join()


def _work(url: str, redis_url: str) -> None:
    runtime = runtime_on(url, redis_url)
    worker.run(runtime)
    runtime.close()


MOVERS = {"the sequencer alone": _alone, "the worker": _worker}


def _observe(runtime: Runtime, seconds: float, *, has_views: bool) -> Observed:
    with ThreadPoolExecutor(THREADS) as pool:
        items = list(pool.map(lambda _: _item(runtime), range(THREADS)))
        # Whatever moves the views is up once it has moved these.
        _wait_until(lambda: _everything_known(runtime, has_views))
        known, shown, done = dict[Place, float](), dict[int, float](), Event()
        watch = Thread(target=_watch, args=(runtime, known, shown, done, has_views))
        watch.start()
        start = time.monotonic() + 0.1
        made = pool.map(lambda n: _commit_steadily(runtime, items[n], start, n, seconds), range(4))
        committed = {place: at for each in made for place, at in each.items()}
    _wait_until(lambda: len(known) >= len(committed) and _everything_known(runtime, has_views))
    time.sleep(10 * LOOK_SECONDS)
    done.set()
    watch.join()
    positions = {place: runtime.feed.position_of(*place) or 0 for place in committed}
    return Observed(
        [1000 * (known[place] - at) for place, at in committed.items()],
        [
            1000 * (min(seen for at_position, seen in shown.items() if at_position >= p) - at)
            for place, at in committed.items()
            if (p := positions[place]) and has_views
        ],
    )


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
    while due < start + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        receipt = runtime.execute(ReceiveStock(inventory_id=item, quantity=1), CONTEXT)
        committed[item, receipt.version] = time.monotonic()
        due += THREADS / RATE
    return committed


def _watch(
    runtime: Runtime,
    known: dict[Place, float],
    shown: dict[int, float],
    done: Event,
    has_views: bool,
) -> None:
    """Note when each event got its position, and when the views got past each position."""
    last = runtime.feed.position()
    while not done.is_set():
        entries = runtime.feed.read(last, 1000)
        now = time.monotonic()
        for entry in entries:
            known[UUID(str(entry.originator_id)), entry.originator_version] = now
            last = entry.position
        if has_views:
            shown.setdefault(_views_at(runtime), time.monotonic())
        time.sleep(LOOK_SECONDS)


def _views_at(runtime: Runtime) -> int:
    with runtime.database.reading() as connection:
        return connection.scalar(select(func.max(generations.c.position))) or 0


def _everything_known(runtime: Runtime, has_views: bool) -> bool:
    if runtime.feed.waiting_since() is not None:
        return False
    return not has_views or _views_at(runtime) >= runtime.feed.position()


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody moved the feed")
        time.sleep(10 * LOOK_SECONDS)
