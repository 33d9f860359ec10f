"""Real errors of real servers: which are lost races, and which are not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy.exc import DataError, OperationalError

from commands.store import Collision
from domain.inventory import InventoryItem, ItemDetails
from infrastructure.database import Database
from infrastructure.event_store.store import EventStore
from tests.infrastructure.event_store.commits import A, B
from tests.infrastructure.event_store.legs import on_mysql, on_sqlite
from tests.infrastructure.event_store.stores import (
    add_item,
    append,
    event_store,
    on_hand,
    send_early,
)


def added(id: UUID) -> InventoryItem:
    item = InventoryItem(id=id)
    item.add(ItemDetails(part_number=str(id), name="Bolt"), 1, 2)
    return item


def outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "done"


@on_mysql
def test_a_deadlock_is_a_lost_race(database: Database, store: EventStore) -> None:
    together = Barrier(2)

    def add_both(first: UUID, second: UUID) -> None:
        with store.transaction() as transaction:
            append(transaction, added(first))
            send_early(database)
            together.wait()
            append(transaction, added(second))

    with ThreadPoolExecutor(2) as pool:
        orders = [lambda: add_both(A, B), lambda: add_both(B, A)]
        collision, done = sorted(pool.map(outcome, orders))

    assert done == "done"
    assert collision.startswith("Collision: (1213,")


@on_mysql
def test_the_order_of_aggregates_in_a_commit_makes_no_deadlocks(store: EventStore) -> None:
    def add_both(together: Barrier, *ids: UUID) -> None:
        together.wait()
        with store.transaction() as transaction:
            append(transaction, *(added(id) for id in ids))

    for number in range(20):
        together, (first, second) = Barrier(2), (UUID(int=number), UUID(int=number + 100))
        both = (
            partial(add_both, together, first, second),
            partial(add_both, together, second, first),
        )
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(outcome, both))

        collision, done = sorted(outcomes)
        assert done == "done"
        assert "Duplicate entry" in collision


@on_mysql
def test_a_lock_held_too_long_is_a_lost_race(database: Database, store: EventStore) -> None:
    hurried = Database(database.url, lock_wait_seconds=1)
    with store.transaction() as slow:
        append(slow, added(A))
        send_early(database)

        with pytest.raises(Collision):
            add_item(event_store(hurried), A)
    hurried.close()


@on_sqlite
def test_a_busy_file_is_a_lost_race(database: Database) -> None:
    impatient = Database(database.url, pool_size=1)
    with impatient.transaction() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 50")

    with database.transaction(), pytest.raises(Collision):
        add_item(event_store(impatient))
    impatient.close()


@on_mysql
def test_a_connection_lost_before_commit_is_a_lost_race(
    database: Database, store: EventStore
) -> None:
    add_item(store)
    other = Database(database.url)

    def be_killed() -> None:
        with store.transaction() as transaction, database.transaction() as connection:
            append(transaction, added(A))
            own = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
            with other.reading() as elsewhere:
                elsewhere.exec_driver_sql(f"KILL CONNECTION {own}")
            transaction.load(InventoryItem, B)

    with pytest.raises(Collision):
        be_killed()

    assert on_hand(store, A) == 0
    assert not store.events(A)
    other.close()


@on_mysql
def test_what_does_not_fit_is_an_error_and_no_lost_race(database: Database) -> None:
    with pytest.raises(DataError), database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO running_numbers VALUES (%s, 1)", ("x" * 65,))


@on_mysql
def test_a_wrong_statement_is_no_lost_race(database: Database, store: EventStore) -> None:
    def wrong() -> None:
        with store.transaction(), database.transaction() as connection:
            connection.exec_driver_sql("SELECT no_such_column FROM events")

    with pytest.raises(OperationalError):
        wrong()
