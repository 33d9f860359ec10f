"""What the library asks for its parts; the parts are ours."""

from __future__ import annotations

from typing import Any, NoReturn

from eventsourcing.persistence import InfrastructureFactory, TrackingRecorder

from infrastructure.database import Database
from infrastructure.event_store.recorder import EventRecorder, SnapshotRecorder


class Factory(InfrastructureFactory[TrackingRecorder]):
    """Recorders on one database. Read models keep their own checkpoints: no tracking here."""

    def __init__(self, database: Database) -> None:
        super().__init__(env=None)
        self._database = database

    def application_recorder(self) -> EventRecorder:
        return EventRecorder(self._database)

    def aggregate_recorder(self, purpose: str = "events") -> EventRecorder | SnapshotRecorder:
        recorder = SnapshotRecorder if purpose == "snapshots" else EventRecorder
        return recorder(self._database)

    def tracking_recorder(self, tracking_recorder_class: Any = None) -> NoReturn:
        raise NotImplementedError("read models keep their checkpoints beside their rows")

    def process_recorder(self) -> NoReturn:
        raise NotImplementedError("read models keep their checkpoints beside their rows")
