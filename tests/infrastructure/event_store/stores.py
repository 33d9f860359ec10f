"""An event store on a database, and small commands to give it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.inventory import InventoryItem, ItemDetails
from domain.kernel import Aggregate, Recorded
from infrastructure.credentials import Credentials
from infrastructure.database import Database
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.store import EventStore
from infrastructure.event_store.transaction import StoreTransaction

BOLT = UUID(int=0xB017)


def now() -> datetime:
    return datetime.now(UTC)


def event_store(database: Database, clock: Any = now) -> EventStore:
    keyring = KeyRing(database, [b"m" * 32])
    credentials = Credentials(database, clock)
    return EventStore(database, EventMapper(keyring), keyring, credentials, clock=clock)


def emitted(aggregate: Aggregate[Any]) -> list[Recorded[Any]]:
    """What it has emitted since it was loaded, as a command would record it."""
    first = aggregate.version - len(aggregate.emitted) + 1
    return [
        Recorded(
            originator_id=aggregate.id,
            originator_version=version,
            recorded_at=now(),
            actor=None,
            role="admin",
            command="Test",
            correlation_id="request-1",
            event=event,
        )
        for version, event in enumerate(aggregate.emitted, start=first)
    ]


def append(transaction: StoreTransaction, *aggregates: Aggregate[Any]) -> None:
    events = [recorded for aggregate in aggregates for recorded in emitted(aggregate)]
    transaction.append(events, aggregates)


def add_item(store: EventStore, id: UUID = BOLT) -> None:
    with store.transaction() as transaction:
        item = transaction.load(InventoryItem, id)
        item.add(ItemDetails(part_number="BOLT-8", name="Bolt"), 10, 25)
        append(transaction, item)


def receive(store: EventStore, quantity: int, id: UUID = BOLT, *, times: int = 1) -> None:
    with store.transaction() as transaction:
        item = transaction.load(InventoryItem, id)
        for _ in range(times):
            item.receive(quantity)
        append(transaction, item)


def on_hand(store: EventStore, id: UUID = BOLT) -> int:
    with store.transaction() as transaction:
        return transaction.load(InventoryItem, id).quantity_on_hand


def send_early(database: Database) -> None:
    """What the current transaction keeps for its COMMIT, sent now: it holds its locks."""
    with database.transaction() as connection:
        driver: Any = connection.connection.dbapi_connection
        kept = driver._kept
        driver.forget()
        for statement in kept:
            as_it_is = {"no_parameters": True}
            connection.exec_driver_sql(statement.decode(), execution_options=as_it_is)
