"""Verification: what is right passes, whoever writes meanwhile; what is wrong is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from commands.customers import EraseCustomer
from commands.kernel import Context
from domain.customer import CustomerErased
from infrastructure.event_store.tables import events
from infrastructure.preparing import begin, rebuild
from infrastructure.runtime import Runtime
from infrastructure.verifying import verification
from projections.tables import tables
from projections.verification import Verification
from projections.views import TOTALS
from tests import builders as b
from tests.projections.random_history import RandomShop, write, written
from tests.projections.views import contents, record, rewind, settle
from tests.tables import emptied

TABLES = [name for name in tables(0) if name != "dead_letters"]


def faults(runtime: Runtime, page: int = 500, generation: int = 1) -> list[str]:
    with verification(runtime, generation) as (found, streams):
        paged = Verification(found._connections, streams, generation, page=page)
        return list(paged.everything())


@pytest.fixture
def filled(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """A shop with something in every table."""
    monkeypatch.setattr("projections.kernel.KEPT_EVERY", 2)
    written(runtime, seed=5, events=700)
    settle(runtime)
    empty = {name for name, rows in contents(runtime.database).items() if not rows}
    assert empty == {"dead_letters"}
    return runtime


def test_views_that_are_right_pass(filled: Runtime) -> None:
    for page in (1, 7, 500):
        assert faults(filled, page) == []


def test_a_row_that_is_altered_missing_or_too_much_is_named(
    filled: Runtime, subtests: pytest.Subtests
) -> None:
    for name in TABLES:
        table = tables(1)[name]
        with filled.database.reading() as connection:
            rows = [dict(row) for row in connection.execute(select(table)).mappings()]
        with subtests.test(name):
            _struck_is_named(filled, name, rows)
        with filled.database.transaction() as connection:
            connection.execute(delete(table))
            connection.execute(insert(table), rows)
    assert faults(filled) == []


def _struck_is_named(filled: Runtime, name: str, rows: list[dict[str, Any]]) -> None:
    table = tables(1)[name]
    keys = [column.name for column in table.primary_key]
    altered, missing, copied = rows[len(rows) // 3], rows[len(rows) // 2], rows[-1]
    assert altered != missing
    with filled.database.transaction() as connection:
        column = next(c for c in reversed(table.columns) if not c.primary_key)
        wrong = {column.name: _other(altered[column.name])}
        connection.execute(update(table).where(_is(table, keys, altered)).values(**wrong))
        connection.execute(delete(table).where(_is(table, keys, missing)))
        extra = copied | {keys[0]: _new(copied[keys[0]])}
        connection.execute(insert(table).values(**extra))

    found = faults(filled, page=50)

    def said(row: dict[str, Any], what: str) -> bool:
        key = ", ".join(str(row[k]) for k in keys)
        return any(one.startswith(f"{name} {key}") and one.endswith(what) for one in found)

    assert said(altered, f"{column.name} is not what the events say"), found
    assert said(missing, "is missing"), found
    assert said(extra, "is there, and no event says so"), found
    # What is summed over a wrong row is wrong, too.
    sums = {total.table for total in TOTALS if total.of == name}
    assert {one.split()[0] for one in found} <= {name} | sums
    assert len(found) == 3 or sums


def _is(table: Any, keys: list[str], row: dict[str, Any]) -> Any:
    condition = table.c[keys[0]] == row[keys[0]]
    for key in keys[1:]:
        condition &= table.c[key] == row[key]
    return condition


def _other(value: Any) -> Any:
    match value:
        case bytes():
            return value + b" "
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "x"
        case _:
            return value + timedelta(seconds=1)


def _new(key: Any) -> Any:
    return UUID(int=key.int + 1) if isinstance(key, UUID) else key + timedelta(days=9999)


def test_a_stream_that_was_never_folded_is_missed(filled: Runtime) -> None:
    written_later = {b.ITEM_ID: [b.item_added()]}
    record(filled.store, written_later)
    while filled.sequencer.step():
        continue
    with filled.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE view_generations SET position = position + 1")

    found = faults(filled)

    assert {one.split()[0] for one in found} == {"inventory", "stock_levels", "streams"}
    assert all(one.endswith("is missing") for one in found)


def test_a_stream_that_is_parked_shows_what_was_readable(filled: Runtime) -> None:
    record(filled.store, {b.TICKET_ID: [b.ticket_opened(), b.ticket_changed()]})
    _damage(filled, b.TICKET_ID, 2)
    settle(filled)

    with verification(filled, 1) as (found, _):
        assert list(found.everything()) == []
        assert found.parked == {b.TICKET_ID}


def test_a_dead_letter_without_its_event_is_named(filled: Runtime) -> None:
    record(filled.store, {b.TICKET_ID: [b.ticket_opened(), b.ticket_changed()]})
    _damage(filled, b.TICKET_ID, 2)
    settle(filled)
    with filled.database.transaction() as connection:
        connection.execute(update(tables(1)["dead_letters"]).values(version=1))

    found = faults(filled)

    assert f"dead_letters {b.TICKET_ID}: position, topic is not what the events say" in found
    assert f"tickets {b.TICKET_ID} is there, and no event says so" in found


def test_an_event_that_cannot_be_read_and_is_not_parked_is_named(filled: Runtime) -> None:
    record(filled.store, {b.TICKET_ID: [b.ticket_opened(), b.ticket_changed()]})
    settle(filled)
    _damage(filled, b.TICKET_ID, 2)

    (said,) = faults(filled)

    assert said.startswith(f"{b.TICKET_ID} is not parked, and cannot be folded")


def test_a_parked_stream_whose_person_was_erased_shows_nothing(filled: Runtime) -> None:
    record(
        filled.store,
        {b.CUSTOMER_ID: [b.customer_registered(), b.customer_changed(), CustomerErased()]},
    )
    _damage(filled, b.CUSTOMER_ID, 2)
    settle(filled)

    assert faults(filled) == []


def test_an_erasure_that_is_not_shown_yet_is_no_fault(filled: Runtime) -> None:
    """The key is gone with the commit; the rows follow."""
    person = contents(filled.database)["customers"]
    erased = next(row["id"] for row in person if b'"erased":false' in row["body"])
    context = Context(actor=None, role="system", correlation_id="verify")
    try:
        filled.execute(EraseCustomer(customer_id=erased), context)
    except Exception:  # this one has open tickets
        with filled.store.transaction() as transaction:
            transaction.forget(erased)
        record(filled.store, {erased: [CustomerErased()]})

    assert faults(filled) == []
    settle(filled)
    assert faults(filled) == []


def test_writers_and_a_runner_at_work_raise_no_false_alarm(filled: Runtime) -> None:
    shop = RandomShop(9, first=100_000)
    shop.live(1200)

    with _beside(filled, shop):
        for _ in range(5):
            with verification(filled, 1) as (found, _):
                assert list(found.everything()) == []
    settle(filled)
    assert faults(filled) == []


@contextmanager
def _beside(runtime: Runtime, shop: RandomShop) -> Iterator[None]:
    """The history is written commit by commit, and shown, meanwhile."""
    done = Event()
    failed: list[BaseException] = []

    def go_on() -> None:
        try:
            for commit in shop.store.log:
                if done.is_set():
                    return
                write(runtime.store, [commit])
                runtime.advance(seconds=0)
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert not failed


@pytest.mark.parametrize("page", [3, 500])
def test_a_sample_looks_at_its_streams_and_at_all_totals(filled: Runtime, page: int) -> None:
    shown = contents(filled.database)["tickets"]
    with filled.database.transaction() as connection:
        table = tables(1)["tickets"]
        of = table.c.id == shown[0]["id"]
        connection.execute(update(table).where(of).values(body=b"{}"))

    def some(*ids: UUID) -> list[str]:
        with verification(filled, 1) as (found, streams):
            return list(Verification(found._connections, streams, 1, page=page).some(ids))

    assert some(shown[1]["id"], shown[2]["id"]) == []
    assert len(some(shown[0]["id"])) == 1
    with filled.database.transaction() as connection:
        connection.execute(delete(tables(1)["mechanic_totals"]))
    assert any(one.startswith("mechanic_totals") for one in some(shown[1]["id"]))


def test_rebuilt_is_live_after_any_history(runtime: Runtime) -> None:
    @settings(
        max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(seed=st.integers(0, 2**32), limit=st.integers(1, 200))
    def check(seed: int, limit: int) -> None:
        emptied(runtime.database)
        rewind(runtime.database)
        written(runtime, seed=seed, events=150)
        while runtime.sequencer.step():
            continue
        while runtime.runner.step(runtime.generations.live(), limit):
            continue
        live = contents(runtime.database, runtime.generations.live())

        generation = rebuild(runtime, begin(runtime))

        assert contents(runtime.database, generation) == live
        assert faults(runtime, generation=generation) == []
        with runtime.database.transaction() as connection:
            # Once more from the first generation.
            connection.exec_driver_sql("UPDATE view_generations SET live = (generation = 1)")
            connection.exec_driver_sql("DELETE FROM view_generations WHERE generation > 1")
        runtime.generations._known = None

    check()


def _damage(runtime: Runtime, id: UUID, version: int) -> None:
    of = (events.c.originator_id == id) & (events.c.originator_version == version)
    with runtime.database.transaction() as connection:
        connection.execute(update(events).where(of).values(state=b"{no event"))
