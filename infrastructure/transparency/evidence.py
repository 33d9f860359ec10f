"""What proves a ticket's history to somebody who has neither our database nor our network."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import msgspec

from infrastructure.database import Database
from infrastructure.transparency import reading
from infrastructure.transparency.log import BrokenLog, Head, TransparencyLog, find_head
from infrastructure.transparency.merkle import Hashes, Span, consistency, inclusion
from infrastructure.transparency.verifier import BUNDLE_FORMAT, Event
from projections.queries import ProjectionBehind, Queries
from projections.tickets import TicketView
from projections.tokens import NOTHING_SEEN
from projections.views import fingerprint

WAIT_SECONDS = 3.0
POLL_SECONDS = 0.05
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StoredEvent(msgspec.Struct):
    """An event of the ticket exactly as it is stored."""

    position: int
    version: int
    topic: str
    recorded_at: datetime
    commit_id: UUID
    state: str


class Continuation(msgspec.Struct):
    """Proves that the checkpoint continues an older one of that size."""

    size: int
    proof: list[str]


class NamedCustomer(msgspec.Struct):
    """The customer as known today; the name is null once erased."""

    id: UUID
    name: str | None


class Evidence(msgspec.Struct):
    """A ticket's whole history, proven: events as stored, a signed checkpoint, the public keys,
    and what the fold of these events shows. Check it with `mechanic-shop audit verify`.

    Hashes and stored bytes are in base64. `leaves` are the hashes that the log has for the
    events, one behind the other; `proof` is what leads from them to the root, as
    docs/auditing.md says. `state_sha256` is that of the state as compact JSON; `fold` names
    the code that made it of the events.
    """

    format: str
    ticket_id: UUID
    events: list[StoredEvent]
    leaves: str
    proof: str
    checkpoint: str
    keys: list[str]
    consistency: Continuation | None
    state: TicketView
    state_sha256: str
    fold: str
    customer: NamedCustomer


class SinceBeyondLog(Exception):
    """The log holds fewer events than the checkpoint that is to be continued."""


class EvidenceRoom:
    def __init__(self, database: Database, log: TransparencyLog, queries: Queries) -> None:
        self._database, self._log, self._queries = database, log, queries

    def of_ticket(self, id: UUID, since: int | None = None) -> tuple[Evidence, Head] | None:
        """Everything that happened to it up to now, proven to the checkpoint of today.

        `None` if there is no such ticket. Raises `ProjectionBehind` if its last event does not
        get into the log in time, `SinceBeyondLog`, and `BrokenLog`.
        """
        entry = self._queries.at("ticket", id)
        if entry is None:
            return None
        customer_id = msgspec.json.decode(entry.body)["customer_id"]
        self._wait_for(lambda: self._logged(id, entry.version))
        with self._database.snapshot() as connection:
            head = find_head(connection)
            assert head is not None, "the wait has seen it"
            if since is not None and since > head.size:
                raise SinceBeyondLog(f"the log holds {head.size} events")
            stored = reading.of_stream(connection, id)[: entry.version]
            events = list(_whole(stored))
            leaves, proof, continuation = self._proven(events, head, since)
        evidence = Evidence(
            format=BUNDLE_FORMAT,
            ticket_id=id,
            events=[stored_event(event) for event in events],
            leaves=leaves,
            proof=proof,
            checkpoint=head.note,
            keys=[key.public_key for key in self._log.signers.published()],
            consistency=continuation,
            state=cast(Any, msgspec.Raw(entry.body)),
            state_sha256=sha256(entry.body).hexdigest(),
            fold=fingerprint(),
            customer=self._customer(UUID(customer_id)),
        )
        return evidence, head

    def _logged(self, id: UUID, version: int) -> bool:
        with self._database.reading() as connection:
            head = find_head(connection)
            position = reading.position_of(connection, id, version)
        return head is not None and position is not None and position <= head.size

    @staticmethod
    def _wait_for(happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not happened():
            if time.monotonic() > deadline:
                raise ProjectionBehind("the log does not hold the ticket's last event yet")
            time.sleep(POLL_SECONDS)

    def _proven(
        self, events: Sequence[Event], head: Head, since: int | None
    ) -> tuple[str, str, Continuation | None]:
        """The leaves as the log has them, what leads from them to the root, and what leads
        from an older one."""
        indexes = [event.position - 1 for event in events]
        leaves, beside = [(at, at + 1) for at in indexes], inclusion(indexes, head.size)
        older = consistency(since, head.size) if since is not None else []
        hashes = self._log.hashes([*leaves, *beside, *older])
        try:
            logged, proof = _joined(hashes, leaves), _joined(hashes, beside)
            continuation = Continuation(since, encoded(hashes, older)) if since else None
        except LookupError as missing:
            raise BrokenLog(f"the log has lost hashes at {head.size}: {missing}") from missing
        return logged, proof, continuation

    def _customer(self, id: UUID) -> NamedCustomer:
        served = self._queries.get("customer", id, NOTHING_SEEN)
        return NamedCustomer(id, msgspec.json.decode(served.body)["name"] if served else None)


def _whole(stored: Iterable[Event | reading.Broken]) -> Iterator[Event]:
    for event in stored:
        if isinstance(event, reading.Broken):
            raise BrokenLog(f"the event at {event.position} {event.why}")
        yield event


def encoded(hashes: Hashes, spans: Sequence[Span]) -> list[str]:
    """A proof as JSON carries it."""
    return [b64encode(hashes.of(span)).decode() for span in spans]


def _joined(hashes: Hashes, spans: Sequence[Span]) -> str:
    return b64encode(b"".join([hashes.of(span) for span in spans])).decode()


def stored_event(event: Event) -> StoredEvent:
    return StoredEvent(
        position=event.position,
        version=event.version,
        topic=event.topic,
        recorded_at=EPOCH + timedelta(microseconds=event.recorded_at),
        commit_id=UUID(bytes=event.commit_id),
        state=b64encode(event.state).decode(),
    )
