"""Killed at any moment, whoever moves the views leaves them equal to their folds.

`TORTURE_KILLS` makes it longer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import pytest

from infrastructure.preparing import begin, rebuild
from infrastructure.runtime import Runtime
from infrastructure.verifying import verification
from projections.tokens import NOTHING_SEEN
from tests import builders as b
from tests.projections.killing import (
    CACHE,
    CACHED,
    DONE,
    Moment,
    chances,
    killed,
    one_batch,
    whole_rebuild,
    worker,
)
from tests.projections.random_history import RandomShop, write, written
from tests.projections.views import checkpoint, contents, record, rewind, settle

KILLS = int(os.environ.get("TORTURE_KILLS", "20"))
MARKS_MAX = 60


def faults(runtime: Runtime) -> list[str]:
    """Of the live views; against a fold that shares nothing with the runner."""
    with verification(runtime, runtime.generations.live()) as (found, _):
        return list(found.everything())


def test_a_batch_that_is_killed_anywhere_is_whole_or_not_there(runtime: Runtime) -> None:
    applied = []
    for nth in range(1, MARKS_MAX):
        if checkpoint(runtime.database) == runtime.feed.position():
            _something_new(runtime, nth)
        before, head = checkpoint(runtime.database), runtime.feed.position()

        died = killed(runtime.settings, one_batch, Moment("", nth))

        after = checkpoint(runtime.database)
        assert after in (before, head)
        assert faults(runtime) == []
        applied.append(after == head)
        if not died:
            break
        if after == head:
            served = runtime.queries.get("ticket", b.TICKET_ID, NOTHING_SEEN)
            assert served is not None

    # Before the commit nothing, from then on everything: the cache, its end, the work's end.
    assert not died
    assert nth > 12
    assert applied == sorted(applied)
    assert sum(applied) == 4
    _equal_to_a_fold_at_once(runtime)


def _something_new(runtime: Runtime, nth: int) -> None:
    """A batch that touches most tables; each time the same statements."""
    first = not runtime.feed.position()
    ticket = [b.ticket_opened() if first else b.mechanic_removed(mechanic_ids=[])]
    record(runtime.store, {b.TICKET_ID: ticket, **({b.ITEM_ID: [b.item_added()]} if first else {})})
    settle(runtime)
    record(
        runtime.store,
        {b.TICKET_ID: [b.mechanic_assigned()], b.ITEM_ID: [b.received(quantity_on_hand=nth)]},
    )
    record(runtime.store, {UUID(int=1000 + nth): [b.customer_registered()]})
    while runtime.sequencer.step():
        continue


def _equal_to_a_fold_at_once(runtime: Runtime) -> None:
    settle(runtime)
    assert checkpoint(runtime.database) == runtime.feed.position()
    live = contents(runtime.database)
    rewind(runtime.database)
    settle(runtime)
    assert contents(runtime.database) == live


@pytest.mark.parametrize("moment", [Moment(CACHE), Moment(CACHED)])
def test_a_death_beside_the_cache_shows_nobody_what_is_old(
    runtime: Runtime, moment: Moment
) -> None:
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_registered()]})
    settle(runtime)
    assert runtime.queries.get("customer", b.CUSTOMER_ID, NOTHING_SEEN)
    record(runtime.store, {b.CUSTOMER_ID: [b.customer_changed(name="Customer New")]})
    while runtime.sequencer.step():
        continue

    assert killed(runtime.settings, one_batch, moment)
    settle(runtime)

    served = runtime.queries.get("customer", b.CUSTOMER_ID, NOTHING_SEEN)
    assert served is not None
    assert served.version == 2


def test_killed_at_random_under_load_nothing_is_lost_doubled_or_stuck(runtime: Runtime) -> None:
    shop = RandomShop(3)
    shop.live(KILLS * 150)
    log = iter(shop.store.log)

    for seconds in islice(chances(3), KILLS):
        with worker(runtime.settings):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                write(runtime.store, list(islice(log, 3)))
    write(runtime.store, list(log))

    settle(runtime)
    assert checkpoint(runtime.database) == runtime.feed.position() == shop.store.events
    assert faults(runtime) == []
    _equal_to_a_fold_at_once(runtime)


def rebuild_moments() -> Iterator[Moment]:
    yield Moment("CREATE TABLE", 5)
    yield Moment("INSERT INTO view_generations")
    yield Moment("COMMIT", 3)
    yield from (Moment("UPDATE view_generations SET position", n) for n in (2, 5))
    yield from (Moment("", n) for n in (60, 100))
    yield Moment("UPDATE view_generations SET live")
    yield Moment("UPDATE view_generations SET live", then="COMMIT")
    yield Moment(DONE)


def test_a_rebuild_that_is_killed_anywhere_leaves_the_live_views_and_is_gone_on_with(
    runtime: Runtime,
) -> None:
    written(runtime, seed=4, events=900)
    settle(runtime)
    live = contents(runtime.database)
    far = 0

    for moment in rebuild_moments():
        assert killed(runtime.settings, whole_rebuild, moment), moment

        runtime.generations._known = None
        known = runtime.generations.all()
        assert len(known) <= 2, "each goes on with what the one before began"
        if moment.what != DONE:
            assert runtime.generations.live() == 1
            assert contents(runtime.database) == live
            position = known[1].position if len(known) == 2 else 0
            assert position >= far
            far = position

    assert far == runtime.feed.position()
    assert runtime.generations.live() == 2
    assert contents(runtime.database, 2) == live
    assert rebuild(runtime, begin(runtime)) == 3
    assert contents(runtime.database, 3) == live
