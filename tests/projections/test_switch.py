"""The moment at which another generation is served: nobody notices, and nobody takes it back."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID

import msgspec
import pytest

from infrastructure.preparing import BuiltWrong, begin, prepare, rebuild, renew
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from infrastructure.verifying import verification
from projections import views
from projections.generations import Overtaken
from projections.listing import Listing
from projections.tables import generations
from projections.tokens import NOTHING_SEEN
from tests import builders as b
from tests.projections.killing import processes
from tests.projections.random_history import written
from tests.projections.views import contents, record, settle

READERS, REBUILDS = 50, 2
STEPS_ENOUGH = 20


@pytest.fixture
def shops(runtime: Runtime) -> Iterator[list[Runtime]]:
    """Two processes' worth of readers, all of whom may wait for the views at once: half as many
    as there are threads may, and each has half of the readers."""
    settings = replace(runtime.settings, web_threads=READERS)
    opened = [open_runtime(settings) for _ in range(2)]
    yield opened
    for one in opened:
        one.close()


def test_readers_notice_nothing_of_a_switch(runtime: Runtime, shops: list[Runtime]) -> None:
    ids = [UUID(int=n) for n in range(1, 9)]
    for id in ids:
        record(runtime.store, {id: [b.customer_registered()]})
    settle(runtime)
    with _busy(runtime, shops, ids) as reads:
        for _ in range(REBUILDS):
            renew(runtime, begin(runtime))

    assert min(reads) > 1
    assert runtime.generations.live() == 1 + REBUILDS
    settle(runtime)
    live = contents(runtime.database, runtime.generations.live())
    assert contents(runtime.database, rebuild(runtime, begin(runtime))) == live


def test_readers_notice_nothing_of_the_migration_to_a_new_release(
    runtime: Runtime, shops: list[Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [UUID(int=n) for n in range(1, 9)]
    for id in ids:
        record(runtime.store, {id: [b.customer_registered()]})
    settle(runtime)

    with _busy(runtime, shops, ids) as reads:
        migration = processes.Process(target=_migrate, args=(runtime.settings,), daemon=True)
        migration.start()
        migration.join()
        # The old worker writes nothing any more; from here on it is a new one.
        monkeypatch.setattr(views, "FOLD_RELEASE", views.FOLD_RELEASE + 1)
        time.sleep(1)

    assert migration.exitcode == 0
    assert min(reads) > 1
    assert runtime.generations.live() == 2
    settle(runtime)
    with verification(runtime, 2) as (found, _):
        assert list(found.everything()) == []


def _migrate(settings: Settings) -> None:
    views.FOLD_RELEASE += 1
    prepare(open_runtime(settings))


@contextmanager
def _busy(runtime: Runtime, shops: list[Runtime], ids: list[UUID]) -> Iterator[list[int]]:
    """Fifty readers, a writer and a worker; at the end, how often each came round."""
    done, turns = Event(), list[int]()
    with ThreadPoolExecutor(READERS + 2) as pool:
        work = [pool.submit(_read, shops[n % 2], ids, n, done) for n in range(READERS)]
        work.append(pool.submit(_write, runtime, ids, done))
        work.append(pool.submit(_advance, shops[0], done))
        try:
            yield turns
        finally:
            done.set()
        turns += [one.result() for one in work]


def _read(shop: Runtime, ids: list[UUID], seed: int, done: Event) -> int:
    """A client who carries its token; how often it read."""
    dice, token, seen, reads = random.Random(seed), NOTHING_SEEN, dict[UUID, int](), 0
    while not done.wait(0.2):
        id = dice.choice(ids)
        served = shop.queries.get("customer", id, token)
        assert served is not None
        assert served.version >= seen.get(id, 0)
        assert msgspec.json.decode(served.body)["version"] == served.version
        seen[id] = served.version
        token = token.seen(served.position, id, served.version)
        reads += 1
        if reads % 10 == 0:
            shop.queries.wait_for(token, 10)
            page = shop.queries.list(Listing("customers", sort="created_at", limit=50))
            shown = [msgspec.json.decode(body) for body in page.items]
            assert len(shown) == len(ids)
            for body in shown:
                assert body["version"] >= seen.get(UUID(body["id"]), 0)
    return reads


def _write(runtime: Runtime, ids: list[UUID], done: Event) -> int:
    dice, writes = random.Random(0), 0
    while not done.wait(0.01):
        record(runtime.store, {dice.choice(ids): [b.customer_changed(name=f"Name {writes}")]})
        writes += 1
    return writes


def _advance(shop: Runtime, done: Event) -> int:
    steps = 0
    while not done.wait(0.005):
        shop.advance(seconds=0)
        steps += 1
    return steps


def test_a_rebuild_ends_although_something_happens_at_every_moment(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)
    step, steps = runtime.sequencer.step, list[int]()

    def write_and_step() -> int:
        steps.append(len(steps))
        if len(steps) < STEPS_ENOUGH:
            record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(name=f"Name {steps[-1]}")]})
        return step()

    monkeypatch.setattr(runtime.sequencer, "step", write_and_step)
    rebuild(runtime, begin(runtime))

    assert runtime.generations.live() == 2
    assert len(steps) < STEPS_ENOUGH


def test_until_workers_notice_whoever_switched_moves_what_is_served(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)
    switch = runtime.generations.switch

    def switch_and_go_on(generation: int) -> bool:
        switched = switch(generation)
        record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(name="After")]})
        return switched

    monkeypatch.setattr(runtime.generations, "switch", switch_and_go_on)
    renew(runtime, begin(runtime))

    assert contents(runtime.database, 2)["customers"][0]["version"] == 2
    assert contents(runtime.database, 1)["customers"][0]["version"] == 1


def test_nobody_waits_for_views_that_are_served_no_more(
    runtime: Runtime, shops: list[Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.generations.REMEMBERED_SECONDS", 1e9)
    reader, worker = shops
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(worker)
    assert reader.generations.live() == 1
    rebuild(worker, begin(worker))
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(name="After")]})
    settle(worker)

    token = NOTHING_SEEN.seen(0, b.CUSTOMER_ID, 2)

    assert reader.queries.wait_for(token, 0) == 2
    assert reader.generations.live() == 2


def test_the_older_of_two_rebuilds_never_takes_the_switch_back(runtime: Runtime) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)
    older, newer = runtime.generations.create(), runtime.generations.create()

    rebuild(runtime, newer)
    with pytest.raises(Overtaken):
        rebuild(runtime, older)

    assert runtime.generations.live() == newer


def test_two_rebuilds_at_once_share_the_work(runtime: Runtime) -> None:
    written(runtime, seed=6, events=1500)
    settle(runtime)
    live = contents(runtime.database)
    others = [open_runtime(runtime.settings) for _ in range(2)]
    folded: list[list[int]] = [[], []]

    def build(n: int) -> int:
        runner: Any = _Small(others[n])
        return rebuild(replace(others[n], runner=runner), begin(others[n]), folded[n].append)

    with ThreadPoolExecutor(2) as pool:
        built = list(pool.map(build, range(2)))
    for other in others:
        other.close()

    assert set(built) <= {2, 3}
    if built == [2, 2]:
        assert sum(map(sum, folded)) == runtime.feed.position()
    runtime.generations._known = None
    assert runtime.generations.live() == max(built)
    for generation in set(built):
        assert contents(runtime.database, generation) == live


class _Small:
    def __init__(self, runtime: Runtime) -> None:
        self._runner = runtime.runner

    def step(self, generation: int, _: int) -> int:
        return self._runner.step(generation, 40)


def test_views_that_were_built_wrong_are_not_served(runtime: Runtime) -> None:
    written(runtime, seed=7, events=300)
    settle(runtime)
    generation = begin(runtime)
    while runtime.runner.step(generation):
        continue
    with runtime.database.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE tickets_{generation} SET status = 'lost'")  # noqa: S608

    with pytest.raises(BuiltWrong, match="status is not what the events say"):
        rebuild(runtime, generation)

    assert runtime.generations.live() == 1
    with pytest.raises(Overtaken, match="discarded"):
        rebuild(runtime, generation)
    assert rebuild(runtime, begin(runtime)) == generation + 1


def test_a_build_that_is_behind_what_is_served_is_not_switched_to(runtime: Runtime) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    generation = begin(runtime)
    settle(runtime)

    assert not runtime.generations.switch(generation)
    assert runtime.generations.live() == 1
    runtime.runner.step(generation)
    assert runtime.generations.switch(generation)
    assert runtime.generations.switch(generation), "twice is once"


def test_a_build_of_other_folds_is_not_gone_on_with(runtime: Runtime) -> None:
    first = begin(runtime)
    assert begin(runtime) == first
    with runtime.database.transaction() as connection:
        of = generations.c.generation == first
        connection.execute(generations.update().where(of).values(folds="other"))

    assert begin(runtime) == first + 1
    assert begin(runtime, afresh=True) == first + 2


def test_a_build_that_is_gone_on_with_is_not_dropped_as_abandoned(runtime: Runtime) -> None:
    generation = begin(runtime)
    long_ago = runtime.clock() - timedelta(days=2)
    with runtime.database.transaction() as connection:
        of = generations.c.generation == generation
        connection.execute(generations.update().where(of).values(created_at=long_ago))

    runtime.chores.sweep()
    assert begin(runtime) == generation
    runtime.chores.sweep()

    assert [one.generation for one in runtime.generations.all()] == [1, generation]
    assert rebuild(runtime, generation) == generation
