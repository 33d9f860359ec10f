"""What the write side asks of its store: transactions that hold everything or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain.kernel import A, Aggregate, Recorded


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An Idempotency-Key in its scope, and what was asked under it.

    `scope` is a digest of account, route and key; `fingerprint` one of the payload.
    """

    scope: bytes
    fingerprint: bytes


class KeyReused(Exception):
    """The idempotency key was used before, for another payload."""


class Collision(Exception):
    """This attempt lost a race (or its connection, before COMMIT): nothing was stored."""


class Transaction(Protocol):
    """One attempt. Leaving it commits everything or, by an exception, nothing."""

    commit_id: UUID

    def claim_key(self, key: Key) -> bytes | None:
        """Take the key for this transaction, or give the answer it was used for.

        Waits while another transaction holds it. Raises `KeyReused` if the payload differs.
        """

    def answer(self, key: Key, outcome: bytes) -> None:
        """Keep the answer beside the key."""

    def queue(self, ids: Sequence[UUID]) -> None:
        """After a lost race: wait for the others who lost one for these aggregates, and make
        later ones wait for this transaction. Whoever has not lost one waits for nobody.
        """

    def load(self, kind: type[A], id: UUID) -> A:
        """The aggregate as it stands; blank (version 0) if it never was."""

    def load_all(self, wanted: Sequence[tuple[type[Aggregate[Any]], UUID]]) -> list[Aggregate[Any]]:
        """Several at once, for the price of one."""

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
