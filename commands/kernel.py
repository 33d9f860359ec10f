"""The words of the write side: a command, its handler, the work it does, the receipt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec

from commands.store import Key, Transaction
from domain.kernel import A, Aggregate, Recorded, Refused, next_instant

NEW_ID, RUNNING_NUMBER = "new_id", "running_number"
ODOMETER_UNIT, PASSWORD_HASH = "odometer_unit", "password_hash"
"""What is filled in outside, before the first attempt (see commands/fields.py)."""


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish. It may be refused; it has not happened.

    The first field names the aggregate the command is about. Fields marked as filled outside
    (`NewId`, `RunningNumber`, ...) are never sent by clients. A field `reason`, where a command
    has one, is recorded with its events.
    """


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, under which request, on what condition."""

    actor: UUID | None
    role: str
    correlation_id: str
    expected_version: int | None = None
    key: Key | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True, tag="receipt"):
    """What was done: the resource, its version, and every version the commit made.

    `commit_id` is `None` when nothing had to change.
    """

    id: UUID
    version: int
    created: bool
    commit_id: UUID | None
    versions: dict[UUID, int]


class NotFound(Refused):
    """The command names something that does not exist."""

    def __init__(self, noun: str, id: UUID) -> None:
        super().__init__(f"no {noun} {id}")
        self.noun, self.id = noun, id


class VersionMismatch(Refused):
    """If-Match named another version than the current one."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the current version is {current}")
        self.current = current


B = TypeVar("B", bound=Aggregate[Any])


class Work:
    """The aggregates one command touches; saved together or not at all.

    A commit protects the versions only of aggregates that emitted: a rule that spans
    aggregates emits on each of them.
    """

    def __init__(
        self,
        command: Command,
        context: Context,
        transaction: Transaction,
        now: datetime,
        *,
        again: bool = False,
    ) -> None:
        self._command, self._context, self._transaction = command, context, transaction
        self._target: UUID = getattr(command, command.__struct_fields__[0])
        self._seen: dict[UUID, Aggregate[Any]] = {}
        self._again = again
        self.now = now

    @property
    def actor(self) -> UUID | None:
        return self._context.actor

    def find(self, kind: type[A], id: UUID) -> A:
        """The aggregate as this work sees it; blank if it never was."""
        self._look([(kind, id)])
        aggregate = self._seen[id]
        if not isinstance(aggregate, kind):
            raise NotFound(kind.noun, id)
        return aggregate

    def get(self, kind: type[A], id: UUID) -> A:
        """The aggregate as this work sees it. Raises `NotFound` if it never was, and
        `VersionMismatch` if it is the command's target and If-Match named another version.
        """
        aggregate = self.find(kind, id)
        if aggregate.version == 0:
            raise NotFound(kind.noun, id)
        expected = self._context.expected_version
        targeted = id == self._target and expected is not None and not aggregate.emitted
        if targeted and expected != aggregate.version:
            raise VersionMismatch(aggregate.version)
        return aggregate

    def both(self, one: tuple[type[A], UUID], other: tuple[type[B], UUID]) -> tuple[A, B]:
        """`get` of two at once: one round trip where two calls of it take two."""
        self._look([one, other])
        return self.get(*one), self.get(*other)

    def new(self, kind: type[A], id: UUID) -> A:
        """A blank one under an id made for it. If the id is in use after all, the commit
        meets that and the next attempt sees it.
        """
        if self._again:
            return self.find(kind, id)
        self._seen[id] = kind(id=id)
        return self.find(kind, id)

    def _look(self, wanted: Sequence[tuple[type[Aggregate[Any]], UUID]]) -> None:
        unseen: dict[UUID, type[Aggregate[Any]]] = {}
        for kind, id in wanted:
            if id not in self._seen:
                unseen.setdefault(id, kind)
        if unseen:
            loaded = self._transaction.load_all([(kind, id) for id, kind in unseen.items()])
            self._seen.update((aggregate.id, aggregate) for aggregate in loaded)

    def claim_id(self, kind: str, value: str) -> UUID:
        return self._transaction.claim_id(kind, value)

    def forget(self, subject: UUID) -> None:
        self._transaction.forget(subject)

    def set_password(self, account_id: UUID, password_hash: str) -> None:
        self._transaction.set_password(account_id, password_hash)

    def changed_ids(self) -> list[UUID]:
        """The aggregates that emitted, always in the same order whoever asks."""
        return sorted(aggregate.id for aggregate in self._seen.values() if aggregate.emitted)

    def commit(self) -> Receipt:
        emitted = [aggregate for aggregate in self._seen.values() if aggregate.emitted]
        events = [self._record(a, n) for a in emitted for n in range(len(a.emitted))]
        if events:
            self._transaction.append(events, emitted)
        created, version = created_id(self._command), self._seen[self._target].version
        return Receipt(
            id=created or self._target,
            version=version,
            created=created is not None,
            commit_id=self._transaction.commit_id if events else None,
            versions={a.id: a.version for a in emitted} or {self._target: version},
        )

    def _record(self, aggregate: Aggregate[Any], n: int) -> Recorded[Any]:
        at = next_instant(self.now, aggregate.recorded_at)
        aggregate.recorded_at = at
        return Recorded(
            originator_id=aggregate.id,
            originator_version=aggregate.version - len(aggregate.emitted) + 1 + n,
            recorded_at=at,
            actor=self._context.actor,
            role=self._context.role,
            command=type(self._command).__name__,
            correlation_id=self._context.correlation_id,
            reason=getattr(self._command, "reason", None),
            event=aggregate.emitted[n],
        )


C = TypeVar("C", bound=Command)
Handler = Callable[[C, Work], None]
_handlers: dict[type[Command], Callable[[Any, Work], None]] = {}


def handles(command: type[C]) -> Callable[[Handler[C]], Handler[C]]:
    """Register the one handler of a command. It must be pure over `Work`: it may run again."""

    def register(handler: Handler[C]) -> Handler[C]:
        if command in _handlers:
            raise TypeError(f"{command.__name__} has a handler already")
        _handlers[command] = handler
        return handler

    return register


def handler_of(command: Command) -> Callable[[Any, Work], None]:
    return _handlers[type(command)]


@cache
def outside_fields(command: type[Command]) -> dict[str, str]:
    """Which fields are filled outside, and with what: field -> NEW_ID, ..."""
    found: dict[str, str] = {}
    for name, hint in get_type_hints(command, include_extras=True).items():
        for part in (hint, *get_args(hint)):
            for meta in getattr(part, "__metadata__", ()):
                if outside := (getattr(meta, "extra", None) or {}).get("outside"):
                    found[name] = outside
    return found


def created_id(command: Command) -> UUID | None:
    """The id of what this command creates, if it creates something."""
    outside = outside_fields(type(command)).items()
    return next((getattr(command, name) for name, what in outside if what == NEW_ID), None)
