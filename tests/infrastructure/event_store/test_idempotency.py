"""One key, one effect, one answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from commands.store import Collision, Key, KeyReused
from domain.inventory import InventoryItem
from infrastructure.database import Database
from infrastructure.event_store.store import EventStore
from infrastructure.event_store.tables import idempotency_keys
from tests.infrastructure.event_store.stores import (
    BOLT,
    add_item,
    append,
    event_store,
    on_hand,
)

KEY = Key(scope=b"s" * 32, fingerprint=b"f" * 32)
OTHER_PAYLOAD = Key(scope=b"s" * 32, fingerprint=b"g" * 32)
OTHER_SCOPE = Key(scope=b"t" * 32, fingerprint=b"f" * 32)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def receive_once(store: EventStore, key: Key, outcome: bytes) -> bytes:
    """Made again after a collision, like a command."""
    while True:
        try:
            with store.transaction() as transaction:
                if (stored := transaction.claim_key(key)) is not None:
                    return stored
                item = transaction.load(InventoryItem, BOLT)
                item.receive(1)
                append(transaction, item)
                transaction.answer(key, outcome)
            return outcome
        except Collision:
            continue


def keys(database: Database) -> int:
    with database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(idempotency_keys)) or 0


def test_the_second_request_hears_the_first_answer(store: EventStore) -> None:
    add_item(store)

    assert receive_once(store, KEY, b"first") == b"first"
    assert receive_once(store, KEY, b"second") == b"first"

    assert on_hand(store) == 1


def test_another_key_is_another_request(store: EventStore) -> None:
    add_item(store)

    receive_once(store, KEY, b"first")
    receive_once(store, OTHER_SCOPE, b"second")

    assert on_hand(store) == 2


def test_a_key_is_for_one_payload(store: EventStore) -> None:
    add_item(store)
    receive_once(store, KEY, b"first")

    with pytest.raises(KeyReused):
        receive_once(store, OTHER_PAYLOAD, b"second")

    assert on_hand(store) == 1


def test_a_failed_attempt_leaves_the_key_free(store: EventStore) -> None:
    add_item(store)

    def fail() -> None:
        with store.transaction() as transaction:
            transaction.claim_key(KEY)
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert receive_once(store, OTHER_PAYLOAD, b"answer") == b"answer"


def answers_at_once(store: EventStore) -> set[bytes]:
    """What eight get who come with one key together."""
    together = Barrier(8)

    def request(number: int) -> bytes:
        together.wait()
        return receive_once(store, KEY, b"answer %d" % number)

    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(request, range(8)))


def test_duplicates_at_the_same_time_have_one_effect(store: EventStore) -> None:
    add_item(store)

    assert len(answers_at_once(store)) == 1
    assert on_hand(store) == 1


def test_an_expired_key_is_as_good_as_new(database: Database) -> None:
    clock = Clock()
    store = event_store(database, clock)
    add_item(store)
    receive_once(store, KEY, b"first")

    clock.now += timedelta(hours=24) - timedelta(microseconds=1)
    assert receive_once(store, KEY, b"second") == b"first"

    clock.now += timedelta(microseconds=1)
    assert receive_once(store, OTHER_PAYLOAD, b"third") == b"third"
    assert receive_once(store, OTHER_PAYLOAD, b"fourth") == b"third"
    assert on_hand(store) == 2


def test_of_many_that_find_an_expired_key_one_takes_it(database: Database) -> None:
    clock = Clock()
    store = event_store(database, clock)
    add_item(store)
    receive_once(store, KEY, b"first")
    clock.now += timedelta(hours=24)

    assert len(answers_at_once(store)) == 1
    assert on_hand(store) == 2


def test_sweeping_takes_expired_keys_and_no_others(database: Database) -> None:
    clock = Clock()
    store = event_store(database, clock)
    add_item(store)
    receive_once(store, KEY, b"first")
    clock.now += timedelta(hours=1)
    receive_once(store, OTHER_SCOPE, b"second")
    assert store.sweep() == 0

    clock.now += timedelta(hours=23)

    assert store.sweep() == 1
    assert keys(database) == 1
    assert receive_once(store, OTHER_SCOPE, b"third") == b"second"
