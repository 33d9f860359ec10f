"""How a command is carried out: load, decide, save together, try again on a lost race."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import msgspec

from commands.kernel import (
    Command,
    Context,
    NotFound,
    Receipt,
    VersionMismatch,
    Work,
    handler_of,
)
from commands.store import Collision, Store, Transaction
from domain.kernel import Refused, Taken

ATTEMPTS_MAX = 12
BACKOFF_SECONDS = 0.004
BACKOFF_MAX_SECONDS = 0.25
ATTEMPTS_SECONDS_MAX = 10.0
"""Whoever waits seconds for another's lock each time is not made to wait twelve times."""


class Conflict(Exception):
    """Others kept changing the same aggregates; the caller may try again."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """A refusal as it is kept under an idempotency key, to be given again."""

    kind: str
    message: str
    field: str | None = None
    missing: UUID | None = None
    noun: str | None = None
    current_version: int | None = None
    blocking: dict[str, list[UUID]] = {}


_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], Receipt | Refusal] = msgspec.json.Decoder(Receipt | Refusal).decode


def execute(
    command: Command,
    context: Context,
    *,
    store: Store,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
    retried: Callable[[], object] = lambda: None,
) -> Receipt:
    """Carry out a command: one transaction, made again from the start after a lost race.

    Raises `Refused` (and its kinds) when a rule says no, `KeyReused`, and `Conflict` after
    ATTEMPTS_MAX lost races, or as many as ATTEMPTS_SECONDS_MAX hold. A refusal under an
    idempotency key is an answer and is committed with the key, so that a retry hears the same.
    `retried` hears of each lost race.
    """
    contended: list[UUID] = []
    until = time.monotonic() + ATTEMPTS_SECONDS_MAX
    tried = 0
    while tried < ATTEMPTS_MAX and time.monotonic() < until:
        if tried:
            retried()
            ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2**tried)
            sleep(random.uniform(0, ceiling))
        tried += 1
        try:
            with store.transaction() as transaction:
                outcome = _attempt(command, context, transaction, clock(), contended)
        except Collision:
            continue
        if isinstance(outcome, Refusal):
            raise _retold(outcome)
        return outcome
    raise Conflict(f"others kept changing the same things; tried {tried} times")


def _attempt(
    command: Command,
    context: Context,
    transaction: Transaction,
    now: datetime,
    contended: list[UUID],
) -> Receipt | Refusal:
    """`contended`: what the attempt before wanted to change; afterwards, what this one does."""
    key = context.key
    if key and (stored := transaction.claim_key(key)) is not None:
        return _decode(stored)
    if contended:
        transaction.queue(contended)
    work = Work(command, context, transaction, now, again=bool(contended))
    outcome: Receipt | Refusal
    try:
        handler_of(command)(command, work)
        contended[:] = work.changed_ids()
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
