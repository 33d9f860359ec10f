"""An event that cannot be shown parks its stream, and nothing else waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from domain.customer import CustomerErased
from domain.kernel import Recorded
from infrastructure.event_store.keyring import subject_keys
from infrastructure.event_store.tables import events
from infrastructure.preparing import rebuild
from infrastructure.runtime import Runtime
from projections.history import CannotBeShown
from projections.kernel import Fold, Row
from projections.tables import tables
from projections.tokens import NOTHING_SEEN
from projections.views import FOLDS
from tests import builders as b
from tests.plaintext import everywhere, found
from tests.projections.views import checkpoint, contents, parked, record, settle

MARK = "the poisoned one"


@pytest.fixture
def history_with_poison(runtime: Runtime) -> Callable[[], None]:
    """A ticket whose second event is poison, between events of other streams."""

    def make() -> None:
        record(
            runtime.store,
            {b.CUSTOMER_ID: [b.customer_registered()], b.TICKET_ID: [b.ticket_opened()]},
            {b.ITEM_ID: [b.item_added()]},
            {b.TICKET_ID: [b.ticket_changed(description=MARK)]},
            {b.TICKET_ID: [b.mechanic_assigned()], b.ITEM_ID: [b.received()]},
            {b.OTHER_TICKET_ID: [b.ticket_opened(ro_number=2)]},
        )

    return make


def fold_with(fold: Fold[Any], **changes: Any) -> Fold[Any]:
    return replace(fold, **changes)


def evolve_fails(fold: Fold[Any]) -> Fold[Any]:
    def evolve(state: Any, recorded: Recorded[Any]) -> Any:
        if getattr(recorded.event, "description", None) == MARK:
            raise ZeroDivisionError("a bug")
        return fold.evolve(state, recorded)

    return fold_with(fold, evolve=evolve)


def rows_fail(fold: Fold[Any]) -> Fold[Any]:
    def rows(state: Any) -> Iterator[Row]:
        if state.view.description == MARK:
            raise ZeroDivisionError("a bug")
        return fold.rows(state)

    return fold_with(fold, rows=rows)


def rows_do_not_fit(fold: Fold[Any]) -> Fold[Any]:
    def rows(state: Any) -> Iterator[Row]:
        for name, row in fold.rows(state):
            yield name, row | ({"status": None} if state.view.description == MARK else {})

    return fold_with(fold, rows=rows)


def number_does_not_fit(fold: Fold[Any]) -> Fold[Any]:
    def rows(state: Any) -> Iterator[Row]:
        for name, row in fold.rows(state):
            yield name, row | ({"version": 2**70} if state.view.description == MARK else {})

    return fold_with(fold, rows=rows)


BUGS = [evolve_fails, rows_fail, rows_do_not_fit, number_does_not_fit]


@pytest.mark.parametrize("bug", BUGS)
def test_a_fold_that_fails_parks_the_stream(
    runtime: Runtime,
    history_with_poison: Callable[[], None],
    bug: Callable[[Fold[Any]], Fold[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(FOLDS, "ticket", bug(FOLDS["ticket"]))
    history_with_poison()
    settle(runtime)

    _only_the_ticket_is_parked(runtime)


def test_a_batch_with_poison_is_still_done_in_one_step(
    runtime: Runtime, history_with_poison: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer events than asked for mean that there are no more."""
    monkeypatch.setitem(FOLDS, "ticket", rows_do_not_fit(FOLDS["ticket"]))
    history_with_poison()
    while runtime.sequencer.step():
        continue

    assert runtime.runner.step(1) == runtime.feed.position() == checkpoint(runtime.database)


def test_bytes_that_make_no_event_park_the_stream(
    runtime: Runtime, history_with_poison: Callable[[], None]
) -> None:
    history_with_poison()
    _damage(runtime, b.TICKET_ID, 2)
    settle(runtime)

    _only_the_ticket_is_parked(runtime)
    (letter,) = contents(runtime.database)["dead_letters"]
    assert "UndecodableEvent" in letter["error"]
    assert (letter["topic"], letter["position"]) == ("ticket.details-changed", 4)


def test_a_key_that_cannot_be_opened_parks_its_person(runtime: Runtime) -> None:
    record(
        runtime.store,
        {b.CUSTOMER_ID: [b.customer_registered()], b.TICKET_ID: [b.ticket_opened()]},
        {b.OTHER_CUSTOMER_ID: [b.customer_registered()]},
    )
    with runtime.database.transaction() as connection:
        of = subject_keys.c.subject_id == b.CUSTOMER_ID
        connection.execute(update(subject_keys).where(of).values(wrapped=b"damaged" * 9))
    settle(runtime)

    assert parked(runtime) == {b.CUSTOMER_ID: 1}
    shown = contents(runtime.database)
    assert [row["id"] for row in shown["customers"]] == [b.OTHER_CUSTOMER_ID]


