"""Looking after the views from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from infrastructure.event_store.tables import events
from infrastructure.runtime import Runtime
from projections.tables import tables
from tests import builders as b
from tests.cli.conftest import Ask
from tests.process import Process
from tests.projections.random_history import written
from tests.projections.views import contents, record, rewind, settle
from tests.server_process import free_port

Settings = dict[str, str]


def test_the_status_of_the_views(ask: Ask, embedded: Settings, runtime: Runtime) -> None:
    record(runtime.store, {b.ITEM_ID: [b.item_added(), b.received()]})
    assert _status(ask, embedded).startswith("generation 1: at 0 of 2, 2 behind")

    settle(runtime)

    said = _status(ask, embedded)
    assert said.startswith("generation 1: at 2 of 2, 0 behind")
    assert "dead letters: 0" in said
    assert "  stock_movements: 1\n" in said


def _status(ask: Ask, settings: Settings) -> str:
    answer = ask("projections", "status", settings=settings)
    assert answer.exit_code == 0
    return answer.stdout


def test_the_status_for_machines(ask: Ask, embedded: Settings, runtime: Runtime) -> None:
    _park(runtime)
    build = runtime.generations.begin()

    answer = ask("projections", "status", "--json", settings=embedded)

    status = json.loads(answer.stdout)
    assert (status["generation"], status["position"], status["lag_events"]) == (1, 3, 0)
    assert (status["current"], status["dead_letters"]) == (True, 1)
    assert [(one["generation"], one["fits"]) for one in status["builds"]] == [(build, True)]
    assert (status["tables"]["tickets"], status["tables"]["inventory"]) == (1, 1)
    assert len(status["folds"]) == 64


def test_views_are_rebuilt(ask: Ask, embedded: Settings, runtime: Runtime) -> None:
    record(runtime.store, {b.ITEM_ID: [b.item_added(), b.received()]})
    settle(runtime)
    live = contents(runtime.database)
    rewind(runtime.database)

    answer = ask("projections", "rebuild", settings=embedded)

    assert (answer.exit_code, answer.stdout) == (0, "generation 2 is live\n")
    assert contents(runtime.database, 2) == live


def test_a_rebuild_that_was_killed_is_gone_on_with_unless_asked_otherwise(
    ask: Ask, embedded: Settings, runtime: Runtime
) -> None:
    written(runtime, seed=1, events=200)
    settle(runtime)
    runtime.runner.step(runtime.generations.begin(), 50)

    assert ask("projections", "rebuild", settings=embedded).stdout == "generation 2 is live\n"
    runtime.generations.begin()
    again = ask("projections", "rebuild", "--afresh", settings=embedded)

    assert again.stdout == "generation 4 is live\n"


def test_a_rebuild_beside_a_shop_that_is_open(
    ask: Ask, embedded: Settings, runtime: Runtime, tmp_path: Path
) -> None:
    written(runtime, seed=1, events=300)
    settings = embedded | {"PORT": str(free_port()), "DEMO": "0"}
    with Process("serve", settings=settings, cwd=tmp_path) as shop:
        shop.until(lambda: runtime.queries.position() == runtime.feed.position())

        answer = ask("projections", "rebuild", settings=embedded)

        assert answer.exit_code == 0, answer.stderr
        record(runtime.store, {b.ITEM_ID: [b.item_added()]})
        shop.until(lambda: runtime.queries.position() == runtime.feed.position())
        assert runtime.generations.live() == 2
        assert shop.terminate() == 0
    assert ask("projections", "verify", settings=embedded).exit_code == 0


def test_views_that_are_right_are_verified(ask: Ask, embedded: Settings, runtime: Runtime) -> None:
    _park(runtime)

    answer = ask("projections", "verify", settings=embedded)

    assert answer.exit_code == 0, answer.output
    assert answer.stdout == (
        "the views are what the events say: 3 events of 2 streams up to 3; parked streams: 1\n"
    )


def test_views_that_are_wrong_are_told_row_by_row(
    ask: Ask, embedded: Settings, runtime: Runtime
) -> None:
    record(runtime.store, {b.ITEM_ID: [b.item_added(), b.received()]})
    settle(runtime)
    with runtime.database.transaction() as connection:
        connection.execute(delete(tables(1)["stock_levels"]))

    answer = ask("projections", "verify", settings=embedded)

    assert answer.exit_code == 1
    assert answer.stdout == f"stock_levels {b.ITEM_ID} is missing\n"
    assert answer.stderr.startswith("1 faults")


def test_dead_letters_are_listed(ask: Ask, embedded: Settings, runtime: Runtime) -> None:
    assert "no stream is parked" in ask("projections", "dead-letters", settings=embedded).stdout
    _park(runtime)

    said = ask("projections", "dead-letters", settings=embedded).stdout
    (letter,) = json.loads(ask("projections", "dead-letters", "--json", settings=embedded).stdout)

    assert f"{b.TICKET_ID}: version 2 (ticket.details-changed, position 2, parked " in said
    assert "1 events wait: UndecodableEvent" in said
    assert (letter["stream_id"], letter["waiting"]) == (str(b.TICKET_ID), 1)


@pytest.mark.parametrize("chosen", [[], [str(b.TICKET_ID)]])
def test_a_parked_stream_is_retried(
    ask: Ask, embedded: Settings, runtime: Runtime, chosen: list[str]
) -> None:
    good = _park(runtime)

    still = ask("projections", "retry", *chosen, settings=embedded)
    _set(runtime, good)
    healed = ask("projections", "retry", *chosen, settings=embedded)

    assert still.exit_code == 1
    assert f"{b.TICKET_ID}: UndecodableEvent" in still.stdout
    assert "1 of 1 are parked still" in still.stderr
    assert (healed.exit_code, healed.stdout) == (0, f"{b.TICKET_ID}: healed\n")
    again = ask("projections", "retry", *chosen, settings=embedded)
    assert again.exit_code == (1 if chosen else 0)
    assert "parked" in again.output


def test_a_stream_is_named_by_its_id(ask: Ask, embedded: Settings) -> None:
    answer = ask("projections", "retry", "the red car", settings=embedded)

    assert answer.exit_code == 2
    assert "UUID" in answer.stderr


def _park(runtime: Runtime) -> bytes:
    """A ticket whose second event has bytes that are none; what they were."""
    ticket = [b.ticket_opened(), b.ticket_changed(description="Brakes")]
    record(runtime.store, {b.TICKET_ID: ticket, b.ITEM_ID: [b.item_added()]})
    with runtime.database.reading() as connection:
        good = connection.execute(select(events.c.state).where(_second)).scalar_one()
    _set(runtime, b"{no event")
    settle(runtime)
    return bytes(good)


_second = (events.c.originator_id == b.TICKET_ID) & (events.c.originator_version == 2)


def _set(runtime: Runtime, state: bytes) -> None:
    with runtime.database.transaction() as connection:
        connection.execute(update(events).where(_second).values(state=state))
