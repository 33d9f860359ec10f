"""What a process remembers of aggregates saves it their replay, and is never believed alone."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import delete, update

from domain.customer import Customer, CustomerDetails
from domain.inventory import InventoryItem
from infrastructure.database import Database
from infrastructure.event_store import loading
from infrastructure.event_store.loading import REPLAYED_MIN, Wanted
from infrastructure.event_store.store import EventStore
from infrastructure.event_store.tables import events, feed
from tests.infrastructure.event_store.commits import A, B
from tests.infrastructure.event_store.records import counted_statements
from tests.infrastructure.event_store.stores import (
    BOLT,
    add_item,
    append,
    event_store,
    on_hand,
    receive,
)

DETAILS = CustomerDetails(name="Customer A", email="a@example.org", phone="", address=None)


def remembered(store: EventStore) -> dict[str, bytes]:
    return {str(id): memory.state for (_, id), memory in store._loader._remembered.items()}


@pytest.fixture
def hot(store: EventStore) -> EventStore:
    """One that has replayed the bolt and remembers it at version 11."""
    add_item(store)
    receive(store, 1, times=10)
    assert on_hand(store) == 10
    return store


def test_what_was_replayed_once_is_not_replayed_again(database: Database, hot: EventStore) -> None:
    receive(hot, 5)
    with database.transaction() as connection:
        connection.execute(delete(events).where(events.c.originator_version < 11))

    assert on_hand(hot) == 15


def test_short_histories_are_not_worth_remembering(store: EventStore) -> None:
    add_item(store)
    receive(store, 1, times=REPLAYED_MIN - 2)

    on_hand(store)

    assert remembered(store) == {}


def test_what_other_processes_committed_is_seen_at_once(
    database: Database, hot: EventStore
) -> None:
    receive(event_store(database), 7, times=2)

    assert on_hand(hot) == 24
    receive(hot, 1)
    assert on_hand(event_store(database)) == 25


def test_what_was_rolled_back_is_not_remembered(hot: EventStore) -> None:
    def fail() -> None:
        with hot.transaction() as transaction:
            item = transaction.load(InventoryItem, BOLT)
            for _ in range(REPLAYED_MIN):
                item.receive(100)
            append(transaction, item)
            transaction.load(InventoryItem, BOLT)
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert on_hand(hot) == 10
    receive(hot, 1, times=REPLAYED_MIN)
    assert on_hand(hot) == 10 + REPLAYED_MIN


@pytest.mark.parametrize("shorter", [False, True])
def test_another_log_than_the_one_remembered_is_replayed(
    database: Database, hot: EventStore, shorter: bool
) -> None:
    """As after a restored backup."""
    with database.transaction() as connection:
        for table in (events, feed):
            connection.execute(delete(table).where(table.c.originator_version == 11))
    if not shorter:
        receive(event_store(database), 90)

    assert on_hand(hot) == (9 if shorter else 99)


def test_nothing_personal_is_remembered_and_whoever_is_erased_reads_none(
    database: Database, store: EventStore
) -> None:
    with store.transaction() as transaction:
        customer = Customer(id=A)
        customer.register(DETAILS)
        for _ in range(REPLAYED_MIN):
            customer.open_ticket(B)
        append(transaction, customer)
    for _ in range(2):
        with store.transaction() as transaction:
            assert transaction.load(Customer, A).details() == DETAILS
    assert b"example.org" not in remembered(store)[str(A)]

    with store.transaction() as transaction:
        transaction.forget(A)

    with store.transaction() as transaction:
        assert transaction.load(Customer, A).name is None


def test_several_are_loaded_with_one_statement(hot: EventStore) -> None:
    add_item(hot, A)
    wanted: list[Wanted] = [(InventoryItem, BOLT), (Customer, B), (InventoryItem, A)]
    with hot.transaction() as transaction, counted_statements() as statements:
        bolt, nobody, other = transaction.load_all(wanted)

    assert [each.version for each in (bolt, nobody, other)] == [11, 0, 1]
    assert len(statements) == 1


def test_only_so_many_are_remembered(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "REMEMBERED_MAX", 4)
    ids = [UUID(int=n) for n in range(6)]
    for id in ids:
        add_item(store, id)
        receive(store, 1, id, times=REPLAYED_MIN)
        on_hand(store, id)

    assert list(remembered(store)) == [str(id) for id in ids[2:]]


def test_an_event_altered_since_is_seen(database: Database, hot: EventStore) -> None:
    """The one remembered stands on is compared byte for byte."""
    with database.transaction() as connection:
        row = events.c.originator_version == 11
        state = bytes(connection.execute(events.select().where(row)).one().state)
        altered = state.replace(b'"quantity_on_hand":10', b'"quantity_on_hand":50')
        assert altered != state
        connection.execute(update(events).where(row).values(state=altered))

    assert on_hand(hot) == 50
