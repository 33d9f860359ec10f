"""Replaying an aggregate, and what its age costs a command."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from benchmarks.append import CONTEXT, connect
from benchmarks.measure import interleave, size, table, write_section
from benchmarks.servers import Subject, runtime_on
from benchmarks.writers import Writers
from commands.tickets import IssuePart
from domain.inventory import InventoryItem, ItemAdded, StockReceived
from domain.kernel import Event, Recorded, replay
from infrastructure.ids import uuid7
from infrastructure.runtime import Runtime
from tests.builders import ticket_opened

CHUNK = 1000
YOUNG = 10
GOAL = 1.5
SELECT = """\
SELECT originator_id, originator_version, topic, state, recorded_at FROM events
WHERE originator_id = %s ORDER BY originator_version"""


def measure(subject: Subject, _: Writers) -> None:
    subject.durable(False)
    url = subject.prepared("replay")
    runtime, rounds = runtime_on(url), int(size("ROUNDS", 3))
    long = int(size("REPLAY_EVENTS", 1000))
    parts = [_replay(runtime, url, long, rounds), REPLAY_TEXT]
    old = int(size("MOVEMENTS", 100_000))
    parts += [_issue(runtime, old, int(size("ISSUES", 100))), ISSUE_TEXT]
    runtime.close()
    write_section(f"Replaying, {subject.name}", subject.version, parts)


REPLAY_TEXT = """\
The fold comes with decoding every event, whole records with actor and time, and checking that
versions follow one another. Most of it is the driver, which reads rows in Python; the rest is
shared by SQLAlchemy's row types, the decoder and the fold."""
ISSUE_TEXT = f"""\
`execute(IssuePart)` on a fresh ticket each time, from the old item or from one of the young, each
of which is asked once; COMMIT does not wait for the disk. The goal is at most {GOAL}. An item is
snapshotted every {InventoryItem.snapshot_every} events: what a command reads of the old one is a
snapshot and half as many events on average, and now and then it writes one."""


def _replay(runtime: Runtime, url: str, events: int, rounds: int) -> str:
    id = uuid7()
    fill(runtime, id, events)
    raw = connect(url, autocommit=True)

    def select() -> None:
        with raw.cursor() as cursor:
            cursor.execute(SELECT, (id.bytes,))
            assert len(cursor.fetchall()) == events

    def fold() -> None:
        assert replay(InventoryItem(id=id), runtime.store.events(id)).version == events

    with closing(raw):
        found = interleave({"raw": _timed(select), "fold": _timed(fold)}, 10 * rounds)
    headers = (f"{events:,} events of one item", "ms", "ratio")
    rows = [
        ["SELECT by the bare driver", found["raw"], 1.0],
        ["read, decoded, folded", found["fold"], found["fold"] / found["raw"]],
    ]
    return table(headers, rows)


def _issue(runtime: Runtime, old: int, issues: int) -> str:
    tickets = [_ticket(runtime) for _ in range(2 * issues + 1)]
    young_items = [uuid7() for _ in range(issues)]
    for item in young_items:
        fill(runtime, item, YOUNG)
    fill(runtime, old_item := uuid7(), old)

    def issue(item: UUID) -> None:
        line = dict(ticket_id=tickets.pop(), line_id=uuid7(), inventory_id=item)
        runtime.execute(IssuePart(**line, quantity=1), CONTEXT)

    # The first command after a past without snapshots takes one.
    issue(old_item)
    cases = {
        "young": _timed(lambda: issue(young_items.pop())),
        "old": _timed(lambda: issue(old_item)),
    }
    found = interleave(cases, issues)
    headers = ("a part put on a ticket, from an item with", "ms", "ratio")
    rows = [
        [f"{YOUNG} movements", found["young"], 1.0],
        [f"{old:,} movements", found["old"], found["old"] / found["young"]],
    ]
    return table(headers, rows)


def _timed(work: Callable[[], None]) -> Callable[[], float]:
    """Milliseconds."""

    def run() -> float:
        start = time.perf_counter()
        work()
        return 1000 * (time.perf_counter() - start)

    return run


def fill(runtime: Runtime, item: UUID, events: int) -> None:
    """An item of that many events, stored as fast as possible and without snapshots."""
    added = ItemAdded(
        part_number=str(item),
        name="A part",
        description=None,
        bin_location=None,
        reorder_point=0,
        unit_cost_cents=1000,
        unit_price_cents=1500,
    )
    for start in range(0, events, CHUNK):
        versions = range(start + 1, min(start + CHUNK, events) + 1)
        past = [
            StockReceived(quantity=1000, unit_cost_cents=1000, quantity_on_hand=1000 * version)
            for version in versions
        ]
        _store(runtime, item, versions, [added, *past[1:]] if start == 0 else past)


def _ticket(runtime: Runtime) -> UUID:
    _store(runtime, id := uuid7(), range(1, 2), [ticket_opened()])
    return id


def _store(runtime: Runtime, id: UUID, versions: Sequence[int], events: Sequence[Event]) -> None:
    recorded: list[Recorded[Any]] = [
        Recorded(
            originator_id=id,
            originator_version=version,
            recorded_at=datetime.now(UTC),
            actor=CONTEXT.actor,
            role=CONTEXT.role,
            command="Benchmark",
            correlation_id=CONTEXT.correlation_id,
            event=event,
        )
        for version, event in zip(versions, events, strict=True)
    ]
    with runtime.store.transaction() as transaction:
        transaction.append(recorded, [])
