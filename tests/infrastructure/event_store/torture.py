"""Writers, readers and sequencers that give each other a hard time, in many processes."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from threading import Event, Thread
from typing import Any, NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from infrastructure.database import Database
from infrastructure.event_store.faults import is_lost_race
from infrastructure.event_store.feed import Feed
from infrastructure.event_store.recorder import EventRecorder
from infrastructure.event_store.sequencer import Sequencer
from tests.infrastructure.event_store.stores import send_early

PROCESSES, THREADS = 4, 4
STREAMS = [UUID(int=number) for number in range(1, 49)]
SENT_EARLY, ROLLED_BACK, HELD_OPEN = 0.5, 0.1, 0.02
HELD_OPEN_SECONDS = 0.3
NAIVE_TABLE = """\
CREATE TABLE naive (id BIGINT AUTO_INCREMENT PRIMARY KEY, originator_id BINARY(16), version INT)"""

processes = get_context("forkserver")
processes.set_forkserver_preload([__name__])


class Place(NamedTuple):
    stream: UUID
    version: int


class RolledBack(Exception):
    pass


def write(url: str, seed: int, commits: int) -> list[Place]:
    """What one process of writers was told is stored."""
    database = Database(url, pool_size=THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        seeds = range(seed * THREADS, (seed + 1) * THREADS)
        written = list(pool.map(lambda each: _writer(database, each, commits), seeds))
    database.close()
    return [place for places in written for place in places]


def _writer(database: Database, seed: int, commits: int) -> list[Place]:
    dice, acknowledged = random.Random(seed), list[Place]()
    recorder = EventRecorder(database)
    while commits:
        try:
            with database.transaction() as connection:
                places = _append(recorder, connection, dice)
                if dice.random() < SENT_EARLY:
                    send_early(database)
                if dice.random() < HELD_OPEN:
                    time.sleep(HELD_OPEN_SECONDS)
                if dice.random() < ROLLED_BACK:
                    raise RolledBack
        except (RolledBack, IntegrityError):
            continue
        except DBAPIError as error:
            if not is_lost_race(error):
                raise
            continue
        acknowledged += places
        commits -= 1
    return acknowledged


def _append(recorder: EventRecorder, connection: Connection, dice: random.Random) -> list[Place]:
    """One to five events of one to three streams."""
    places = []
    count = dice.randint(1, 5)
    for stream in dice.sample(STREAMS, min(count, dice.randint(1, 3))):
        last = recorder.select_events(stream, desc=True, limit=1)
        version = last[0].originator_version if last else 0
        places += [Place(stream, version + 1), Place(stream, version + 2)]
    places = places[:count]
    recorder.insert_events([StoredEvent(*place, "torture.happened", b"{}") for place in places])
    rows = [(place.stream.bytes, place.version) for place in places]
    connection.exec_driver_sql("INSERT INTO naive (originator_id, version) VALUES (%s, %s)", rows)
    return places


def sequence_for_ever(url: str) -> None:
    database, parent = Database(url, pool_size=2), os.getppid()
    sequencer = Sequencer(database)
    while os.getppid() == parent:
        if not sequencer.step(limit=20):
            time.sleep(0.002)


@contextmanager
def sequencers(url: str, count: int, *, killed_every_seconds: float | None) -> Iterator[None]:
    """So many of them at once; each of them struck down now and then, and replaced."""
    done = Event()
    running = [_begin(sequence_for_ever, url) for _ in range(count)]

    def strike() -> None:
        while not done.wait(killed_every_seconds):
            victim = running.pop(0)
            victim.kill()
            victim.join()
            running.append(_begin(sequence_for_ever, url))

    with _beside(strike if killed_every_seconds else done.wait, done):
        yield
    for process in running:
        process.kill()
        process.join()


def _begin(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    process = processes.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


@contextmanager
def _beside(work: Callable[[], object], done: Event) -> Iterator[None]:
    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Tail:
    """A reader that asks for what follows the last position it saw, until told to stop."""

    def __init__(self, database: Database, batch: int) -> None:
        self.seen: list[tuple[int, Place]] = []
        unused: Any = None
        self._feed, self._batch = Feed(database, unused), batch

    def read(self, done: Event) -> None:
        while not done.is_set():
            after = self.seen[-1][0] if self.seen else 0
            for entry in self._feed.read(after, self._batch):
                place = Place(UUID(str(entry.originator_id)), entry.originator_version)
                self.seen.append((entry.position, place))


class NaiveTail:
    """What everybody writes first: `id` greater than the last one."""

    def __init__(self, database: Database) -> None:
        self.seen: list[Place] = []
        self._database, self._last = database, 0

    def read(self, done: Event) -> None:
        question = "SELECT * FROM naive WHERE id > %s ORDER BY id LIMIT 100"
        while not done.is_set():
            with self._database.reading() as connection:
                for id, stream, version in connection.exec_driver_sql(question, (self._last,)):
                    self.seen.append(Place(UUID(bytes=stream), version))
                    self._last = id

    def has_read_the_last(self) -> bool:
        with self._database.reading() as connection:
            return connection.exec_driver_sql("SELECT MAX(id) FROM naive").scalar() == self._last


@contextmanager
def reading(*tails: Tail | NaiveTail) -> Iterator[None]:
    done = Event()
    with ThreadPoolExecutor(len(tails)) as pool:
        futures = [pool.submit(tail.read, done) for tail in tails]
        try:
            yield
        finally:
            done.set()
    for future in futures:
        future.result()
