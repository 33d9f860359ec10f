"""Others who come in between: deterministic races on a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from infrastructure.event_store.store import EventStore
from infrastructure.event_store.transaction import StoreTransaction


class Rivals:
    """The store, where before each commit that holds events the next rival comes first."""

    def __init__(self, store: EventStore, rivals: Sequence[Callable[[], object]]) -> None:
        self._store, self._waiting = store, list(rivals)
        self.attempts = 0

    @contextmanager
    def transaction(self) -> Iterator[StoreTransaction]:
        self.attempts += 1
        with self._store.transaction() as transaction:
            append = transaction.append

            def after_a_rival(events: Any, after: Any) -> None:
                if self._waiting:
                    elsewhere(self._waiting.pop(0))
                append(events, after)

            transaction.append = after_a_rival  # type: ignore[method-assign]
            yield transaction


def elsewhere(rival: Callable[[], object]) -> None:
    """In a thread, hence on a connection, of its own."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(rival).result()
