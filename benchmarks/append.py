"""What an append costs: the store's way of writing events against a plain INSERT."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import cache, partial
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
import pymysql
from pymysql.cursors import Cursor
from sqlalchemy import make_url

from benchmarks.measure import interleave, say, size, table, write_section
from benchmarks.servers import Subject, runtime_on
from benchmarks.writers import BesideSequencer, Case, Commit, Writers
from commands.inventory import AddItem, ReceiveStock
from commands.kernel import Context
from domain.inventory import StockIssued
from domain.kernel import Recorded
from infrastructure.database import (
    CONNECT_TIMEOUT_SECONDS,
    READ_SECONDS,
    Database,
)
from infrastructure.event_store.commits import encode_runs
from infrastructure.event_store.recorder import EventRecorder, StoredRecord
from infrastructure.ids import uuid7
from infrastructure.runtime import Runtime

GOAL = 0.65
STREAMS = 32
"""Per writer; each commit continues the next one."""
THREADS_MAX = 8
PLAIN_TABLE = """\
CREATE TABLE plain (id BIGINT AUTO_INCREMENT PRIMARY KEY, originator_id BINARY(16) NOT NULL,
originator_version INT NOT NULL, topic VARCHAR(255) NOT NULL, recorded_at DATETIME(6) NOT NULL,
commit_id BINARY(16) NOT NULL, state MEDIUMBLOB NOT NULL)"""
COLUMNS = "(originator_id, originator_version, topic, recorded_at, commit_id, state)"
INSERT_PLAIN = f"INSERT INTO plain {COLUMNS} VALUES (%s, %s, %s, %s, %s, %s)"  # noqa: S608
INSERT_EVENTS = f"INSERT INTO events {COLUMNS} VALUES (%s, %s, %s, %s, %s, %s)"  # noqa: S608
INSERT_PENDING = "INSERT INTO pending (recorded_at, runs) VALUES (%s, %s)"
CONTEXT = Context(actor=UUID(int=1), role="admin", correlation_id="benchmark")

NOW = datetime.now(UTC)
EVENT: Recorded[Any] = Recorded(
    originator_id=uuid7(),
    originator_version=1,
    recorded_at=NOW,
    actor=UUID(int=1),
    role="mechanic",
    command="IssuePart",
    correlation_id=str(uuid7()),
    event=StockIssued(quantity=2, quantity_on_hand=40, ticket_id=uuid7(), line_id=uuid7()),
)
STATE = msgspec.json.encode(EVENT)


def plain(url: str, events: int) -> Commit:
    """The measure: one INSERT of the same rows into a table with nothing to it, and COMMIT."""
    connection, following = connect(url), _streams(events)

    def commit() -> None:
        with connection.cursor() as cursor:
            cursor.executemany(INSERT_PLAIN, _rows(following()))
        connection.commit()

    return commit


def statements(url: str, events: int) -> Commit:
    """The store's statements by the driver alone: what the design costs without its code."""
    connection, following = connect(url), _streams(events)

    def commit() -> None:
        records = following()
        with connection.cursor() as cursor:
            cursor.executemany(INSERT_EVENTS, _rows(records))
            cursor.execute(INSERT_PENDING, (_naive(NOW), encode_runs(records)))
        connection.commit()

    return commit


def store(url: str, events: int) -> Commit:
    """What a command's transaction does with events that are encoded already."""
    database, following = _database(url), _streams(events)
    recorder = EventRecorder(database)

    def commit() -> None:
        records = following()
        with database.transaction():
            recorder.insert_events(records, commit_id=uuid7())

    return commit


def executed(url: str, events: int) -> Commit:
    """A small command in full: load an item, decide, encode one event, store it."""
    runtime = _runtime(url)
    add = AddItem(
        inventory_id=uuid7(), part_number=str(uuid7()), name="A part", unit_price_cents=1500
    )
    runtime.execute(add, CONTEXT)
    receive = ReceiveStock(inventory_id=add.inventory_id, quantity=1)
    return partial(runtime.execute, receive, CONTEXT)


