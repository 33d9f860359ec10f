"""Given events, when a command, then events: of all aggregates, in one commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from commands.execution import execute
from commands.kernel import Command, Context, Receipt
from commands.store import Key
from domain.claim import ClaimKind, ClaimTaken
from domain.kernel import Event
from tests.builders import (
    CUSTOMER_ID,
    ITEM_ID,
    MECHANIC_ID,
    OTHER_ACCOUNT_ID,
    TICKET_ID,
    VEHICLE_ID,
    customer_registered,
    customer_ticket_opened,
    item_added,
    mechanic_hired,
    received,
    ticket_opened,
    vehicle_registered,
    vehicle_ticket_opened,
)
from tests.commands.memory import MemoryStore, claim_id
from tests.given import SOME_DAY, history

NOW = SOME_DAY + timedelta(days=1)
Past = Mapping[UUID, Sequence[Event]]

READY: Past = {
    CUSTOMER_ID: [customer_registered()],
    VEHICLE_ID: [vehicle_registered()],
    MECHANIC_ID: [mechanic_hired()],
    ITEM_ID: [item_added(), received()],
}
"""A customer with a vehicle, a mechanic, ten units on the shelf."""
BUSY: Past = {
    **READY,
    CUSTOMER_ID: [customer_registered(), customer_ticket_opened()],
    VEHICLE_ID: [vehicle_registered(), vehicle_ticket_opened()],
    TICKET_ID: [ticket_opened()],
}
"""And an open ticket on it."""


def owned(kind: ClaimKind, value: str, owner_id: UUID) -> Past:
    """The stream of a unique value that belongs to somebody; `value` in lower case."""
    return {claim_id(kind, value): [ClaimTaken(kind=kind, owner_id=owner_id)]}


class Shop:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.naps: list[float] = []
        self.now: datetime = NOW
        self._known: dict[UUID, int] = {}

    def given(self, past: Past, more: Past | None = None) -> None:
        """These streams as they are; `more` goes on where they end."""
        for id in [*past, *(more or {})]:
            events = [*past.get(id, []), *(more or {}).get(id, [])]
            self.store.streams[id] = history(*events, id=id)
        self._known = {id: len(stream) for id, stream in self.store.streams.items()}

    def when(
        self,
        command: Command,
        *,
        actor: UUID | None = OTHER_ACCOUNT_ID,
        key: Key | None = None,
        expected_version: int | None = None,
    ) -> Receipt:
        context = Context(
            actor=actor,
            role="admin",
            correlation_id="request-1",
            key=key,
            expected_version=expected_version,
        )
        return execute(
            command, context, store=self.store, clock=lambda: self.now, sleep=self.naps.append
        )

    @property
    def then(self) -> Past:
        """What happened since, by aggregate."""
        return {
            id: [recorded.event for recorded in stream[self._known.get(id, 0) :]]
            for id, stream in self.store.streams.items()
            if len(stream) > self._known.get(id, 0)
        }

    def past(self) -> Past:
        """Everything that ever happened, by aggregate."""
        return {id: [r.event for r in stream] for id, stream in self.store.streams.items()}

    def once_before_commit(self, rival: Callable[[], object]) -> None:
        """Let another come first, the next time something is about to be committed."""

        def slip_in() -> None:
            self.store.before_commit = lambda: None
            rival()

        self.store.before_commit = slip_in
