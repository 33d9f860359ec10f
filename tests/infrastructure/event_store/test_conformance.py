"""The cases that the eventsourcing library has for every recorder, on ours."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from eventsourcing.persistence import StoredEvent
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)

from infrastructure.database import Database
from infrastructure.event_store.feed import Feed
from infrastructure.event_store.mapper import EventMapper
from infrastructure.event_store.recorder import EventRecorder, SnapshotRecorder
from infrastructure.event_store.sequencer import Sequencer

THREADS = 16


class SequencingRecorder(EventRecorder):
    """Answers with positions, as the cases expect: sequences after each commit."""

    def __init__(self, database: Database, mapper: EventMapper) -> None:
        super().__init__(database)
        self._steps = Sequencer(database)
        self._feed = Feed(database, mapper)

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        super().insert_events(stored_events, **kwargs)
        if not stored_events:
            return None
        last: Any = stored_events[-1]
        while True:
            position = self._feed.position_of(last.originator_id, last.originator_version)
            if position is not None:
                return list(range(position - len(stored_events) + 1, position + 1))
            self._steps.step()


class OnDatabase:
    leg: ClassVar[str]
    database: Database

    @pytest.fixture(autouse=True)
    def opened(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
        if self.leg == "sqlite":
            file = tmp_path / "shop.sqlite"
            shutil.copy(request.getfixturevalue("migrated_sqlite"), file)
            url = f"sqlite:///{file}"
        else:
            url = request.getfixturevalue("migrated_mysql").emptied()
        self.database = Database(url, pool_size=THREADS)
        yield
        self.database.close()

    def sequencing_recorder(self) -> SequencingRecorder:
        unused: Any = None
        return SequencingRecorder(self.database, unused)


class OnSQLite(OnDatabase):
    leg = "sqlite"


class OnMySQL(OnDatabase):
    leg = "mysql"


class TestSnapshotRecorderOnSQLite(OnSQLite, AggregateRecorderTestCase):
    def create_recorder(self) -> SnapshotRecorder:
        return SnapshotRecorder(self.database)


class TestSnapshotRecorderOnMySQL(OnMySQL, AggregateRecorderTestCase):
    def create_recorder(self) -> SnapshotRecorder:
        return SnapshotRecorder(self.database)


class TestEventRecorderOnSQLite(OnSQLite, ApplicationRecorderTestCase[EventRecorder]):
    def create_recorder(self) -> EventRecorder:
        return self.sequencing_recorder()

    def test_subscription(self) -> None:
        self.optional_test_insert_subscribe()


class TestEventRecorderOnMySQL(OnMySQL, ApplicationRecorderTestCase[EventRecorder]):
    def create_recorder(self) -> EventRecorder:
        return self.sequencing_recorder()

    def test_subscription(self) -> None:
        self.optional_test_insert_subscribe()


class TestCommitsDoNotInterleaveOnSQLite(OnSQLite, NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> EventRecorder:
        return self.sequencing_recorder()


class TestCommitsDoNotInterleaveOnMySQL(OnMySQL, NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> EventRecorder:
        return self.sequencing_recorder()


del AggregateRecorderTestCase, ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase
