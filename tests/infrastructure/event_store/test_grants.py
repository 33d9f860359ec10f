"""The database user of the running program may neither change nor delete an event."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.exc import OperationalError

from commands.store import Key
from domain.inventory import InventoryItem
from infrastructure.database import Database
from infrastructure.event_store.feed import Feed
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.tables import metadata
from tests.infrastructure.event_store.legs import on_mysql
from tests.infrastructure.event_store.stores import BOLT, add_item, append, event_store, receive

USER = "'clerk'@'127.0.0.1'"

pytestmark = on_mysql


@pytest.fixture
def clerk(database: Database) -> Iterator[Database]:
    """Works on the same database with the least that it needs."""
    with database.reading() as connection:
        connection.exec_driver_sql(f"CREATE USER {USER} IDENTIFIED BY ''")
        for table in metadata.tables:
            rights = "SELECT, INSERT" if table == "events" else "SELECT, INSERT, UPDATE, DELETE"
            connection.exec_driver_sql(f"GRANT {rights} ON {table} TO {USER}")
        clerk = Database(database.url.set(username="clerk"))
        yield clerk
        clerk.close()
        connection.exec_driver_sql(f"DROP USER {USER}")


@pytest.mark.parametrize("wish", ["UPDATE events SET topic = 'x'", "DELETE FROM events"])
def test_the_past_is_out_of_reach(clerk: Database, wish: str) -> None:
    with pytest.raises(OperationalError, match="denied"), clerk.transaction() as connection:
        connection.exec_driver_sql(wish)


def test_everything_the_store_does_is_within_reach(clerk: Database) -> None:
    store = event_store(clerk)
    key = Key(scope=b"s" * 32, fingerprint=b"f" * 32)
    add_item(store)
    with store.transaction() as transaction:
        assert transaction.claim_key(key) is None
        transaction.queue([BOLT])
        item = transaction.load(InventoryItem, BOLT)
        item.receive(1)
        append(transaction, item)
        transaction.answer(key, b"answer")
    receive(store, 1, times=150)
    store.next_number("ticket")
    store.sweep()

    assert Sequencer(clerk).step() == 152
    feed = Feed(clerk, EventMapper(KeyRing(clerk, [b"m" * 32])))
    assert feed.decode(feed.read(0, 500)) == store.events(BOLT)
