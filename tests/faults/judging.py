"""What the shoppers were told, held against what is in the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.inventory import StockIssued, StockReceived, StockReturned
from domain.kernel import Recorded
from infrastructure.runtime import Runtime
from tests.faults.shoppers import Write

PAGE = 1000
SIGN: dict[type[Any], int] = {StockReceived: 1, StockReturned: 1, StockIssued: -1}


@dataclass
class Verdict:
    """`lost`: acknowledged and not there. `wrong`: there twice, there although it was refused,
    or stock that its movements do not explain."""

    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def log_of(runtime: Runtime) -> list[Recorded[Any]]:
    """Every event there is, in the order of the feed."""
    while runtime.sequencer.step():
        continue
    found = list[Recorded[Any]]()
    while entries := runtime.feed.read(len(found), PAGE):
        found += runtime.feed.decode(entries)
    return found


def judge(writes: Iterable[Write], log: Sequence[Recorded[Any]]) -> Verdict:
    verdict = Verdict()
    topics = defaultdict[str, list[str]](list)
    for recorded in log:
        topics[recorded.correlation_id].append(type(recorded.event).__struct_config__.tag)
    for write in writes:
        found = topics.get(write.request_id, [])
        effects = found.count(write.topic)
        if write.done and effects == 0:
            verdict.lost.append(f"{write.topic} of {write.request_id} was acknowledged")
        elif write.done and effects > 1:
            verdict.wrong.append(f"{write.topic} of {write.request_id} is there {effects} times")
        elif not write.done and found:
            verdict.wrong.append(f"{write.request_id} was refused ({write.status}): {found}")
    verdict.wrong += unexplained(log) + backwards(log)
    return verdict


def unexplained(log: Iterable[Recorded[Any]]) -> list[str]:
    """Movements that do not lead from what was on the shelf to what was then."""
    shelf, found = defaultdict[UUID, int](int), list[str]()
    for recorded in log:
        if (sign := SIGN.get(type(recorded.event))) is None:
            continue
        expected = shelf[recorded.originator_id] + sign * recorded.event.quantity
        on_hand = shelf[recorded.originator_id] = recorded.event.quantity_on_hand
        if on_hand != expected or on_hand < 0:
            found.append(f"{recorded.originator_id}: {on_hand} on hand where {expected} are left")
    return found


def backwards(log: Iterable[Recorded[Any]]) -> list[str]:
    """Events recorded no later than the one before them in their stream."""
    last, found = dict[UUID, datetime](), list[str]()
    for recorded in log:
        before = last.get(recorded.originator_id)
        if before is not None and recorded.recorded_at <= before:
            found.append(f"{recorded.originator_id}: {recorded.recorded_at} after {before}")
        last[recorded.originator_id] = recorded.recorded_at
    return found


def shelves(log: Iterable[Recorded[Any]]) -> dict[UUID, int]:
    """What lies there in the end, by item."""
    moved = (each for each in log if type(each.event) in SIGN)
    return {each.originator_id: each.event.quantity_on_hand for each in moved}
