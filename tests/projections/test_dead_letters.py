"""Parked streams: told with all one needs to know, and healed once their events can be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from domain.customer import CustomerErased
from domain.kernel import Recorded
from infrastructure.event_store.tables import events
from infrastructure.runtime import Runtime
from infrastructure.verifying import verification
from projections.kernel import Fold, Row
from projections.tables import tables
from projections.tokens import NOTHING_SEEN
from projections.views import FOLDS
from tests import builders as b
from tests.plaintext import everywhere, found
from tests.projections.views import contents, parked, record, rewind, settle

MARK, LATER = "the poisoned one", "poisoned too"


class Bug:
    """In the fold of one kind, until it is fixed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: str = "ticket") -> None:
        self._patch, self._kind, self._right = monkeypatch, kind, FOLDS[kind]

    def evolve(self, *marks: str) -> None:
        fold = self._right

        def evolve(state: Any, recorded: Recorded[Any]) -> Any:
            event = recorded.event
            if getattr(event, "description", getattr(event, "name", None)) in marks:
                raise ZeroDivisionError("a bug")
            return fold.evolve(state, recorded)

        self._use(replace(fold, evolve=evolve))

    def rows(self, mark: str, row: Callable[[], dict[str, Any]]) -> None:
        fold = self._right

        def rows(state: Any) -> Iterator[Row]:
            for name, each in fold.rows(state):
                yield name, each | (row() if state.view.description == mark else {})

        self._use(replace(fold, rows=rows))

    def fixed(self) -> None:
        self._use(self._right)

    def _use(self, fold: Fold[Any]) -> None:
        self._patch.setitem(FOLDS, self._kind, fold)


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> Bug:
    return Bug(monkeypatch)


def history(runtime: Runtime) -> None:
    first = {b.TICKET_ID: [b.ticket_opened(), b.ticket_changed(description=MARK)]}
    record(runtime.store, first)
    settle(runtime)
    record(
        runtime.store,
        {b.TICKET_ID: [b.mechanic_assigned(), b.part_issued()]},
        {b.OTHER_TICKET_ID: [b.ticket_opened(ro_number=2), b.mechanic_assigned()]},
        {b.TICKET_ID: [b.ticket_changed(description=LATER), b.labor_added()]},
    )
    settle(runtime)


def as_if_never_parked(runtime: Runtime) -> None:
    healed = contents(runtime.database)
    with verification(runtime, 1) as (verified, _):
        assert list(verified.everything()) == []
    rewind(runtime.database)
    settle(runtime)
    assert contents(runtime.database) == healed
    assert not parked(runtime)


def test_a_letter_tells_what_cannot_be_shown_and_what_waits(runtime: Runtime, bug: Bug) -> None:
    bug.evolve(MARK)
    history(runtime)

    (letter,) = runtime.dead_letters.all(1)

    assert (letter.stream_id, letter.version, letter.position) == (b.TICKET_ID, 2, 2)
    assert (letter.topic, letter.waiting) == ("ticket.details-changed", 5)
    assert letter.error == "ZeroDivisionError: a bug"
    assert runtime.dead_letters.count(1) == 1


def test_once_the_bug_is_fixed_a_stream_is_healed(runtime: Runtime, bug: Bug) -> None:
    bug.evolve(MARK)
    history(runtime)
    stale = runtime.queries.get("ticket", b.TICKET_ID, NOTHING_SEEN)
    assert stale is not None
    assert stale.version == 1
    bug.fixed()

    assert runtime.dead_letters.retry(1, b.TICKET_ID) is None

    assert runtime.dead_letters.all(1) == []
    served = runtime.queries.get("ticket", b.TICKET_ID, NOTHING_SEEN)
    assert served is not None
    assert served.version == 6
    as_if_never_parked(runtime)


def test_what_a_reader_brings_late_is_not_shown_after_a_healing(runtime: Runtime, bug: Bug) -> None:
    bug.evolve(MARK)
    history(runtime)
    cache: Any = runtime.queries._cache
    filled: list[tuple[Any, ...]] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cache, "look", lambda *_: (None, None))
        patched.setattr(cache, "fill", lambda *given: filled.append(given))
        runtime.queries.get("ticket", b.TICKET_ID, NOTHING_SEEN)
    bug.fixed()
    assert runtime.dead_letters.retry(1, b.TICKET_ID) is None

    cache.fill(*filled[0])

    served = runtime.queries.get("ticket", b.TICKET_ID, NOTHING_SEEN)
    assert served is not None
    assert served.version == 6


def test_a_stream_that_still_fails_stays_parked_and_says_why(runtime: Runtime, bug: Bug) -> None:
    bug.evolve(MARK)
    history(runtime)
    before = contents(runtime.database)

    assert runtime.dead_letters.retry(1, b.TICKET_ID) == "ZeroDivisionError: a bug"

    assert contents(runtime.database) == before


def test_as_far_as_it_can_be_shown_it_is(runtime: Runtime, bug: Bug) -> None:
    bug.evolve(MARK, LATER)
    history(runtime)
    bug.evolve(LATER)

    assert runtime.dead_letters.retry(1, b.TICKET_ID) == "ZeroDivisionError: a bug"

    (letter,) = runtime.dead_letters.all(1)
    assert (letter.version, letter.waiting) == (5, 2)
    shown = {row["id"]: row["version"] for row in contents(runtime.database)["tickets"]}
    assert shown[b.TICKET_ID] == 4
    bug.fixed()
    assert runtime.dead_letters.retry(1, b.TICKET_ID) is None
    as_if_never_parked(runtime)


def test_rows_that_cannot_be_made_name_the_event_to_blame(runtime: Runtime, bug: Bug) -> None:
    def fails() -> dict[str, Any]:
        raise ZeroDivisionError("a bug")

    bug.rows(MARK, fails)
    history(runtime)
    bug.rows(LATER, fails)

    assert runtime.dead_letters.retry(1, b.TICKET_ID) == "ZeroDivisionError: a bug"

    assert parked(runtime) == {b.TICKET_ID: 5}


def test_rows_that_the_database_refuses_leave_everything_as_it_was(
    runtime: Runtime, bug: Bug
) -> None:
    bug.evolve(MARK)
    history(runtime)
    before = contents(runtime.database)
    bug.rows(LATER, lambda: {"status": None})

    why = runtime.dead_letters.retry(1, b.TICKET_ID)

    assert why is not None
    assert why.startswith("the database refuses its rows")
    assert contents(runtime.database) == before


def test_a_state_that_was_damaged_is_folded_from_the_first_event(runtime: Runtime) -> None:
    history(runtime)
    table = tables(1)["streams"]
    of = table.c.id == b.TICKET_ID
    with runtime.database.transaction() as connection:
        connection.execute(update(table).where(of).values(state=b"{}"))
    record(runtime.store, {b.TICKET_ID: [b.ticket_closed()]})
    settle(runtime)
    assert parked(runtime) == {b.TICKET_ID: 7}

    assert runtime.dead_letters.retry(1, b.TICKET_ID) is None

    versions = {row["id"]: row["version"] for row in contents(runtime.database)["tickets"]}
    assert versions[b.TICKET_ID] == 7


def test_whoever_was_erased_while_parked_is_healed_without_a_name(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = Bug(monkeypatch, "customer")
    bug.evolve(MARK)
    record(
        runtime.store,
        {b.CUSTOMER_ID: [b.customer_registered(name="Customer Gone", phone="+1 555 7")]},
        {b.CUSTOMER_ID: [b.customer_changed(name=MARK), CustomerErased()]},
    )
    settle(runtime)
    assert not contents(runtime.database)["customers"]
    assert runtime.dead_letters.retry(1, b.CUSTOMER_ID) == "ZeroDivisionError: a bug"
    assert found(["Customer Gone"], everywhere(runtime)) == set()
    bug.fixed()

    assert runtime.dead_letters.retry(1, b.CUSTOMER_ID) is None

    served = runtime.queries.get("customer", b.CUSTOMER_ID, NOTHING_SEEN)
    assert served is not None
    assert b'"erased":true' in served.body
    assert found(["Customer Gone"], everywhere(runtime)) == set()
    as_if_never_parked(runtime)


def test_a_stream_that_is_not_parked_is_not_retried(runtime: Runtime) -> None:
    history(runtime)

    with pytest.raises(LookupError, match="is not parked"):
        runtime.dead_letters.retry(1, b.TICKET_ID)


def test_bytes_that_were_repaired_heal_their_stream(runtime: Runtime) -> None:
    history(runtime)
    (good,) = _bytes(runtime, b.TICKET_ID, 3, b"{no event")
    rewind(runtime.database)
    settle(runtime)
    assert parked(runtime) == {b.TICKET_ID: 3}

    _bytes(runtime, b.TICKET_ID, 3, good)
    assert runtime.dead_letters.retry(1, b.TICKET_ID) is None

    as_if_never_parked(runtime)


def _bytes(runtime: Runtime, id: UUID, version: int, state: bytes) -> list[bytes]:
    """What was there before."""
    of = (events.c.originator_id == id) & (events.c.originator_version == version)
    with runtime.database.transaction() as connection:
        before = list(connection.execute(select(events.c.state).where(of)).scalars())
        connection.execute(update(events).where(of).values(state=state))
    return before
