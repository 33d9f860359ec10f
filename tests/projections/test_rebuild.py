"""A view equals the fold of its events: built anew it is the same, byte for byte.

`TORTURE_EVENTS` makes the history longer.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cli.demo import SMALL, seed
from infrastructure.preparing import begin, prepare, rebuild
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.verifying import verification
from projections import views
from projections.tokens import NOTHING_SEEN
from tests import builders as b
from tests.projections.random_history import RandomShop, write
from tests.projections.views import contents, grouped, record, settle, totals
from tests.shop import Shop

EVENTS = int(os.environ.get("TORTURE_EVENTS", "20000"))


def test_rebuilt_views_are_the_live_ones_byte_for_byte(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.kernel.KEPT_EVERY", 2)
    runtime = shop.runtime
    seed(runtime, SMALL, by=None)
    _an_odd_day(shop)
    shop.settle()
    live = contents(runtime.database)

    generation = rebuild(runtime, runtime.generations.create())

    assert generation == runtime.generations.live() == 2
    assert contents(runtime.database, generation) == live
    assert {name for name, rows in live.items() if not rows} == {"dead_letters"}


def test_rebuilt_is_live_after_a_long_history_and_while_it_goes_on(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.kernel.KEPT_EVERY", 2)
    shop = RandomShop(EVENTS)
    shop.live(EVENTS)
    log = shop.store.log
    most = len(log) - min(200, len(log) // 10)
    write(runtime.store, log[:most])
    settle(runtime)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(_go_on, runtime, log[most:])
        generation = rebuild(runtime, begin(runtime))
        writing.result()
    settle(runtime)
    while runtime.runner.step(1):
        continue

    assert runtime.generations.live() == generation
    live = contents(runtime.database)
    assert contents(runtime.database, generation) == live
    assert {name for name, rows in live.items() if not rows} == {"dead_letters"}
    assert totals(live) == grouped(live)
    with verification(runtime, generation) as (found, _):
        assert list(found.everything()) == []
        assert found.events == shop.store.events


def _go_on(runtime: Runtime, log: list[Any]) -> None:
    for commit in log:
        write(runtime.store, [commit])
        runtime.advance(seconds=0)


def test_a_rebuild_that_is_broken_off_leaves_the_live_views(runtime: Runtime) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()] + [b.customer_changed()] * 9})
    settle(runtime)
    live = contents(runtime.database)

    runtime.runner.step(runtime.generations.create(), 4)

    assert runtime.generations.live() == 1
    assert contents(runtime.database) == live
    served = runtime.queries.get("customer", b.CUSTOMER_ID, NOTHING_SEEN)
    assert served is not None
    assert served.version == 10
    assert contents(runtime.database, 2)["customers"][0]["version"] == 4


def test_the_shop_goes_on_during_a_rebuild_and_after_it(runtime: Runtime) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)
    generation = runtime.generations.create()
    runtime.runner.step(generation)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(name="During")]})
    settle(runtime)

    rebuild(runtime, generation)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(name="After")]})
    settle(runtime)

    other = open_runtime(runtime.settings)
    for one in (runtime, other):
        served = one.queries.get("customer", b.CUSTOMER_ID, NOTHING_SEEN)
        assert served is not None
        assert (served.version, served.generation) == (3, generation)
        assert b"After" in served.body
    other.close()


def test_a_release_that_shows_events_otherwise_builds_views_of_its_own(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)
    prepare(runtime)
    assert runtime.generations.live() == 1

    monkeypatch.setattr(views, "FOLD_RELEASE", views.FOLD_RELEASE + 1)
    prepare(runtime)
    prepare(runtime)

    assert runtime.generations.live() == 2
    assert contents(runtime.database, 2) == contents(runtime.database, 1)


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    assert views.fingerprint() == views.fingerprint()
    assert len(views.fingerprint()) == 64


def _an_odd_day(shop: Shop) -> None:
    """What the demonstration year has none of: all that is undone, and a person erased."""
    customer, mechanic, item = shop.customer(), shop.mechanic(), shop.item()
    vehicle = shop.vehicle(customer)
    for reason in ("a mistake", None):
        ticket = f"/v1/tickets/{shop.ticket(customer, vehicle)}"
        shop.put(f"{ticket}/mechanics/{mechanic}")
        shop.post(f"{ticket}/parts", json={"inventory_id": item, "quantity": 2})
        shop.post(
            f"{ticket}/labor", json={"description": "x", "mechanic_id": mechanic, "minutes": 5}
        )
        if reason:
            assert shop.delete(f"{ticket}?reason={reason}").status_code == 200
        else:
            assert shop.post(f"{ticket}/close").status_code == 200
    erased = shop.customer(name="Soon forgotten")
    shop.settle()
    assert shop.post(f"/v1/customers/{erased}/erase").status_code == 200
    assert shop.delete(f"/v1/mechanics/{mechanic}").status_code == 200