def test_what_comes_later_waits_behind_the_poison(
    runtime: Runtime, history_with_poison: Callable[[], None]
) -> None:
    history_with_poison()
    _damage(runtime, b.TICKET_ID, 2)
    settle(runtime)
    record(
        runtime.store,
        {b.TICKET_ID: [b.ticket_changed(description="later")]},
        {b.OTHER_TICKET_ID: [b.ticket_changed(description="later")]},
    )
    settle(runtime)

    _only_the_ticket_is_parked(runtime)
    shown = {row["id"]: row["version"] for row in contents(runtime.database)["tickets"]}
    assert shown == {b.TICKET_ID: 1, b.OTHER_TICKET_ID: 2}


def test_a_parked_stream_is_served_as_it_was_before(
    runtime: Runtime, history_with_poison: Callable[[], None]
) -> None:
    history_with_poison()
    _damage(runtime, b.TICKET_ID, 2)
    settle(runtime)

    served = runtime.queries.get("ticket", b.TICKET_ID, NOTHING_SEEN)

    assert served is not None
    assert served.version == 1


@pytest.mark.parametrize("bug", [evolve_fails, rows_fail])
def test_once_repaired_a_rebuild_shows_everything(
    runtime: Runtime,
    history_with_poison: Callable[[], None],
    bug: Callable[[Fold[Any]], Fold[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repaired = FOLDS["ticket"]
    monkeypatch.setitem(FOLDS, "ticket", bug(repaired))
    history_with_poison()
    settle(runtime)
    monkeypatch.setitem(FOLDS, "ticket", repaired)

    generation = rebuild(runtime, runtime.generations.create())

    shown = contents(runtime.database, generation)
    assert not shown["dead_letters"]
    assert {row["id"]: row["version"] for row in shown["tickets"]} == {
        b.TICKET_ID: 3,
        b.OTHER_TICKET_ID: 1,
    }


def test_a_database_that_fails_while_events_are_read_parks_nobody(
    runtime: Runtime,
    history_with_poison: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(_: object) -> None:
        raise OperationalError("SELECT keys", {}, Exception("the server has gone away"))

    history_with_poison()
    while runtime.sequencer.step():
        continue
    with monkeypatch.context() as patched:
        patched.setattr(runtime.keyring, "keys_of", away)
        with pytest.raises(OperationalError):
            runtime.runner.step(1)

    assert checkpoint(runtime.database) == 0
    settle(runtime)
    assert not parked(runtime)


@pytest.mark.parametrize("poison", [2, 3])
def test_an_erasure_takes_the_person_away_though_the_stream_is_parked(
    runtime: Runtime, poison: int
) -> None:
    _registered_and_read(runtime)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(phone="+1 555 1"), ERASED]})
    _damage(runtime, b.CUSTOMER_ID, poison)
    settle(runtime)

    assert parked(runtime) == {b.CUSTOMER_ID: poison}
    assert found(PERSON.values(), everywhere(runtime)) == set()
    shown = contents(runtime.database)
    assert [row["id"] for row in shown["customers"]] == [b.OTHER_CUSTOMER_ID]
    assert [row["id"] for row in shown["streams"]] == [b.OTHER_CUSTOMER_ID]


@pytest.mark.parametrize(("poison", "shown_version"), [(2, 3), (3, 2)])
def test_whoever_is_erased_while_parked_reads_as_erased(
    runtime: Runtime, poison: int, shown_version: int
) -> None:
    _registered_and_read(runtime)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(phone="+1 555 1"), ERASED]})
    runtime.keyring.forget(b.CUSTOMER_ID)
    _damage(runtime, b.CUSTOMER_ID, poison)

    def read() -> Any:
        served = runtime.queries.at("customer", b.CUSTOMER_ID)
        assert served is not None
        assert served == runtime.queries.at("customer", b.CUSTOMER_ID, version=3)
        return msgspec.json.decode(served.body)

    before = read()
    settle(runtime)
    assert parked(runtime) == {b.CUSTOMER_ID: poison}
    served = runtime.queries.get("customer", b.CUSTOMER_ID, NOTHING_SEEN)

    assert served is not None
    assert msgspec.json.decode(served.body) == before == read()
    assert [before[name] for name in ("name", "email", "phone", "address")] == [None] * 4
    assert before["version"] == shown_version
    assert before["erased"] is (poison == 2), "as far as it can be shown"


