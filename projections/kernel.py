"""One idea carries live views, rebuilds and audit: a fold over one stream.

The state of a stream is a struct and a pure function `evolve(state | None, recorded)`; a
pure function `rows(state)` says what the stream shows in the read model. Live, rebuilt, or
as of any version: the same two functions over the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from domain.kernel import BrokenHistory, Recorded

Row = tuple[str, dict[str, Any]]
"""A table's name, and all of a row's columns."""

KEPT_EVERY = 1_000
CHUNK = 1_000
"""Events of one stream in memory at once."""

S = TypeVar("S")


def no_entries(state: Any, recorded: Recorded[Any]) -> Iterator[Row]:
    return iter(())


def kept_state(state: Any, recorded: Recorded[Any]) -> Iterator[Row]:
    """A ledger line with every KEPT_EVERY-th state. Never of a person: it outlives erasure."""
    if recorded.originator_version % KEPT_EVERY == 0:
        yield (
            "kept_states",
            dict(
                id=recorded.originator_id,
                version=recorded.originator_version,
                recorded_at=recorded.recorded_at,
                state=msgspec.json.encode(state),
            ),
        )


@dataclass(frozen=True)
class Fold(Generic[S]):
    """How one kind of stream is shown.

    `kind` is what its events' tags begin with. `rows` depends on the state alone and its first
    row is the resource itself (`id`, `version`, `owner_id`, `body`). `entries` are ledger
    lines: rows that one event adds and no later event changes. With `keeps_states` every so
    many states are among them, from which the past of a long stream is read. `erasure` is the
    tag of the event after which nothing personal may be shown, not even of a stream that is
    parked.
    """

    kind: str
    state: type[S]
    evolve: Callable[[S | None, Recorded[Any]], S]
    rows: Callable[[S], Iterator[Row]]
    entries: Callable[[S, Recorded[Any]], Iterator[Row]] = no_entries
    erasure: str | None = None
    keeps_states: bool = False

    @cached_property
    def decode(self) -> Callable[[bytes], S]:
        """A state that was stored."""
        return msgspec.json.Decoder(self.state).decode


class Seen(msgspec.Struct, kw_only=True):
    """What every resource shows of its own history."""

    id: UUID
    version: int
    created_at: datetime
    updated_at: datetime


def first(recorded: Recorded[Any]) -> dict[str, Any]:
    """The fields of `Seen` after a stream's first event."""
    at = recorded.recorded_at
    return dict(id=recorded.originator_id, version=1, created_at=at, updated_at=at)


V = TypeVar("V", bound=Seen)


def changed(view: V | None, recorded: Recorded[Any], **changes: Any) -> V:
    """The view after an event that is not its first."""
    if view is None:
        # By its name alone: this is logged and kept, and an event may hold personal text.
        name = type(recorded.event).__name__
        raise BrokenHistory(f"{recorded.originator_id} begins with {name}")
    return msgspec.structs.replace(
        view,
        version=recorded.originator_version,
        updated_at=recorded.recorded_at,
        **changes,
    )


class OtherFolds(Exception):
    """The generation is built by folds that are not those of this release: not to be written."""

    def __init__(self, generation: int) -> None:
        super().__init__(
            f"generation {generation} of the views is built by the folds of another release; this "
            "one does not write there. If this release is the newer one, run `mechanic-shop "
            "migrate`, which builds its own; if not, stop this process"
        )


class Unreadable(Exception):
    """A stored event whose bytes make no event; `topic` is what it is stored under."""

    topic: str


class Connections(Protocol):
    """How the read side reaches its database."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection on which every statement stands for itself."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """A transaction, committed at the end."""

    def write_last(self, statement: str, parameters: Any) -> None:
        """A write of the thread's transaction, of one row (a tuple) or many (a list of them),
        that goes with the COMMIT: what is wrong with it may be said there."""


class FeedEntry(Protocol):
    """An event in its place in the feed, not yet decoded."""

    @property
    def position(self) -> int: ...
    @property
    def originator_id(self) -> UUID: ...
    @property
    def originator_version(self) -> int: ...
    @property
    def topic(self) -> str: ...


E = TypeVar("E", bound=FeedEntry)


class Feed(Protocol[E]):
    """Every event there is, in one order without holes."""

    def read(self, after: int, limit: int) -> Sequence[E]:
        """Entries after that position, in order."""

    def decode(self, entries: Sequence[E]) -> list[Recorded[Any]]:
        """The events of the entries. Raises for the first one that cannot be read."""


class Events(Protocol):
    """Where streams are read from."""

    def events(
        self, id: UUID, *, gt: int = 0, lte: int | None = None, limit: int | None = None
    ) -> Sequence[Recorded[Any]]:
        """Events of one stream in order: versions above `gt`, up to and including `lte`, at
        most `limit`."""


class StreamEntry(Protocol):
    """A stored event in its stream; `position` is `None` while it is not sequenced."""

    @property
    def position(self) -> int | None: ...
    @property
    def originator_id(self) -> UUID: ...
    @property
    def originator_version(self) -> int: ...
    @property
    def topic(self) -> str: ...


P = TypeVar("P", bound=StreamEntry)


class Streams(Protocol[P]):
    """Every event there is, stream by stream."""

    def read(self, after: tuple[UUID, int], limit: int, *, until: UUID) -> Sequence[P]:
        """The events that follow that one, by stream and version, up to the end of `until`."""

    def decode(self, entries: Sequence[P]) -> list[Recorded[Any]]:
        """The events of the entries. Raises for the first one that cannot be read."""

    def count(self, id: UUID, *, first: int, position: int) -> int:
        """How many events a stream has from version `first` on, up to a position."""


def decoded(
    source: Feed[Any] | Streams[Any], entries: Sequence[Any]
) -> Sequence[Recorded[Any] | Exception]:
    """All at once; where that fails each by itself, so that one bad event is one error."""
    try:
        return source.decode(entries)
    except DBAPIError:
        raise
    except Exception as error:
        return [error] if len(entries) == 1 else [decoded(source, [e])[0] for e in entries]


def tag(recorded: Recorded[Any]) -> str:
    return str(recorded.event.__struct_config__.tag)
