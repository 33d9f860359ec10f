"""The worker that makes exports, as a process: woken, killed, asked to stop."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from cli.accounts import create
from domain.account import Role
from domain.kernel import Event
from infrastructure.export_tables import exports
from infrastructure.exporting import ALIVE
from infrastructure.exports import Export, Kind, Wanted
from infrastructure.runtime import Runtime
from tests import builders as b
from tests.process import Process
from tests.projections.views import record, settle

ITEMS, MOVEMENTS = 30, 400
KILLS = int(os.environ.get("TORTURE_KILLS", 3))


@pytest.fixture
def start(settings: dict[str, str], tmp_path: Path) -> Callable[[], Process]:
    return lambda: Process("worker", "--queue", "exports", settings=settings, cwd=tmp_path)


@pytest.fixture
def moved(runtime: Runtime) -> Runtime:
    """A shop with thousands of movements."""
    received: list[Event] = [b.received()] * MOVEMENTS
    for n in range(1, ITEMS + 1):
        record(runtime.store, {UUID(int=n): [b.item_added(), *received]})
    settle(runtime)
    return runtime


def asked(runtime: Runtime, kind: Kind = "stock_movements", account: UUID | None = None) -> UUID:
    day = datetime.now(UTC).date()
    wanted = Wanted(kind=kind, first=day.replace(year=2020, day=1), last=day, format="ndjson")
    return runtime.exports.ask(account or uuid4(), Role.ADMIN, wanted, None)


def found(runtime: Runtime, id: UUID) -> Export:
    export = runtime.exports.find(id)
    assert export is not None
    return export


def data_of(runtime: Runtime, export: Export) -> bytes:
    assert export.file is not None
    data, number = b"", 0
    while (chunk := runtime.exports.chunk(export.file, number)) is not None:
        data, number = data + chunk, number + 1
    return data


def unheard(runtime: Runtime) -> None:
    """Whoever was at work has not been heard of for long."""
    with runtime.database.transaction() as connection:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        connection.execute(update(exports).values(seen_at=long_ago))


def is_whole(runtime: Runtime, export: Export) -> bool:
    data = data_of(runtime, export)
    rows = [json.loads(line) for line in data.splitlines()]
    assert len({(row["inventory_id"], row["version"]) for row in rows}) == len(rows)
    return (len(rows), len(data), sha256(data).digest()) == (
        ITEMS * MOVEMENTS,
        export.size,
        export.sha256,
    )


def test_an_export_is_made_without_a_nudge(moved: Runtime, start: Callable[[], Process]) -> None:
    id = asked(moved)
    with start() as worker:
        worker.until(lambda: found(moved, id).status == "finished")

        assert worker.terminate() == 0

    assert is_whole(moved, found(moved, id))


def test_it_shows_that_it_lives_while_it_looks_for_work(
    moved: Runtime, settings: dict[str, str], tmp_path: Path
) -> None:
    alive = tmp_path / ALIVE
    given = settings | {"DATA_DIR": str(tmp_path)}
    with Process("worker", "--queue", "exports", settings=given, cwd=tmp_path) as worker:
        worker.until(alive.exists)
        for at_work in (False, True):
            alive.unlink()
            if at_work:
                asked(moved)
            worker.until(alive.exists)
        assert worker.terminate() == 0


def test_killed_in_the_middle_it_leaves_nothing_that_looks_whole(
    moved: Runtime, start: Callable[[], Process]
) -> None:
    id = asked(moved)
    with start() as worker:
        worker.until(lambda: found(moved, id).rows_done > 0)
        worker.kill()
    struck = found(moved, id)
    assert (struck.status, struck.size, struck.sha256) == ("running", None, None)
    unheard(moved)

    with start() as worker:
        worker.until(lambda: found(moved, id).status == "finished")
        assert worker.terminate() == 0

    assert is_whole(moved, found(moved, id))


def test_asked_to_stop_it_leaves_the_export_to_the_next(
    moved: Runtime, start: Callable[[], Process]
) -> None:
    id = asked(moved)
    with start() as worker:
        worker.until(lambda: found(moved, id).rows_done > 0)
        assert worker.terminate() == 0
    assert found(moved, id).status == "queued"

    with start() as worker:
        worker.until(lambda: found(moved, id).status == "finished")
        assert worker.terminate() == 0

    assert is_whole(moved, found(moved, id))
    assert "Traceback" not in worker.complained()


def test_killed_again_and_again_an_export_of_events_gets_to_its_end(
    moved: Runtime, start: Callable[[], Process]
) -> None:
    """Each goes on where the last chunk was kept: what is told never becomes less."""
    id = asked(moved, "events", create(moved, "admin@shop.example", "a password of 12", Role.ADMIN))
    chance, told, kills = random.Random(7), 0, 0
    while kills < KILLS and found(moved, id).status != "finished":
        with start() as worker:
            worker.until(lambda told=told: found(moved, id).rows_done > told)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.05))
            worker.kill()
            kills += 1
        assert found(moved, id).rows_done > told
        told = found(moved, id).rows_done
        unheard(moved)
    with start() as worker:
        worker.until(lambda: found(moved, id).status == "finished")
        assert worker.terminate() == 0
    assert kills > 1

    export = found(moved, id)
    data = data_of(moved, export)
    events = [json.loads(line) for line in data.splitlines()]
    assert export.position is not None
    assert [int(event["sequence"]) for event in events] == list(range(1, export.position + 1))
    assert (export.size, export.sha256) == (len(data), sha256(data).digest())
    assert export.position > ITEMS * MOVEMENTS
