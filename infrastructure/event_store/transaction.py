"""One attempt at a command, inside one database transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast
from uuid import UUID, uuid4

from sqlalchemy import Connection, delete
from sqlalchemy.dialects import mysql

from commands.store import Collision, Key
from domain.kernel import A, Aggregate, Recorded
from infrastructure.database import Database
from infrastructure.event_store.application import EventApplication
from infrastructure.event_store.idempotency import IdempotencyKeys
from infrastructure.event_store.keyring import Forgotten, KeyRing
from infrastructure.event_store.loading import Loader
from infrastructure.event_store.snapshots import Snapshots
from infrastructure.event_store.tables import contended
from infrastructure.export_tables import exports


class Passwords(Protocol):
    def set_password(self, account_id: UUID, password_hash: str) -> None:
        """Keep the hash, and end the account's sessions; joins the current transaction."""


class StoreTransaction:
    """Everything in it joins the thread's current database transaction.

    Round trips on MySQL: one for all aggregates that are loaded together (with the keys of
    personal data), one for the events, the row that asks for their positions and COMMIT. An
    idempotency key costs one more (its answer goes with COMMIT), a due snapshot two, a lost
    race one.
    """

    def __init__(
        self,
        database: Database,
        application: EventApplication,
        loader: Loader,
        snapshots: Snapshots,
        keys: IdempotencyKeys,
        keyring: KeyRing,
        passwords: Passwords,
    ) -> None:
        self.commit_id = uuid4()
        self.appended: Recorded[Any] | None = None
        """The first event of the commit."""
        self._database = database
        self._application, self._loader = application, loader
        self._snapshots, self._keys = snapshots, keys
        self._keyring, self._passwords = keyring, passwords
        self._snapshot_versions: dict[UUID, int] = {}

    def claim_key(self, key: Key) -> bytes | None:
        return self._keys.claim(key)

    def answer(self, key: Key, outcome: bytes) -> None:
        self._keys.answer(key, outcome)

    def queue(self, ids: Sequence[UUID]) -> None:
        with self._database.transaction() as connection:
            queue_at(connection, ids)

    def load(self, kind: type[A], id: UUID) -> A:
        [aggregate] = self.load_all([(kind, id)])
        return cast(A, aggregate)

    def load_all(self, wanted: Sequence[tuple[type[Aggregate[Any]], UUID]]) -> list[Aggregate[Any]]:
        loaded = self._loader.load(wanted)
        for aggregate, snapshot_version in loaded:
            self._snapshot_versions[aggregate.id] = snapshot_version
        return [each.aggregate for each in loaded]

    def claim_id(self, kind: str, value: str) -> UUID:
        return self._keyring.claim_id(kind, value)

    def append(self, events: Sequence[Recorded[Any]], after: Sequence[Aggregate[Any]]) -> None:
        self.appended = self.appended or events[0]
        try:
            self._application.events.put(events, commit_id=self.commit_id)
        except Forgotten as forgotten:
            # The person was erased after being loaded here; the next attempt will see it.
            raise Collision(str(forgotten)) from forgotten
        for aggregate in after:
            every = aggregate.snapshot_every
            last = self._snapshot_versions.get(aggregate.id, 0)
            # Counted from the last usable one: a class that changed has snapshots again with
            # its next event, not after a hundred full replays.
            if every is not None and aggregate.version - last >= every:
                self._snapshots.take(aggregate)
                self._loader.forget(type(aggregate), aggregate.id)
                self._snapshot_versions[aggregate.id] = aggregate.version

    def forget(self, subject: UUID) -> None:
        self._keyring.forget(subject)
        with self._database.transaction() as connection:
            connection.execute(_tell_of_persons)

    def set_password(self, account_id: UUID, password_hash: str) -> None:
        self._passwords.set_password(account_id, password_hash)


def queue_at(connection: Connection, ids: Sequence[UUID]) -> None:
    """Wait for the transactions that are at one of these, and be the one the next waits for."""
    # SQLite has one writer at a time: whoever is here has waited already. Elsewhere the
    # upsert locks the rows until this transaction ends.
    if connection.dialect.name != "sqlite":
        connection.execute(_queue, [dict(originator_id=id) for id in ids])


_tell_of_persons = delete(exports).where(exports.c.personal)
_queue = mysql.insert(contended).on_duplicate_key_update(originator_id=contended.c.originator_id)
