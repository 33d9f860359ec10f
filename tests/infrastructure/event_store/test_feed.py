"""The feed as its readers see it."""

from __future__ import annotations

import pytest
from sqlalchemy import update

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
    assert vars(last) == dict(
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