def test_whoever_is_erased_and_could_never_be_shown_is_not_there(runtime: Runtime) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered(), ERASED]})
    runtime.keyring.forget(b.CUSTOMER_ID)
    _damage(runtime, b.CUSTOMER_ID, 1)
    settle(runtime)

    assert parked(runtime) == {b.CUSTOMER_ID: 1}
    assert runtime.queries.get("customer", b.CUSTOMER_ID, NOTHING_SEEN) is None


def test_before_the_erasure_nothing_is_read_as_erased(runtime: Runtime) -> None:
    _registered_and_read(runtime)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(), b.customer_changed(), ERASED]})
    _damage(runtime, b.CUSTOMER_ID, 2)

    with pytest.raises(CannotBeShown):
        runtime.queries.at("customer", b.CUSTOMER_ID, version=3)
    assert runtime.queries.at("customer", b.CUSTOMER_ID, version=4) is not None


def test_an_erasure_long_after_the_poison_takes_the_person_away(runtime: Runtime) -> None:
    _registered_and_read(runtime)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed()]})
    _damage(runtime, b.CUSTOMER_ID, 2)
    settle(runtime)
    assert found([PERSON["name"]], everywhere(runtime)), "what was readable is served on"

    record(runtime.store, {b.CUSTOMER_ID: [ERASED]})
    settle(runtime)

    assert found(PERSON.values(), everywhere(runtime)) == set()


def test_an_erasure_that_cannot_be_shown_takes_the_person_away(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = FOLDS["customer"]

    def rows(view: Any) -> Iterator[Row]:
        for name, row in fold.rows(view):
            yield name, row | ({"name": None} if view.erased else {})

    monkeypatch.setitem(FOLDS, "customer", fold_with(fold, rows=rows))
    _registered_and_read(runtime)
    record(runtime.store, {b.CUSTOMER_ID: [ERASED], b.TICKET_ID: [b.ticket_opened()]})
    settle(runtime)

    assert parked(runtime) == {b.CUSTOMER_ID: 2}
    assert checkpoint(runtime.database) == runtime.feed.position()
    assert found(PERSON.values(), everywhere(runtime)) == set()


def test_a_state_that_cannot_be_read_back_parks_its_stream_and_gives_way_to_an_erasure(
    runtime: Runtime,
) -> None:
    _registered_and_read(runtime)
    with runtime.database.transaction() as connection:
        table = tables(1)["streams"]
        of = table.c.id == b.CUSTOMER_ID
        connection.execute(update(table).where(of).values(state=b"{}"))
    record(
        runtime.store,
        {b.CUSTOMER_ID: [b.customer_changed()], b.TICKET_ID: [b.ticket_opened()]},
        {b.CUSTOMER_ID: [ERASED]},
    )
    settle(runtime)

    assert parked(runtime) == {b.CUSTOMER_ID: 2}
    assert checkpoint(runtime.database) == runtime.feed.position()
    assert found(PERSON.values(), everywhere(runtime)) == set()


PERSON = {"name": "Customer Parked", "email": "customer-parked@shop.example", "phone": "+1 555 7"}
ERASED = CustomerErased()


def _registered_and_read(runtime: Runtime) -> None:
    """Two customers; the one to be erased is in the cache, put there by a reader too."""
    record(
        runtime.store,
        {
            b.CUSTOMER_ID: [b.customer_registered(**PERSON)],
            b.OTHER_CUSTOMER_ID: [b.customer_registered()],
        },
    )
    settle(runtime)
    assert runtime.queries.get("customer", b.CUSTOMER_ID, NOTHING_SEEN)


def _damage(runtime: Runtime, id: UUID, version: int) -> None:
    of = (events.c.originator_id == id) & (events.c.originator_version == version)
    with runtime.database.transaction() as connection:
        connection.execute(update(events).where(of).values(state=b"{no event"))


def _only_the_ticket_is_parked(runtime: Runtime) -> None:
    """Before its second event, while all others have come to their ends."""
    assert parked(runtime) == {b.TICKET_ID: 2}
    assert checkpoint(runtime.database) == runtime.feed.position()
    versions = {row["id"]: row["version"] for row in contents(runtime.database)["streams"]}
    assert versions.pop(b.OTHER_TICKET_ID) >= 1
    assert versions == {b.CUSTOMER_ID: 1, b.TICKET_ID: 1, b.ITEM_ID: 2}
    assert not contents(runtime.database)["assignments"]
