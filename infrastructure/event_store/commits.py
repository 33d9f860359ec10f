"""Which events a commit holds, in few bytes, and the order in which commits may be sequenced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import NamedTuple, cast
from uuid import UUID

from eventsourcing.persistence import StoredEvent

_run = Struct(">16sII")

Place = tuple[bytes, int]
"""One event: the bytes of its originator's id, and its version."""


class Run(NamedTuple):
    """Events of one originator with versions that follow one another."""

    originator: bytes
    first: int
    length: int

    @property
    def last(self) -> Place:
        return self.originator, self.first + self.length - 1

    @property
    def before(self) -> Place | None:
        """The event that must have been sequenced earlier.

        Streams begin at version 1; those of the library's own tests at 0.
        """
        return (self.originator, self.first - 1) if self.first > 1 else None


class Commit(NamedTuple):
    """A row of `pending`."""

    id: int
    runs: tuple[Run, ...]

    @property
    def places(self) -> Iterator[Place]:
        for run in self.runs:
            for version in range(run.first, run.first + run.length):
                yield run.originator, version


def encode_runs(stored_events: Iterable[StoredEvent]) -> bytes:
    """The keys of a commit's events, in the order in which the feed will show them."""
    runs: list[Run] = []
    for stored in stored_events:
        originator = cast(UUID, stored.originator_id).bytes
        version = stored.originator_version
        if runs and runs[-1].last == (originator, version - 1):
            runs[-1] = runs[-1]._replace(length=runs[-1].length + 1)
        else:
            runs.append(Run(originator, version, 1))
    return b"".join(_run.pack(*run) for run in runs)


def decode_runs(encoded: bytes) -> tuple[Run, ...]:
    return tuple(Run(*fields) for fields in _run.iter_unpack(encoded))


def predecessors(commits: Iterable[Commit]) -> list[Place]:
    """The events outside these commits that they continue: the feed may hold them or not."""
    runs = [run for commit in commits for run in commit.runs]
    inside = {run.last for run in runs}
    wanted = {run.before: None for run in runs if run.before and run.before not in inside}
    return list(wanted)


def in_order(commits: Sequence[Commit], sequenced: Iterable[Place]) -> list[Commit]:
    """The commits that may be sequenced now, each after those whose aggregates it continues.

    Ids alone do not tell: on a cluster that writes on several nodes a later commit may have
    the lower id, and may be seen earlier.
    """
    done, ordered, waiting = set(sequenced), list[Commit](), list(commits)
    while True:
        blocked = []
        for commit in waiting:
            own = set[Place]()
            if all(_follows(run, done, own) for run in commit.runs):
                done |= own
                ordered.append(commit)
            else:
                blocked.append(commit)
        if not blocked or len(blocked) == len(waiting):
            return ordered
        waiting = blocked


def _follows(run: Run, done: set[Place], own: set[Place]) -> bool:
    own.add(run.last)
    return run.before is None or run.before in done or run.before in own
