"""A store in memory: what `commands.store.Store` promises, and nothing behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid5

from commands.store import Collision, Key, KeyReused
from domain.kernel import A, Aggregate, Recorded, replay

_CLAIMS = UUID(int=0)


def claim_id(kind: str, value: str) -> UUID:
    return uuid5(_CLAIMS, f"{kind} {value}")


class MemoryStore:
    """`before_commit` is asked first thing in every commit, and may let others commit before."""

    def __init__(self) -> None:
        self.streams: dict[UUID, list[Recorded[Any]]] = {}
        self.answers: dict[bytes, tuple[Key, bytes]] = {}
        self.passwords: dict[UUID, str] = {}
        self.forgotten: set[UUID] = set()
        self.queued: list[list[UUID]] = []
        self.before_commit: Callable[[], None] = lambda: None
        self.transactions = self.commits = 0

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        self.transactions += 1
        transaction = MemoryTransaction(self, UUID(int=self.transactions))
        yield transaction
        self.before_commit()
        self._commit(transaction)

    def _commit(self, transaction: MemoryTransaction) -> None:
        versions = {id: len(stream) for id, stream in self.streams.items()}
        for recorded in transaction.appended:
            version = versions.get(recorded.originator_id, 0) + 1
            if recorded.originator_version != version:
                raise Collision(f"{recorded.originator_id} has version {version - 1}")
            versions[recorded.originator_id] = version
        if self.answers.keys() & transaction.answers.keys():
            raise Collision("the key was taken meanwhile")
        self.commits += 1
        for recorded in transaction.appended:
            self.streams.setdefault(recorded.originator_id, []).append(recorded)
        self.answers |= transaction.answers
        self.passwords |= transaction.passwords
        self.forgotten |= transaction.forgotten


class MemoryTransaction:
    def __init__(self, store: MemoryStore, commit_id: UUID) -> None:
        self.commit_id = commit_id
        self.appended: list[Recorded[Any]] = []
        self.answers: dict[bytes, tuple[Key, bytes]] = {}
        self.passwords: dict[UUID, str] = {}
        self.forgotten: set[UUID] = set()
        self._store = store

    def claim_key(self, key: Key) -> bytes | None:
        used = self._store.answers.get(key.scope)
        if used is None:
            return None
        if used[0] != key:
            raise KeyReused
        return used[1]

    def answer(self, key: Key, outcome: bytes) -> None:
        self.answers[key.scope] = (key, outcome)

    def queue(self, ids: Sequence[UUID]) -> None:
        self._store.queued.append(list(ids))

    def load(self, kind: type[A], id: UUID) -> A:
        stream = self._store.streams.get(id, [])
        tags = {str(type(recorded.event).__struct_config__.tag) for recorded in stream}
        mine = all(tag.startswith(f"{kind.stream}.") for tag in tags)
        return replay(kind(id=id), stream if mine else [])

    def load_all(self, wanted: Sequence[tuple[type[Aggregate[Any]], UUID]]) -> list[Aggregate[Any]]:
        return [self.load(kind, id) for kind, id in wanted]

    def claim_id(self, kind: str, value: str) -> UUID:
        return claim_id(kind, value)

    def append(self, events: Sequence[Recorded[Any]], after: Sequence[Aggregate[Any]]) -> None:
        assert {event.originator_id for event in events} == {aggregate.id for aggregate in after}
        self.appended += events

    def forget(self, subject: UUID) -> None:
        self.forgotten.add(subject)

    def set_password(self, account_id: UUID, password_hash: str) -> None:
        self.passwords[account_id] = password_hash
