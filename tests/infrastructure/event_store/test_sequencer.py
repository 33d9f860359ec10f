"""Positions: without holes, each aggregate in its order, each commit in one piece."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import StoredEvent
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from infrastructure.database import Database
from infrastructure.event_store.checks import verify
from infrastructure.event_store.commits import (
    Commit,
    Place,
    Run,
    decode_runs,
    encode_runs,
    in_order,
    predecessors,
)
from infrastructure.event_store.recorder import EventRecorder
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.tables import feed, pending
from tests.infrastructure.event_store.commits import A, B, C, commit, stored
from tests.infrastructure.event_store.legs import on_mysql, on_sqlite
from tests.infrastructure.event_store.records import AT
from tests.infrastructure.event_store.stores import send_early
from tests.round_trips import database_round_trips


def positions(database: Database) -> list[tuple[int, UUID, int]]:
    with database.reading() as connection:
        rows = connection.execute(select(feed).order_by(feed.c.position))
        return [(row.position, row.originator_id, row.originator_version) for row in rows]


def waiting(database: Database) -> int:
    with database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(pending)) or 0


def test_positions_follow_the_order_in_which_the_events_were_given(database: Database) -> None:
    commit(database, *stored(B, 1), *stored(A, 1), *stored(B, 2))
    commit(database, *stored(A, 2, 3))

    assert Sequencer(database).step() == 5

    assert positions(database) == [(1, B, 1), (2, A, 1), (3, B, 2), (4, A, 2), (5, A, 3)]
    assert waiting(database) == 0
    assert Sequencer(database).step() == 0


def test_a_step_takes_no_more_commits_than_it_is_told(database: Database) -> None:
    for version in (1, 2, 3):
        commit(database, *stored(A, version))

    assert Sequencer(database).step(limit=2) == 2
    assert Sequencer(database).step(limit=2) == 1

    assert [version for *_, version in positions(database)] == [1, 2, 3]


def test_a_commit_waits_for_what_it_continues(database: Database) -> None:
    commit(database, *stored(A, 2))
    commit(database, *stored(B, 1))

    assert Sequencer(database).step() == 1
    assert positions(database) == [(1, B, 1)]

    commit(database, *stored(A, 1))

    assert Sequencer(database).step() == 2
    assert positions(database) == [(1, B, 1), (2, A, 1), (3, A, 2)]


def test_a_commit_waits_for_all_that_it_continues(database: Database) -> None:
    commit(database, *stored(A, 1), *stored(B, 2), *stored(C, 1))

    assert Sequencer(database).step() == 0

    commit(database, *stored(B, 1))

    assert Sequencer(database).step() == 4
    assert positions(database) == [(1, B, 1), (2, A, 1), (3, B, 2), (4, C, 1)]


def test_commits_that_must_wait_do_not_hide_those_behind_them(database: Database) -> None:
    for version in (5, 4, 3, 2):
        commit(database, *stored(A, version))
    commit(database, *stored(A, 1))

    assert Sequencer(database).step(limit=2) == 5

    assert [version for *_, version in positions(database)] == [1, 2, 3, 4, 5]


def test_a_big_backlog_is_sequenced_batch_by_batch(database: Database) -> None:
    ids = [uuid4() for _ in range(700)]
    for version in (1, 2):
        rows = [dict(recorded_at=AT, runs=encode_runs(stored(id, version))) for id in ids]
        with database.transaction() as connection:
            connection.execute(insert(pending), rows)
    sequencer = Sequencer(database)

    assert [sequencer.step() for _ in range(4)] == [500, 500, 400, 0]

    expected = [(id, version) for version in (1, 2) for id in ids]
    assert [row[1:] for row in positions(database)] == expected
    assert [row[0] for row in positions(database)] == list(range(1, 1401))


class Overtaken(Sequencer):
    """Another sequencer does its work while this one thinks."""

    def _plan(self, limit: int) -> Any:
        plan = super()._plan(limit)
        assert Sequencer(self._database).step(1) == 1
        return plan


@on_mysql
def test_a_step_is_three_round_trips(database: Database) -> None:
    """What is pending, what of it may come now, and all that is written."""
    commit(database, *stored(A, 1))
    assert Sequencer(database).step() == 1
    commit(database, *stored(A, 2), *stored(B, 1))

    with database_round_trips() as sent:
        assert Sequencer(database).step() == 2

    assert len(sent) == 3


def test_of_two_sequencers_one_wins(database: Database) -> None:
    commit(database, *stored(A, 1))
    commit(database, *stored(B, 1))

    assert Overtaken(database).step() == 0

    assert positions(database) == [(1, A, 1)]
    assert Sequencer(database).step() == 1
    assert positions(database) == [(1, A, 1), (2, B, 1)]
    assert list(verify(database)) == []


def test_a_step_that_fails_changes_nothing(database: Database) -> None:
    class Failing(Sequencer):
        def _write(self, *arguments: Any) -> int:
            with self._database.transaction():
                super()._write(*arguments)
                raise KeyError

    commit(database, *stored(A, 1))

    with pytest.raises(KeyError):
        Failing(database).step()

    assert positions(database) == []
    assert waiting(database) == 1


def test_an_event_that_would_be_sequenced_twice_is_no_lost_race(database: Database) -> None:
    commit(database, *stored(A, 1))
    with database.transaction() as connection:
        connection.execute(insert(pending), dict(recorded_at=AT, runs=encode_runs(stored(A, 1))))

    with pytest.raises(IntegrityError):
        Sequencer(database).step()

    assert positions(database) == []


@on_mysql
def test_a_writer_that_pauses_before_its_commit_stalls_nobody(database: Database) -> None:
    other = Database(database.url)
    recorder = EventRecorder(database)
    recorder.insert_events(stored(A, 1))
    with other.transaction():
        EventRecorder(other).insert_events(stored(B, 1))
        send_early(other)
        recorder.insert_events(stored(C, 1))

        assert Sequencer(database).step() == 2
        assert positions(database) == [(1, A, 1), (2, C, 1)]

        recorder.insert_events(stored(A, 2))
        assert Sequencer(database).step() == 1

    assert Sequencer(database).step() == 1
    assert positions(database)[-1] == (4, B, 1)
    other.close()


@on_sqlite
def test_on_sqlite_a_commit_has_its_positions_at_once(database: Database) -> None:
    EventRecorder(database).insert_events([*stored(A, 1), *stored(B, 1)])

    assert positions(database) == [(1, A, 1), (2, B, 1)]
    assert waiting(database) == 0


def test_runs_are_short_and_keep_the_order() -> None:
    events = [*stored(A, *range(1, 1001)), *stored(B, 7), *stored(A, 1001, 1002)]

    encoded = encode_runs(events)

    assert len(encoded) == 72
    assert decode_runs(encoded) == (
        Run(A.bytes, 1, 1000),
        Run(B.bytes, 7, 1),
        Run(A.bytes, 1001, 2),
    )
    assert list(Commit(1, decode_runs(encoded)).places) == places(events)


def test_a_run_has_no_holes() -> None:
    events = [*stored(A, 1, 3), *stored(A, 2)]

    assert list(Commit(1, decode_runs(encode_runs(events))).places) == places(events)


def test_whatever_the_order_of_arrival_every_stream_keeps_its_own() -> None:
    dice = random.Random(20260301)
    for _ in range(200):
        next_versions = dict.fromkeys([A, B, C], 1)
        commits = []
        for number in range(12):
            chosen = dice.sample([A, B, C], dice.randint(1, 3))
            events = [e for id in chosen for e in stored(id, next_versions[id])]
            for id in chosen:
                next_versions[id] += 1
            commits.append(Commit(number, decode_runs(encode_runs(events))))
        arrived = dice.sample(commits, len(commits))
        early, late = arrived[: len(arrived) // 2], arrived[len(arrived) // 2 :]

        first = in_order(early, [])
        done = {place for each in first for place in each.places}
        left = [each for each in arrived if each not in first]
        second = in_order(left, done & set(predecessors(left)))

        assert len(first) + len(second) == len(commits), (early, late)
        for id in (A, B, C):
            order = [v for each in first + second for i, v in each.places if i == id.bytes]
            assert order == sorted(order)


def places(events: list[StoredEvent]) -> list[Place]:
    return [(UUID(str(e.originator_id)).bytes, e.originator_version) for e in events]
