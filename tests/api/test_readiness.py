"""Readiness: what a process cannot do without, and what it tells besides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from infrastructure.event_store.tables import events
from infrastructure.view_status import view_status
from projections.tables import generations
from tests import builders as b
from tests.projections.views import record, settle
from tests.shop import Shop


def ready(shop: Shop) -> tuple[int, str, Any]:
    answer = shop.nobody().get("/readyz")
    return answer.status_code, answer.json["checks"]["views"], answer.json["views"]


def test_views_that_show_everything_are_ok(shop: Shop) -> None:
    shop.settle()

    status, told, views = ready(shop)

    assert (status, told) == (200, "ok")
    assert views == {"generation": 1, "lag_events": 0, "lag_seconds": 0, "dead_letters": 0}


def test_parked_streams_are_told_and_do_not_stop_the_service(shop: Shop) -> None:
    record(shop.runtime.store, {b.TICKET_ID: [b.part_issued()]})
    shop.settle()

    status, told, views = ready(shop)

    assert (status, told, views["dead_letters"]) == (200, "parked streams: 1", 1)


def test_views_that_are_late_are_told_and_do_not_stop_the_service(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.settle()
    record(shop.runtime.store, {b.ITEM_ID: [b.item_added(), b.received()]})
    long_ago = shop.runtime.clock() - timedelta(minutes=2)
    with shop.runtime.database.transaction() as connection:
        of = events.c.originator_id == b.ITEM_ID
        connection.execute(update(events).where(of).values(recorded_at=long_ago))
        connection.exec_driver_sql("UPDATE pending SET recorded_at = '2020-01-01 00:00:00'")

    status, told, views = ready(shop)

    assert status == 200
    assert told.startswith("an event has waited ")
    assert views["lag_events"] == 2
    assert views["lag_seconds"] >= 120
    settle(shop.runtime)
    assert ready(shop)[1] == "ok"


def test_what_waits_for_its_position_counts_as_late(shop: Shop, leg: str) -> None:
    shop.settle()
    record(shop.runtime.store, {b.ITEM_ID: [b.item_added(), b.received()]})

    status = view_status(shop.runtime)

    assert status.lag_events == 2
    assert status.pending_events == (0 if leg == "sqlite" else 2)
    while shop.runtime.sequencer.step():
        continue
    status = view_status(shop.runtime)
    assert (status.lag_events, status.pending_events) == (2, 0)


def test_views_of_another_release_are_told(shop: Shop) -> None:
    shop.settle()
    with shop.runtime.database.transaction() as connection:
        connection.execute(update(generations).values(folds="other"))

    status, told, *_ = ready(shop)
    assert status == 200
    assert told.startswith("built by another release")
    assert "run `mechanic-shop migrate` of this one if it is newer" in told


def test_without_views_nothing_can_be_served(shop: Shop) -> None:
    with shop.runtime.database.transaction() as connection:
        connection.execute(delete(generations))

    answer = shop.nobody().get("/readyz")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json["status"] == "unavailable"
    assert answer.json["checks"] | {"redis": "ok"} == {
        "database": "ok",
        "redis": "ok",
        "views": "missing: run `mechanic-shop migrate`",
    }
