"""How a command is carried out: load, decide, save together, try again on a lost race."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from typing import Any, Protocol, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec

from domain.kernel import A, Aggregate, Recorded, Refused, Taken, next_instant

ATTEMPTS_MAX = 12
BACKOFF_SECONDS = 0.004
BACKOFF_MAX_SECONDS = 0.25

NEW_ID, RUNNING_NUMBER = "new_id", "running_number"
ODOMETER_UNIT, PASSWORD_HASH = "odometer_unit", "password_hash"
"""What is filled in outside, before the first attempt (see commands/fields.py)."""


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish. It may be refused; it has not happened.

    The first field names the aggregate the command is about. Fields marked as filled outside
    (`NewId`, `RunningNumber`, ...) are never sent by clients. A field `reason`, where a command
    has one, is recorded with its events.
    """


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An Idempotency-Key in its scope, and what was asked under it.

    `scope` is a digest of account, route and key; `fingerprint` one of the payload.
    """

    scope: bytes
    fingerprint: bytes


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


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """A refusal as it is kept under an idempotency key, to be given again."""

    kind: str
    message: str
    field: str | None = None
    missing: UUID | None = None
    noun: str | None = None
    current_version: int | None = None
    blocking: dict[str, list[UUID]] = {}


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


class KeyReused(Exception):
    """The idempotency key was used before, for another payload."""


class Collision(Exception):
    """This attempt lost a race (or its connection, before COMMIT): nothing was stored."""


class Conflict(Exception):
    """Others kept changing the same aggregates; the caller may try again."""


class Transaction(Protocol):
    """One attempt. Leaving it commits everything or, by an exception, nothing."""

    commit_id: UUID

    def claim_key(self, key: Key) -> bytes | None:
        """Take the key for this transaction, or give the answer it was used for.

        Waits while another transaction holds it. Raises `KeyReused` if the payload differs.
        """

    def answer(self, key: Key, outcome: bytes) -> None:
        """Keep the answer beside the key."""

    def load(self, kind: type[A], id: UUID) -> A:
        """The aggregate as it stands; blank (version 0) if it never was."""

    def claim_id(self, kind: str, value: str) -> UUID:
        """The id under which a unique value (already normalised) is claimed."""

    def append(self, events: Sequence[Recorded[Any]], after: Sequence[Aggregate[Any]]) -> None:
        """Store events; `after` are the aggregates that emitted them, for snapshots."""

    def forget(self, subject: UUID) -> None:
        """Destroy the key of a person's data when this transaction commits."""

    def set_password(self, account_id: UUID, password_hash: str) -> None:
        """Keep the hash beside the log, and end the account's other sessions."""


class Store(Protocol):
    def transaction(self) -> AbstractContextManager[Transaction]:
        """Raises `Collision` when the attempt must be made again, from the start.

        When it ends without an exception, what was appended is durable: a connection lost
        during COMMIT is resolved inside, never reported as a failure that was none.
        """


class Work:
    """The aggregates one command touches; saved together or not at all.

    A commit protects the versions only of aggregates that emitted: a rule that spans
    aggregates emits on each of them.
    """

    def __init__(
        self, command: Command, context: Context, transaction: Transaction, now: datetime
    ) -> None:
        self._command, self._context, self._transaction = command, context, transaction
        self._target: UUID = getattr(command, command.__struct_fields__[0])
        self._seen: dict[UUID, Aggregate[Any]] = {}
        self.now = now

    @property
    def actor(self) -> UUID | None:
        return self._context.actor

    @property
    def role(self) -> str:
        return self._context.role

    def find(self, kind: type[A], id: UUID) -> A:
        """The aggregate as this work sees it; blank if it never was."""
        if id not in self._seen:
            self._seen[id] = self._transaction.load(kind, id)
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

    def claim_id(self, kind: str, value: str) -> UUID:
        return self._transaction.claim_id(kind, value)

    def forget(self, subject: UUID) -> None:
        self._transaction.forget(subject)

    def set_password(self, account_id: UUID, password_hash: str) -> None:
        self._transaction.set_password(account_id, password_hash)

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


_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], Receipt | Refusal] = msgspec.json.Decoder(Receipt | Refusal).decode


def execute(
    command: Command,
    context: Context,
    *,
    store: Store,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
) -> Receipt:
    """Carry out a command: one transaction, made again from the start after a lost race.

    Raises `Refused` (and its kinds) when a rule says no, `KeyReused`, and `Conflict` after
    ATTEMPTS_MAX lost races. A refusal under an idempotency key is an answer and is committed
    with the key, so that a retry hears the same.
    """
    for attempt in range(ATTEMPTS_MAX):
        if attempt:
            ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2**attempt)
            sleep(random.uniform(0, ceiling))
        try:
            with store.transaction() as transaction:
                outcome = _attempt(command, context, transaction, clock())
        except Collision:
            continue
        if isinstance(outcome, Refusal):
            raise _retold(outcome)
        return outcome
    raise Conflict(f"others kept changing the same things; tried {ATTEMPTS_MAX} times")


def _attempt(
    command: Command, context: Context, transaction: Transaction, now: datetime
) -> Receipt | Refusal:
    key = context.key
    if key and (stored := transaction.claim_key(key)) is not None:
        return _decode(stored)
    work = Work(command, context, transaction, now)
    outcome: Receipt | Refusal
    try:
        _handlers[type(command)](command, work)
        outcome = work.commit()
    except Refused as refused:
        if not key:
            raise
        outcome = _kept(refused)
    if key:
        transaction.answer(key, _encode(outcome))
    return outcome


def _kept(refused: Refused) -> Refusal:
    return Refusal(
        kind=type(refused).__name__,
        message=str(refused),
        blocking=refused.blocking,
        field=getattr(refused, "field", None),
        noun=getattr(refused, "noun", None),
        missing=getattr(refused, "id", None),
        current_version=getattr(refused, "current", None),
    )


def _retold(refusal: Refusal) -> Refused:
    match refusal:
        case Refusal(kind="Taken", field=str(field)):
            return Taken(field)
        case Refusal(kind="NotFound", noun=str(noun), missing=UUID() as missing):
            return NotFound(noun, missing)
        case Refusal(kind="VersionMismatch", current_version=int(current)):
            return VersionMismatch(current)
        case _:
            return Refused(refusal.message, blocking=refusal.blocking)
