"""The runner: what it writes, in how many statements, and what a crash leaves."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from cli.demo import SMALL, seed
from domain.kernel import Event
from infrastructure.runtime import Runtime, open_runtime
from tests import builders as b
from tests.infrastructure.event_store.legs import on_mysql
from tests.projections.views import (
    checkpoint,
    contents,
    grouped,
    parked,
    plain,
    record,
    rewind,
    settle,
    statements,
    totals,
)
from tests.round_trips import database_round_trips

TICKET = {b.TICKET_ID: [b.ticket_opened(), b.mechanic_assigned(), b.part_issued()]}


def written(runtime: Runtime) -> list[str]:
    """The tables one step writes to, in order, with the verb; checkpoint included."""
    seen: list[str] = []

    def note(statement: str) -> None:
        if found := re.match(r"(INSERT INTO|DELETE FROM|UPDATE) [`\"]?(\w+)", statement):
            seen.append(f"{found[1].split()[0]} {found[2]}")

    with statements(runtime.database, note):
        assert runtime.runner.step(1)
    return [f"{verb} {plain(table)}" for verb, table in (each.split() for each in seen)]


def sequenced(runtime: Runtime, *past: Any) -> None:
    record(runtime.store, *past)
    while runtime.sequencer.step():
        continue


def test_only_rows_that_changed_are_written(runtime: Runtime) -> None:
    sequenced(runtime, TICKET)
    settle(runtime)

    sequenced(runtime, {b.TICKET_ID: [b.part_returned()]})

    assert written(runtime) == ["INSERT tickets", "INSERT streams", "UPDATE view"]


def test_rows_that_are_gone_are_deleted(runtime: Runtime) -> None:
    both = [b.MECHANIC_ID, b.OTHER_MECHANIC_ID]
    other = b.mechanic_assigned(mechanic_id=b.OTHER_MECHANIC_ID, mechanic_ids=both)
    sequenced(runtime, TICKET, {b.TICKET_ID: [other]})
    settle(runtime)
    assert len(contents(runtime.database)["assignments"]) == 2

    sequenced(runtime, {b.TICKET_ID: [b.mechanic_removed(mechanic_ids=[b.OTHER_MECHANIC_ID])]})
    writes = written(runtime)

    assert {"DELETE assignments", "DELETE mechanic_contributions"} <= set(writes)
    shown = contents(runtime.database)
    for table in ("assignments", "mechanic_contributions", "mechanic_totals"):
        assert [row["mechanic_id"] for row in shown[table]] == [b.OTHER_MECHANIC_ID]


def test_a_voided_ticket_leaves_no_rows_but_its_own(runtime: Runtime) -> None:
    sequenced(runtime, TICKET)
    settle(runtime)
    sequenced(runtime, {b.TICKET_ID: [b.ticket_voided()]})
    settle(runtime)

    shown = contents(runtime.database)

    assert {name for name, rows in shown.items() if rows} == {"tickets", "streams"}


def test_an_event_that_comes_again_changes_nothing(runtime: Runtime) -> None:
    sequenced(runtime, TICKET, {b.ITEM_ID: [b.item_added(), b.received()]})
    settle(runtime)
    before = contents(runtime.database)

    _rewind_checkpoint(runtime)
    assert runtime.runner.step(1) == 5

    assert contents(runtime.database) == before


@pytest.mark.parametrize("limit", [1, 7])
def test_the_size_of_batches_does_not_matter(
    runtime: Runtime, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.kernel.KEPT_EVERY", 2)
    seed(runtime, SMALL, by=None)
    settle(runtime)
    at_once = contents(runtime.database)

    rewind(runtime.database)
    while runtime.runner.step(1, limit):
        continue

    assert contents(runtime.database) == at_once
    assert {name for name, rows in at_once.items() if not rows} == {"accounts", "dead_letters"}


def test_totals_are_the_sums_of_contributions(runtime: Runtime) -> None:
    seed(runtime, SMALL, by=None)
    settle(runtime)

    shown = contents(runtime.database)

    assert all(totals(shown).values())
    assert totals(shown) == grouped(shown)


def test_a_batch_costs_as_many_statements_whatever_it_holds(
    runtime: Runtime, leg: str, request: pytest.FixtureRequest
) -> None:
    def asked() -> int:
        """What the server itself counts, where there is one."""
        if leg == "sqlite":
            return 0
        server = request.getfixturevalue({"mysql": "mariadb"}.get(leg, leg))
        ((_, count),) = server.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        return int(count)

    def cost(streams: range) -> tuple[int, int]:
        for n in streams:
            item: list[Event] = [b.item_added(), b.received()]
            ticket: list[Event] = [b.ticket_opened(), b.mechanic_assigned(), b.labor_added()]
            record(runtime.store, {UUID(int=10_000 + n): item, UUID(int=20_000 + n): ticket})
        while runtime.sequencer.step():
            continue
        told: list[str] = []
        before = asked()
        with statements(runtime.database, told.append):
            assert runtime.runner.step(1) == 5 * len(streams)
        return len(told), asked() - before

    cost(range(1))  # connections are made, types looked up
    few, many = cost(range(1, 3)), cost(range(3, 103))

    assert few == many


@on_mysql
def test_what_waits_for_the_views_waits_for_four_round_trips(runtime: Runtime) -> None:
    """The lock, the events, what is kept of their streams, and all that is written."""
    sequenced(runtime, TICKET, {b.ITEM_ID: [b.item_added()]})
    settle(runtime)
    sequenced(runtime, {b.TICKET_ID: [b.mechanic_removed()], b.ITEM_ID: [b.received()]})
    runtime.generations.live()

    with database_round_trips() as sent:
        assert runtime.runner.step(1) == 2

    assert len(sent) == 4


class Crash(BaseException):
    """The process is gone: nothing catches it."""


def database_away() -> BaseException:
    return OperationalError("statement", {}, Exception("the server has gone away"))


@pytest.mark.parametrize("fault", [Crash, database_away])
def test_a_batch_takes_effect_as_a_whole_or_not_at_all(
    runtime: Runtime, fault: Callable[[], BaseException]
) -> None:
    sequenced(runtime, TICKET, {b.ITEM_ID: [b.item_added(), b.received()]})
    settle(runtime)
    sequenced(
        runtime,
        {b.ITEM_ID: [b.issued()], b.TICKET_ID: [b.mechanic_removed(), b.labor_added()]},
        {b.CUSTOMER_ID: [b.customer_registered()]},
    )
    before, position = contents(runtime.database), checkpoint(runtime.database)
    crashes = 0

    def crash_at(n: int) -> bool:
        """Whether the step had an n-th statement to crash at."""
        left = n

        def count(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise fault()

        with statements(runtime.database, count):
            try:
                runtime.runner.step(1)
            except (Crash, OperationalError):
                return True
        return False

    while crash_at(crashes + 1):
        crashes += 1
        assert (contents(runtime.database), checkpoint(runtime.database)) == (before, position)

    assert crashes > 10
    assert checkpoint(runtime.database) == position + 4
    caught_up = contents(runtime.database)
    rewind(runtime.database)
    settle(runtime)
    assert contents(runtime.database) == caught_up
    assert not parked(runtime)


def test_a_crash_after_the_commit_loses_nothing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise Crash

    sequenced(runtime, TICKET)
    monkeypatch.setattr(runtime.runner._cache, "publish", crash)
    with pytest.raises(Crash):
        runtime.runner.step(1)
    monkeypatch.undo()

    assert checkpoint(runtime.database) == 3
    assert runtime.runner.step(1) == 0
    assert len(contents(runtime.database)["tickets"]) == 1


def test_two_runners_at_once_apply_nothing_twice(runtime: Runtime) -> None:
    seed(runtime, SMALL, by=None)
    settle(runtime)
    alone = contents(runtime.database)
    rewind(runtime.database)
    other = open_runtime(runtime.settings)

    def run(one: Runtime) -> int:
        done = 0
        while count := one.runner.step(1, 3):
            done += count
        return done

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(run, (runtime, other)))
    other.close()

    assert sum(done) == runtime.feed.position() == checkpoint(runtime.database)
    assert contents(runtime.database) == alone


def test_streams_without_a_fold_show_nothing(runtime: Runtime) -> None:
    sequenced(runtime, {UUID(int=99): [b.claim_taken()]})
    settle(runtime)

    assert checkpoint(runtime.database) == 1
    assert not any(contents(runtime.database).values())


def test_a_generation_that_does_not_exist_has_nothing_to_do(runtime: Runtime) -> None:
    sequenced(runtime, TICKET)

    assert runtime.runner.step(77) == 0


def _rewind_checkpoint(runtime: Runtime) -> None:
    with runtime.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE view_generations SET position = 0")
