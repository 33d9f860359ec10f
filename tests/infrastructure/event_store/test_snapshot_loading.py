"""Hot streams are loaded from their snapshot; without it, or if it is no good, from events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select, update

from domain.inventory import InventoryItem
from domain.kernel import Aggregate
from infrastructure.database import Database
from infrastructure.event_store import snapshots as snapshots_module
from infrastructure.event_store.snapshots import snapshot_topic
from infrastructure.event_store.store import EventStore
from infrastructure.event_store.tables import events, snapshots
from tests.infrastructure.event_store.stores import add_item, on_hand, receive


def snapshot_versions(database: Database) -> list[int]:
    with database.reading() as connection:
        version = snapshots.c.originator_version
        return list(connection.scalars(select(version).order_by(version)))


EVERY = InventoryItem.snapshot_every or 0


def test_a_snapshot_is_taken_every_so_many_events(database: Database, store: EventStore) -> None:
    add_item(store)
    receive(store, 1, times=EVERY - 2)
    assert snapshot_versions(database) == []

    receive(store, 1, times=3)
    assert snapshot_versions(database) == [EVERY + 2]

    receive(store, 1, times=EVERY - 1)
    assert snapshot_versions(database) == [EVERY + 2]

    receive(store, 1)
    assert snapshot_versions(database) == [2 * EVERY + 2]
    assert on_hand(store) == 2 * EVERY + 1


def test_what_a_snapshot_holds_is_not_replayed(database: Database, store: EventStore) -> None:
    add_item(store)
    receive(store, 1, times=100)
    receive(store, 1)
    with database.transaction() as connection:
        connection.execute(delete(events).where(events.c.originator_version < 101))

    assert on_hand(store) == 101


@pytest.mark.parametrize("damaged", [b"", b"{", b'{"id": 1}'])
def test_a_damaged_snapshot_costs_time_and_nothing_else(
    database: Database, store: EventStore, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    add_item(store)
    receive(store, 1, times=100)
    with database.transaction() as connection:
        connection.execute(update(snapshots).values(state=damaged))

    assert on_hand(store) == 100
    assert "replaying its events" in caplog.text

    receive(store, 1)
    assert snapshot_versions(database) == [102]
    assert on_hand(store) == 101


def test_a_snapshot_of_another_version_is_not_believed(
    database: Database, store: EventStore
) -> None:
    add_item(store)
    receive(store, 1, times=100)
    receive(store, 1)
    with database.transaction() as connection:
        connection.execute(update(snapshots).values(originator_version=102))

    assert on_hand(store) == 101


def test_a_snapshot_ahead_of_its_log_is_not_believed(database: Database, store: EventStore) -> None:
    add_item(store)
    receive(store, 1, times=100)
    with database.transaction() as connection:
        connection.execute(delete(events).where(events.c.originator_version > 90))

    assert on_hand(store) == 89


def test_a_changed_class_ignores_old_snapshots_and_makes_its_own(
    database: Database, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_item(store)
    receive(store, 1, times=100)
    with database.transaction() as connection:
        connection.execute(update(snapshots).values(state=b"of the old class"))
    monkeypatch.setattr(snapshots_module, "snapshot_topic", lambda kind: f"{kind.stream}@new")

    assert on_hand(store) == 100

    receive(store, 1)
    assert snapshot_versions(database) == [101, 102]
    assert on_hand(store) == 101


def test_the_topic_follows_fields_and_code() -> None:
    def first() -> Any:
        class Counter(Aggregate[Any]):
            stream = "counter"
            count: int = 0

        return Counter

    def unchanged() -> Any:
        class Counter(Aggregate[Any]):
            stream = "counter"
            count: int = 0

        return Counter

    def other_field() -> Any:
        class Counter(Aggregate[Any]):
            stream = "counter"
            count: float = 0

        return Counter

    def other_code() -> Any:
        class Counter(Aggregate[Any]):
            stream = "counter"
            count: int = 0

            def apply(self, event: object) -> None:
                self.count += 2

        return Counter

    assert snapshot_topic(first()) == snapshot_topic(unchanged())
    assert len({snapshot_topic(kind()) for kind in (first, other_field, other_code)}) == 3
    assert snapshot_topic(InventoryItem).startswith("inventory@")


def test_the_topic_follows_what_the_fields_hold() -> None:
    def basket(*fields: tuple[str, type]) -> Any:
        line = msgspec.defstruct("Line", fields)
        lines = [("lines", list[line])]  # type: ignore[valid-type]
        return msgspec.defstruct("Basket", lines, bases=(Aggregate,), kw_only=True)

    one, same, other = basket(("count", int)), basket(("count", int)), basket(("count", float))

    assert snapshot_topic(one) == snapshot_topic(same) != snapshot_topic(other)
