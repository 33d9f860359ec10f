"""No event is missed, doubled or reordered, and none that was acknowledged is lost.

`TORTURE_EVENTS` makes it longer.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from threading import Event
from uuid import UUID

from sqlalchemy.exc import OperationalError

from commands.store import Collision
from infrastructure.database import Database
from infrastructure.event_store.checks import verify
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.store import EventStore
from infrastructure.migrations import migrate
from tests.infrastructure.event_store.legs import on_mysql
from tests.infrastructure.event_store.stores import add_item, event_store, on_hand, receive
from tests.infrastructure.event_store.torture import (
    NAIVE_TABLE,
    PROCESSES,
    THREADS,
    NaiveTail,
    Place,
    Tail,
    processes,
    reading,
    sequencers,
    write,
)
from tests.process import wait_until
from tests.servers import MariaDB

EVENTS = int(os.environ.get("TORTURE_EVENTS", "3000"))
EVENTS_PER_COMMIT = 3
PATIENCE_SECONDS = 60 + EVENTS // 50
KILLS = 3 + EVENTS // 10_000
WRITERS = 8


@on_mysql
def test_readers_see_every_event_once_and_in_order(database: Database) -> None:
    commits = max(1, EVENTS // EVENTS_PER_COMMIT // PROCESSES // THREADS)
    url = database.url.render_as_string(hide_password=False)
    with database.reading() as connection:
        connection.exec_driver_sql(NAIVE_TABLE)
    tails = [Tail(database, batch) for batch in (1, 10, 200)]
    naive = NaiveTail(database)

    with sequencers(url, 2, killed_every_seconds=0.2), reading(*tails, naive):
        with ProcessPoolExecutor(PROCESSES, mp_context=processes) as pool:
            parts = [pool.submit(write, url, seed, commits) for seed in range(PROCESSES)]
            acknowledged = [place for part in parts for place in part.result()]
        everything = len(acknowledged)
        wait_until(
            lambda: all(len(tail.seen) >= everything for tail in tails), seconds=PATIENCE_SECONDS
        )
        wait_until(naive.has_read_the_last, seconds=PATIENCE_SECONDS)

    assert len(acknowledged) >= commits * PROCESSES * THREADS
    for tail in tails:
        assert [position for position, _ in tail.seen] == list(range(1, len(acknowledged) + 1))
        places = [place for _, place in tail.seen]
        assert sorted(places) == sorted(acknowledged)
        assert in_order(places)
    assert list(verify(database)) == []
    assert set(naive.seen) < set(acknowledged), "this run was too tame to show anything"


def in_order(places: list[Place]) -> bool:
    last = dict[UUID, int]()
    for stream, version in places:
        if version != last.get(stream, 0) + 1:
            return False
        last[stream] = version
    return True


def test_no_acknowledged_command_is_lost_when_the_server_is_killed(own_mariadb: MariaDB) -> None:
    database = Database(own_mariadb.create_database("shop"), pool_size=WRITERS + 1)
    migrate(database)
    store = event_store(database)
    items = [UUID(int=number) for number in range(1, WRITERS + 1)]
    for item in items:
        add_item(store, item)
    done = Event()

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        counts = [pool.submit(receive_until, done, store, item) for item in items]
        sequencing = pool.submit(sequence_until, done, database)
        for _ in range(KILLS):
            time.sleep(0.7)
            own_mariadb.kill()
            own_mariadb.restart()
        time.sleep(0.3)
        done.set()
        acknowledged = [count.result() for count in counts]
        sequencing.result()

    assert min(acknowledged) > KILLS
    assert [on_hand(store, item) for item in items] == acknowledged
    while Sequencer(database).step():
        pass
    assert list(verify(database)) == []
    database.close()


def receive_until(done: Event, store: EventStore, item: UUID) -> int:
    """How many times it was told that a unit is in stock."""
    acknowledged = 0
    while not done.is_set():
        try:
            receive(store, 1, item)
        except (Collision, OperationalError):
            time.sleep(0.005)
        else:
            acknowledged += 1
    return acknowledged


def sequence_until(done: Event, database: Database) -> None:
    while not done.is_set():
        try:
            Sequencer(database).step()
        except OperationalError:
            time.sleep(0.005)
