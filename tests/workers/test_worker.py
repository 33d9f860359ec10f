"""The worker as a process: views move, whatever happens to Redis, to the nudges or to it."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path
from uuid import UUID

import pytest
from rq import Queue

from domain.kernel import Event
from infrastructure.queue import VIEWS
from infrastructure.runtime import Runtime
from tests import builders as b
from tests.process import Process
from tests.projections.views import contents, record, rewind, settle
from tests.servers import Valkey


@pytest.fixture
def start(settings: dict[str, str], tmp_path: Path) -> Callable[[], Process]:
    return lambda: Process("worker", settings=settings, cwd=tmp_path)


def written(runtime: Runtime, *streams: int) -> None:
    """Something happens, and nobody is told."""
    for n in streams:
        events: list[Event] = [b.item_added(), b.received(), b.issued()]
        record(runtime.store, {UUID(int=n): events})


def caught_up(runtime: Runtime) -> bool:
    with runtime.database.reading() as connection:
        recorded = connection.exec_driver_sql("SELECT COUNT(*) FROM events").scalar()
    return runtime.queries.position() == recorded


def test_views_move_without_a_nudge(runtime: Runtime, start: Callable[[], Process]) -> None:
    with start() as worker:
        for n in (1, 2):
            written(runtime, n)
            worker.until(lambda: caught_up(runtime))

        assert len(contents(runtime.database)["inventory"]) == 2
        assert worker.terminate() == 0


def test_without_redis_views_move(
    runtime: Runtime, start: Callable[[], Process], own_valkey: Valkey
) -> None:
    queue = Queue(VIEWS, connection=own_valkey.client())
    with start() as worker:
        written(runtime, 1)
        worker.until(lambda: caught_up(runtime))
        own_valkey.kill()
        written(runtime, 2)
        worker.until(lambda: caught_up(runtime))
        own_valkey.restart()
        runtime.nudge()
        worker.until(lambda: _idle(queue))
        own_valkey.pause()
        written(runtime, 3)
        worker.until(lambda: caught_up(runtime))
        own_valkey.resume()
        runtime.nudge()
        worker.until(lambda: _idle(queue))

        assert worker.terminate() == 0


def _idle(queue: Queue) -> bool:
    """Nothing waits, and nothing was left lying half done."""
    return queue.count == 0 and queue.started_job_registry.count == 0


@pytest.mark.parametrize("strike", [None, Valkey.kill, Valkey.pause])
def test_sigterm_ends_it_between_two_batches(
    runtime: Runtime,
    start: Callable[[], Process],
    own_valkey: Valkey,
    strike: Callable[[Valkey], None] | None,
) -> None:
    with start() as worker:
        written(runtime, 1)
        worker.until(lambda: caught_up(runtime))
        if strike is not None:
            strike(own_valkey)
        written(runtime, *range(2, 60))

        assert worker.terminate() == 0

    own_valkey.kill()
    before = runtime.queries.position()
    settle(runtime)
    assert caught_up(runtime)
    assert before <= runtime.queries.position()
    assert "Traceback" not in worker.complained()


def test_killed_at_any_moment_it_leaves_views_that_equal_their_folds(
    runtime: Runtime, start: Callable[[], Process]
) -> None:
    chance, numbers = random.Random(7), count(1)

    def moves_on() -> bool:
        written(runtime, next(numbers))
        return runtime.queries.position() > before

    for _ in range(5):
        before = runtime.queries.position()
        with start() as worker:
            worker.until(moves_on)
            written(runtime, *islice(numbers, chance.randrange(20)))
            worker.kill()
    with start() as worker:
        worker.until(lambda: caught_up(runtime))
        assert worker.terminate() == 0

    live = contents(runtime.database)
    rewind(runtime.database)
    settle(runtime)

    assert contents(runtime.database) == live
    assert len(live["stock_movements"]) == 2 * len(live["inventory"])
