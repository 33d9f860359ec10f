"""The feed as its readers see it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import event, update

from infrastructure.database import Database
from infrastructure.event_store.feed import Feed
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.mapper import EventMapper, UndecodableEvent
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.store import EventStore
from infrastructure.event_store.tables import events
from tests.infrastructure.event_store.commits import A, B, commit, stored
from tests.infrastructure.event_store.legs import on_mysql
from tests.infrastructure.event_store.records import AT
from tests.infrastructure.event_store.stores import BOLT, add_item, receive


@pytest.fixture
def feed(database: Database) -> Feed:
    return Feed(database, EventMapper(KeyRing(database, [b"m" * 32])))


def test_an_empty_feed_ends_at_zero(feed: Feed) -> None:
    assert feed.position() == 0
    assert feed.read(0, 10) == []
    assert feed.position_of(A, 1) is None
    assert feed.waiting_since() is None


def test_a_reader_goes_from_position_to_position(database: Database, feed: Feed) -> None:
    commit(database, *stored(A, 1), *stored(B, 1))
    commit(database, *stored(A, 2))
    assert feed.position() == 0
    assert feed.waiting_since() == AT

    Sequencer(database).step()

    assert feed.waiting_since() is None
    assert feed.position() == 3
    assert feed.position_of(A, 2) == 3
    assert [(e.position, e.originator_id) for e in feed.read(0, 2)] == [(1, A), (2, B)]
    (last,) = feed.read(2, 2)
    assert msgspec.structs.asdict(last) == dict(
        position=3,
        originator_id=A,
        originator_version=2,
        topic="ticket.opened",
        state=b"{}",
        recorded_at=AT,
    )
    assert feed.read(3, 2) == []


def test_entries_decode_to_what_was_recorded(
    database: Database, feed: Feed, store: EventStore
) -> None:
    add_item(store)
    receive(store, 3, times=2)
    while Sequencer(database).step():
        pass

    assert feed.decode(feed.read(0, 10)) == store.events(BOLT)


def test_what_cannot_be_decoded_can_still_be_read(
    database: Database, feed: Feed, store: EventStore
) -> None:
    add_item(store)
    receive(store, 3)
    while Sequencer(database).step():
        pass
    with database.transaction() as connection:
        damaged = update(events).where(events.c.originator_version == 2).values(state=b"?")
        connection.execute(damaged)

    good, bad = feed.read(0, 10)

    assert len(feed.decode([good])) == 1
    with pytest.raises(UndecodableEvent):
        feed.decode([bad])


def damage(database: Database, id: UUID, **values: Any) -> None:
    with database.transaction() as connection:
        connection.execute(update(events).where(events.c.originator_id == id).values(values))


@pytest.mark.parametrize("topic", ['with "quotes"', "a\\", "\n", 'in","]], "\\u0000'])
def test_a_damaged_topic_is_read_as_it_is(database: Database, feed: Feed, topic: str) -> None:
    commit(database, *stored(A, 1), *stored(B, 1))
    Sequencer(database).step()
    damage(database, A, topic=topic)

    assert [entry.topic for entry in feed.read(0, 10)] == [topic, "ticket.opened"]


def test_more_than_the_server_gives_as_one_value_is_read_all_the_same(
    database: Database, feed: Feed
) -> None:
    """What is missing may be states alone, or places as well."""
    commit(database, *stored(A, *range(1, 301)))
    Sequencer(database).step()
    damage(database, A, state=b"x" * 200)

    for limit in (14, 300):
        with database.snapshot() as connection:
            if database.is_mysql:
                connection.exec_driver_sql("SET SESSION group_concat_max_len = 2000")
            cut = [(entry.position, entry.state) for entry in feed.read(0, limit)]

        assert cut == [(n, b"x" * 200) for n in range(1, limit + 1)]


@on_mysql
def test_a_batch_of_the_feed_comes_as_one_row(database: Database, feed: Feed) -> None:
    """The driver reads rows in Python, which was the greater part of reading the feed."""
    commit(database, *stored(A, *range(1, 301)))
    Sequencer(database).step()
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: object) -> None:
        asked.append(statement)

    event.listen(database._reads, "before_cursor_execute", note)
    assert len(feed.read(0, 1000)) == 300
    event.remove(database._reads, "before_cursor_execute", note)

    (only,) = asked
    assert "GROUP_CONCAT" in only


@on_mysql
def test_reading_begins_at_the_position_however_the_tables_look(
    database: Database, feed: Feed
) -> None:
    """An optimiser that began with the events would read all of them for every batch."""
    for id in (A, B):
        commit(database, *stored(id, *range(1, 401)))
    Sequencer(database).step()
    looking = -handler_reads(database) + handler_reads(database)
    before = handler_reads(database)

    feed.read(700, 10)

    assert handler_reads(database) - before - looking < 100


def handler_reads(database: Database) -> int:
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Handler_read%%'").all()
    return sum(int(value) for _, value in rows)
