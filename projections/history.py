"""The past of one stream, folded from its events: any version, any moment, every change.

The folds are those of the live views, so a version reads byte for byte as it was served.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from projections.cache import Entry
from projections.kernel import Fold


class Events(Protocol):
    """Where streams are read from."""

    def events(self, id: UUID, *, gt: int = 0, lte: int | None = None) -> Sequence[Recorded[Any]]:
        """Events of one stream in order: versions above `gt`, up to and including `lte`."""


class Change(msgspec.Struct):
    """A field before and after an event."""

    before: Any
    after: Any


class Actor(msgspec.Struct):
    """Who did it: an account (null for the system itself), and its role at that time."""

    id: UUID | None
    role: str


class HistoryEntry(msgspec.Struct):
    """One event: what happened, when, by whom, under which request, and what it changed."""

    version: int
    type: str
    recorded_at: datetime
    actor: Actor
    command: str
    request_id: str
    reason: str | None
    changes: dict[str, Change]


def at(fold: Fold[Any], events: Iterable[Recorded[Any]]) -> Entry | None:
    """The resource as these events leave it; `None` if there are none of its kind."""
    state = None
    for recorded in events:
        if not tag(recorded).startswith(f"{fold.kind}."):
            return None
        state = fold.evolve(state, recorded)
    if state is None:
        return None
    _, row = next(fold.rows(state))
    return Entry(0, row["version"], row["owner_id"], row["body"])


def tag(recorded: Recorded[Any]) -> str:
    return str(recorded.event.__struct_config__.tag)


def until(events: Iterable[Recorded[Any]], moment: datetime) -> Iterable[Recorded[Any]]:
    """The events recorded at that moment or before."""
    return takewhile(lambda recorded: recorded.recorded_at <= moment, events)


def history(fold: Fold[Any], events: Iterable[Recorded[Any]]) -> list[HistoryEntry]:
    """Every event with what it changed in the resource; nothing if it is of another kind."""
    entries, state, before = [], None, dict[str, Any]()
    for recorded in events:
        if not tag(recorded).startswith(f"{fold.kind}."):
            return []
        state = fold.evolve(state, recorded)
        _, row = next(fold.rows(state))
        after = msgspec.json.decode(row["body"])
        changes = {
            name: Change(before.get(name), value)
            for name, value in after.items()
            if before.get(name) != value and name not in ("version", "updated_at")
        }
        entries.append(
            HistoryEntry(
                version=recorded.originator_version,
                type=tag(recorded),
                recorded_at=recorded.recorded_at,
                actor=Actor(recorded.actor, recorded.role),
                command=recorded.command,
                request_id=recorded.correlation_id,
                reason=recorded.reason,
                changes=changes,
            )
        )
        before = after
    return entries
