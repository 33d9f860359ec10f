"""The library's application on our database, with our codec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import EventStore, Mapper
from eventsourcing.utils import Environment, EnvType

from domain.kernel import A, Recorded
from infrastructure.database import Database
from infrastructure.event_store.factory import Factory
from infrastructure.event_store.mapper import EventMapper


class BatchingEventStore(EventStore[UUID]):
    """Encodes and decodes many events at once: their subjects' keys are fetched together."""

    mapper: EventMapper

    def put(self, domain_events: Any, **kwargs: Any) -> list[Any]:
        self.recorder.insert_events(self.mapper.to_stored_events(domain_events), **kwargs)
        return []

    def get(self, originator_id: UUID, **bounds: Any) -> Iterator[Any]:
        stored = self.recorder.select_events(originator_id, **bounds)
        return iter(self.mapper.to_domain_events(stored))


class EventApplication(Application[UUID]):
    name = "mechanic_shop"

    def __init__(self, database: Database, mapper: EventMapper) -> None:
        self._given = database, mapper
        super().__init__()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Empty: settings come from our own, never from variables the library knows."""
        return Environment(name)

    def construct_factory(self, env: Environment) -> Factory:
        return Factory(self._given[0])

    def construct_mapper(self) -> Mapper[UUID]:
        return self._given[1]

    def construct_event_store(self) -> EventStore[UUID]:
        return BatchingEventStore(self.mapper, self.recorder)


def own_history(kind: type[A], history: list[Recorded[Any]]) -> list[Recorded[Any]]:
    """Nothing if the id is that of an aggregate of another kind."""
    if not history:
        return history
    tag = type(history[0].event).__struct_config__.tag
    return history if str(tag).startswith(f"{kind.stream}.") else []
