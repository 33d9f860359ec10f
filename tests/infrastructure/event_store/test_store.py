"""Transactions of the write side: everything or nothing, in few round trips."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from commands.store import Collision
from domain.customer import Customer, CustomerDetails
from domain.inventory import InventoryItem, ItemDetails, StockReceived
from domain.kernel import BrokenHistory
from infrastructure.database import Database
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.store import EventStore
from infrastructure.event_store.tables import events, pending
from tests.infrastructure.event_store.commits import A, B
from tests.infrastructure.event_store.legs import on_mysql
from tests.infrastructure.event_store.stores import BOLT, add_item, append, on_hand, receive

DETAILS = CustomerDetails(name="Customer A", email="a@example.org", phone="", address=None)


def stored_versions(database: Database) -> list[tuple[UUID, int]]:
    with database.reading() as connection:
        key = events.c.originator_id, events.c.originator_version
        return [(id, version) for id, version in connection.execute(select(*key).order_by(*key))]


def test_what_was_appended_is_loaded_again(store: EventStore) -> None:
    add_item(store)
    receive(store, 5)
    receive(store, 2, times=3)

    with store.transaction() as transaction:
        item = transaction.load(InventoryItem, BOLT)

    assert (item.version, item.quantity_on_hand, item.details.name) == (5, 11, "Bolt")
    assert item.emitted == []
    assert item.recorded_at is not None
    assert item.recorded_at.tzinfo is UTC


def test_all_events_of_a_commit_share_its_id(database: Database, store: EventStore) -> None:
    with store.transaction() as transaction:
        for id in (A, B):
            item = InventoryItem(id=id)
            item.add(ItemDetails(part_number=str(id), name="Bolt"), 1, 2)
            append(transaction, item)

    with database.reading() as connection:
        ids = connection.scalars(select(events.c.commit_id)).all()
    assert ids == [transaction.commit_id] * 2


def test_an_exception_takes_everything_back(database: Database, store: EventStore) -> None:
    def fail() -> None:
        with store.transaction() as transaction:
            item = transaction.load(InventoryItem, BOLT)
            item.add(ItemDetails(part_number="BOLT-8", name="Bolt"), 1, 2)
            append(transaction, item)
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert stored_versions(database) == []
    with database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(pending)) == 0


def test_what_never_was_is_blank(store: EventStore) -> None:
    with store.transaction() as transaction:
        assert transaction.load(InventoryItem, BOLT) == InventoryItem(id=BOLT)
        assert transaction.load(Customer, BOLT) == Customer(id=BOLT)


def test_an_id_of_another_kind_is_blank(store: EventStore) -> None:
    add_item(store)
    with store.transaction() as transaction:
        customer = Customer(id=A)
        customer.register(DETAILS)
        append(transaction, customer)

    with store.transaction() as transaction:
        assert transaction.load(Customer, BOLT).version == 0
        assert transaction.load(InventoryItem, A).version == 0
        assert transaction.load(Customer, A).version == 1


def test_of_two_commits_with_one_version_the_second_collides(
    database: Database, store: EventStore
) -> None:
    add_item(store)

    def come_late() -> None:
        with store.transaction() as transaction:
            item = transaction.load(InventoryItem, BOLT)
            item.version -= 1  # as if it had been loaded before the other commit
            item.receive(1)
            append(transaction, item)

    with pytest.raises(Collision):
        come_late()

    assert stored_versions(database) == [(BOLT, 1)]
    assert on_hand(store) == 0


def test_an_integrity_error_elsewhere_is_no_lost_race(
    database: Database, store: EventStore
) -> None:
    with pytest.raises(IntegrityError), store.transaction(), database.transaction() as connection:
        connection.execute(insert(pending), dict(recorded_at=None, runs=b""))


def test_a_history_with_a_hole_is_not_loaded(database: Database, store: EventStore) -> None:
    add_item(store)
    receive(store, 1, times=2)
    with database.transaction() as connection:
        connection.execute(delete(events).where(events.c.originator_version == 2))

    with pytest.raises(BrokenHistory):
        on_hand(store)


def test_a_part_of_a_history_can_be_read(store: EventStore) -> None:
    add_item(store)
    receive(store, 1, times=4)

    versions = [recorded.originator_version for recorded in store.events(BOLT, gt=1, lte=3)]

    assert versions == [2, 3]
    assert len(store.events(BOLT)) == 5
    assert isinstance(store.events(BOLT, gt=4)[0].event, StockReceived)


def test_running_numbers_count_by_name(store: EventStore) -> None:
    assert [store.next_number("ticket") for _ in range(3)] == [1, 2, 3]
    assert store.next_number("invoice") == 1
    assert store.next_number("ticket") == 4


def test_no_running_number_is_given_twice(store: EventStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: store.next_number("ticket"), range(200)))

    assert sorted(numbers) == list(range(1, 201))


def test_clocks_of_other_zones_are_stored_as_utc(database: Database, store: EventStore) -> None:
    add_item(store)

    with database.reading() as connection:
        recorded_at = connection.scalar(select(events.c.recorded_at))

    assert isinstance(recorded_at, datetime)
    assert abs((datetime.now(UTC) - recorded_at).total_seconds()) < 60


@on_mysql
def test_a_command_costs_a_select_per_aggregate_two_inserts_and_a_commit(
    database: Database, store: EventStore
) -> None:
    add_item(store, A)
    add_item(store, B)
    before = questions(database)

    with store.transaction() as transaction:
        items = [transaction.load(InventoryItem, id) for id in (A, B)]
        for item in items:
            item.receive(1)
            item.receive(2)
        append(transaction, *items)

    assert questions(database) - before == 1 + (2 + 2 + 1)


@on_mysql
def test_reads_and_an_idle_sequencer_cost_one_round_trip(
    database: Database, store: EventStore
) -> None:
    add_item(store)
    sequencer = Sequencer(database)
    sequencer.step()
    before = questions(database)

    sequencer.step()
    assert questions(database) - before == 1 + 1
    store.events(BOLT)
    assert questions(database) - before == 2 + 1 + 1
    store.next_number("ticket")
    assert questions(database) - before == 4 + 1 + 1


def questions(database: Database) -> int:
    """What all clients have asked this server. This question counts too: one per call."""
    with database.reading() as connection:
        row = connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Questions'").one()
    return int(row[1])