def measure(subject: Subject, runners: Writers) -> None:
    url = subject.prepared("append")
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(PLAIN_TABLE)
    beside = BesideSequencer(url)
    rounds, seconds = int(size("ROUNDS", 3)), size("APPEND_SECONDS", 0.4)
    rows = []
    for durable in (False, True):
        subject.durable(durable)
        for writers in (8, 16):
            for events in (1, 2):
                cases = _cases(url, runners, beside, writers, events, seconds)
                found = interleave(cases, rounds)
                rows.append(_row(durable, writers, events, found))
                say(f"append, {subject.version}: {rows[-1]}")
    beside.close()
    write_section(f"Appending, {subject.name}", subject.version, [table(HEADERS, rows), TEXT])


HEADERS = (
    "COMMIT waits for the disk",
    "writers",
    "events per commit",
    "plain INSERT, commits/s",
    "our statements, bare driver",
    "the store",
    "and a sequencer beside it",
    "**store / plain**",
    "with sequencer / plain",
    "execute(), commits/s",
)
TEXT = f"""\
4 processes with 2 or 4 threads each. Plain: one INSERT of the same rows into a table with an
auto-increment key, and COMMIT, by the bare driver (2 round trips). "Our statements": events, the
row in `pending` and COMMIT, one by one, by the bare driver. The store: `EventRecorder` in
`Database.transaction` (both inserts and COMMIT in one packet: 1 round trip); `execute()` also loads
the item it changes. The goal is {GOAL}. What the design costs is a second table and the random
order of the primary key; the rest is Python, SQLAlchemy's transaction in the first place. The
limit is the processors, which clients and server share here."""


def _row(durable: bool, writers: int, events: int, found: dict[str, float]) -> list[object]:
    base = found["plain"]
    whole = [found[name] for name in ("plain", "statements", "store", "sequenced")]
    ratios = [found["store"] / base, found["sequenced"] / base]
    return ["yes" if durable else "no", writers, events, *whole, *ratios, found.get("executed", "")]


def _cases(
    url: str,
    runners: Writers,
    beside: BesideSequencer,
    writers: int,
    events: int,
    seconds: float,
) -> dict[str, Callable[[], float]]:
    def turn(case: Case) -> float:
        _empty(url)
        made = runners.commits(case, url, writers=writers, events=events, seconds=seconds)
        return made / seconds

    def sequenced() -> float:
        with beside.working():
            return turn(store)

    cases: dict[str, Callable[[], float]] = {
        case.__name__: partial(turn, case) for case in (plain, statements, store)
    }
    cases["sequenced"] = sequenced
    if events == 1:
        cases["executed"] = partial(turn, executed)
    return cases


def connect(url: str, *, autocommit: bool = False) -> pymysql.Connection[Cursor]:
    """The bare driver, set up as `Database` sets up its connections."""
    parts = make_url(url)
    connection = pymysql.connect(
        host=str(parts.host),
        port=parts.port or 0,
        user=str(parts.username),
        database=str(parts.database),
        charset="utf8mb4",
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_SECONDS,
        write_timeout=READ_SECONDS,
        autocommit=autocommit,
    )
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    return connection


def _empty(url: str) -> None:
    with closing(connect(url, autocommit=True)) as connection, connection.cursor() as cursor:
        for name in ("plain", "events", "pending", "feed"):
            cursor.execute(f"TRUNCATE TABLE {name}")


def _streams(events: int) -> Callable[[], list[StoredRecord]]:
    """Gives the records of the next commit: versions that continue one of the own streams."""
    streams, turns = [uuid7() for _ in range(STREAMS)], count()

    def following() -> list[StoredRecord]:
        turn, place = divmod(next(turns), STREAMS)
        first = turn * events + 1
        return [
            StoredRecord(streams[place], version, "inventory.issued", STATE, NOW)
            for version in range(first, first + events)
        ]

    return following


def _rows(records: list[StoredRecord]) -> list[tuple[Any, ...]]:
    commit, at = uuid7().bytes, _naive(NOW)
    return [
        (UUID(str(r.originator_id)).bytes, r.originator_version, r.topic, at, commit, r.state)
        for r in records
    ]


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


@cache
def _database(url: str) -> Database:
    return Database(url, pool_size=THREADS_MAX)


@cache
def _runtime(url: str) -> Runtime:
    return runtime_on(url)
