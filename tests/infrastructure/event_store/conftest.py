"""The event store on an empty database."""

from __future__ import annotations

import pytest

from infrastructure.database import Database
from infrastructure.event_store.store import EventStore
from tests.infrastructure.event_store.stores import event_store


@pytest.fixture
def store(database: Database) -> EventStore:
    return event_store(database)
