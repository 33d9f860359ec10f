"""`python -m benchmarks.audit`: what the transparency log costs, and how fast its proofs are."""

from __future__ import annotations

import json
import random
import sys
import time
from binascii import a2b_base64
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from statistics import median
from typing import Any
from uuid import UUID

import msgspec

from benchmarks.append import CONTEXT
from benchmarks.measure import size, table, write_section
from benchmarks.servers import Subject, runtime_on, subject
from cli.demo import Size, seed
from domain.inventory import StockReceived
from domain.kernel import Event, Recorded
from infrastructure.event_store.recorder import EventRecorder
from infrastructure.ids import uuid7
from infrastructure.runtime import Runtime
from infrastructure.transparency.checking import check
from infrastructure.transparency.log import BATCH
from infrastructure.transparency.merkle import inclusion
from infrastructure.transparency.verifier import verify_bundle
from projections.runner import BATCH_MAX
from tests.builders import ticket_changed, ticket_opened

CHUNK = 1000
TICKET_EVENTS = 1000
YEAR = Size(customers=240, vehicles=360, mechanics=8, parts=60, tickets=1200)
GOALS = """\
Goals: growing the log under 10 % of what the views cost, evidence of 1,000 events under 1 s,
100,000 events verified per second. Beside verifying stands what the standard library alone needs
for the same bytes: JSON, base64 and as many hashes, with nothing done to what comes of it."""


def main() -> int:
    with subject() as measured:
        measure(measured)
    return 0


def measure(subject: Subject) -> None:
    subject.durable(False)
    parts = [_growing(subject), _proofs(subject), GOALS]
    write_section(f"Transparency log, {subject.name}", subject.version, parts, make="bench-audit")


def _growing(subject: Subject) -> str:
    """Views and log follow the same feed in turns, in batches of what a worker takes at once."""
    runtime = runtime_on(subject.prepared("growing"))
    seed(runtime, YEAR, by=None)
    while runtime.sequencer.step():
        continue
    events, live = runtime.feed.position(), runtime.generations.live()
    # Neither pays for its first connection or statement.
    runtime.runner.step(live, BATCH)
    runtime.transparency_log.extend(BATCH)
    events = (events - BATCH) // BATCH * BATCH
    shown = logged = 0.0
    for _ in range(0, events, BATCH):
        for _ in range(0, BATCH, BATCH_MAX):
            shown += _seconds(lambda: runtime.runner.step(live, BATCH_MAX))
        logged += _seconds(lambda: runtime.transparency_log.extend(BATCH))
    runtime.close()
    microseconds = 1e6 / events
    rows = [
        ["the views", shown * microseconds, events / shown, 1.0],
        ["the log", logged * microseconds, events / logged, logged / shown],
    ]
    headers = (
        f"{events:,} events of a year, views {BATCH_MAX} at a time, log {BATCH:,}",
        "µs/event",
        "events/s",
        "ratio",
    )
    return table(headers, rows)


def _proofs(subject: Subject) -> str:
    runtime = runtime_on(subject.prepared("proofs"))
    events, ticket = int(size("AUDIT_EVENTS", 100_000)), uuid7()
    _fill(runtime, ticket, events)
    growing = _seconds(lambda: _catch_up(runtime))
    log = runtime.transparency_log
    total = log.head().size
    proofs = [_proof(runtime, total) for _ in range(200)]
    bundles = [_timed(lambda: _bundle(runtime, ticket)) for _ in range(5)]
    data = bundles[0][1]
    told = json.loads(data)
    nodes = _nodes([event["position"] - 1 for event in told["events"]], total)
    verified = floor = float("inf")
    for _ in range(15):
        verified, floor = min(verified, _verifying(data)), min(floor, _reading(data, nodes))
    checked, found = _timed(lambda: check(runtime.database))
    assert not [one for one in found.faults if one.position is not None]
    count = len(told["events"])
    rows: list[list[object]] = [
        ["put them all into the log, events/s", total / growing],
        ["one inclusion proof, ms", 1000 * median(seconds for seconds, _ in proofs)],
        ["its size, hashes of 32 bytes", max(length for _, length in proofs)],
        [f"evidence of a ticket of {count:,} events, s", median(s for s, _ in bundles)],
        ["its size, KiB", len(data) / 1024],
        ["verified offline, events/s on one core", count / verified],
        ["the same bytes read and hashed, nothing more", count / floor],
        ["`audit check`, events/s", total / checked],
    ]
    runtime.close()
    return table((f"a log of {total:,} events", "measured"), rows)


def _proof(runtime: Runtime, total: int) -> tuple[float, int]:
    spans = inclusion([random.randrange(total)], total)

    def prove() -> list[bytes]:
        hashes = runtime.transparency_log.hashes(spans)
        return [hashes.of(span) for span in spans]

    seconds, proof = _timed(prove)
    return seconds, len(proof)


def _bundle(runtime: Runtime, ticket: UUID) -> bytes:
    found = runtime.evidence.of_ticket(ticket)
    assert found is not None
    return msgspec.json.encode(found[0])


def _verifying(data: bytes) -> float:
    """Of the processor's time: nothing is waited for."""
    start = time.process_time()
    verdict = verify_bundle(data)
    assert not verdict.faults, verdict
    return time.process_time() - start


def _reading(data: bytes, nodes: int) -> float:
    start = time.process_time()
    for event in json.loads(data)["events"]:
        sha256(sha256(a2b_base64(event["state"])).digest()).digest()
    node = bytes(65)
    for _ in range(nodes):
        sha256(node).digest()
    return time.process_time() - start


def _nodes(leaves: list[int], size: int) -> int:
    """So many are hashed on the ways of these leaves to the root."""
    levels = range(1, (size - 1).bit_length() + 1)
    return sum(len({leaf >> level for leaf in leaves}) for level in levels)


def _catch_up(runtime: Runtime) -> None:
    while runtime.transparency_log.extend():
        continue


def _fill(runtime: Runtime, ticket: UUID, events: int) -> None:
    """Streams of 1,000 movements stored as fast as possible, a ticket's events among them."""
    recorder = EventRecorder(runtime.database)
    mapper = runtime.store.application.mapper
    every = max(1, events // TICKET_EVENTS)
    version, chance = 0, random.Random(5)
    for start in range(0, events, CHUNK):
        stream = uuid7()
        past = [
            _recorded(stream, n, StockReceived(quantity=1, unit_cost_cents=1, quantity_on_hand=n))
            for n in range(1, CHUNK + 1)
        ]
        places = sorted(chance.randrange(CHUNK) for _ in range(start, start + CHUNK, every))
        for shift, place in enumerate(places[: TICKET_EVENTS - version]):
            version += 1
            event = ticket_opened() if version == 1 else ticket_changed()
            past.insert(place + shift, _recorded(ticket, version, event))
        recorder.insert_events([mapper.to_stored_event(each) for each in past])
        while runtime.sequencer.step():
            continue


def _recorded(id: UUID, version: int, event: Event) -> Recorded[Any]:
    return Recorded(
        originator_id=id,
        originator_version=version,
        recorded_at=datetime.now(UTC),
        actor=CONTEXT.actor,
        role=CONTEXT.role,
        command="Benchmark",
        correlation_id=CONTEXT.correlation_id,
        event=event,
    )


def _seconds(work: Callable[[], object]) -> float:
    return _timed(work)[0]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    sys.exit(main())
