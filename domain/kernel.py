"""The words every aggregate shares: an event, its record, an aggregate, a refusal.

Nothing here does I/O, reads a clock, draws a random number or knows a framework: time,
ids, running numbers and the actor come from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

PERSONAL = "personal"
Personal = Annotated[str | None, msgspec.Meta(extra={PERSONAL: True})]
"""Text about a person. The store keeps it encrypted under a key of that person's own (the
subject is the aggregate the event belongs to); once the key is destroyed it reads `None`."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A fact about one aggregate. Its tag is its name in the store, for ever.

    Events carry outcomes (the quantity on hand afterwards, the new total), so that whoever
    folds them sets values and never adds up. A changed meaning is a new tag; a new field
    has a default.
    """


E = TypeVar("E", bound=Event)


class Recorded(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """An event in its place in history: whose, which one, when, by whom, why.

    `originator_version` counts from 1 without holes. `recorded_at` is UTC and strictly
    increases within an aggregate. `actor` is an account id, or `None` for the system itself;
    `role` is the actor's role at that moment; `correlation_id` is the id of the request.
    """

    originator_id: UUID
    originator_version: int
    recorded_at: datetime
    actor: UUID | None
    role: str
    command: str
    correlation_id: str
    reason: str | None = None
    event: E


class Refused(Exception):
    """A rule of the shop says no; nothing happened. The message states rule and state."""

    def __init__(self, message: str, *, blocking: Mapping[str, Iterable[UUID]] | None = None):
        super().__init__(message)
        self.blocking = {name: list(ids) for name, ids in (blocking or {}).items()}
        """What stands in the way, by kind: `{"tickets": [...]}`."""


class Taken(Refused):
    """A value that must be unique belongs to another."""

    def __init__(self, field: str) -> None:
        super().__init__(f"this {field} is taken")
        self.field = field


class BrokenHistory(Exception):
    """Events are missing, doubled or out of order: a bug, not a thing to be lived with."""


class Aggregate(msgspec.Struct, Generic[E], kw_only=True):
    """What a stream of events amounts to, as far as its rules need to know."""

    noun: ClassVar[str] = ""
    """How messages and problem details call it: "ticket", "inventory item"."""
    stream: ClassVar[str] = ""
    """What its tags begin with: "ticket", "inventory"."""
    snapshot_every: ClassVar[int | None] = None
    """Events between snapshots; `None` where streams stay short."""

    id: UUID
    version: int = 0
    recorded_at: datetime | None = None
    emitted: list[E] = []

    def emit(self, event: E) -> None:
        """Let the event happen, and remember that it did."""
        self.apply(event)
        self.version += 1
        self.emitted.append(event)

    def apply(self, event: E) -> None:
        """Change state as the event says. Never refuses: the past is not negotiable."""
        raise TypeError(f"{type(self).__name__} does not say what {event} changes")


A = TypeVar("A", bound=Aggregate[Any])


def replay(aggregate: A, history: Iterable[Recorded[Any]]) -> A:
    """Bring a blank (or snapshotted) aggregate up to the end of the given history."""
    for recorded in history:
        if recorded.originator_version != aggregate.version + 1:
            raise BrokenHistory(
                f"version {recorded.originator_version} of {recorded.originator_id} "
                f"follows version {aggregate.version}"
            )
        aggregate.apply(recorded.event)
        aggregate.version = recorded.originator_version
        aggregate.recorded_at = recorded.recorded_at
    return aggregate


def next_instant(now: datetime, last: datetime | None) -> datetime:
    """The moment to record: now, or just after the last one if the clock stepped back."""
    return now if last is None or now > last else last + timedelta(microseconds=1)
