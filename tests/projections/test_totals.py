"""Sums kept from differences are the sums of the rows, after any history in any batches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel import Recorded
from infrastructure.database import Database
from projections.cache import LocalCache
from projections.generations import Generations
from projections.runner import Runner
from tests import builders as b
from tests.given import SOME_DAY, history
from tests.projections.views import contents, grouped, rewind, totals

MECHANICS = [b.MECHANIC_ID, b.OTHER_MECHANIC_ID, UUID(int=33)]


class Entry(NamedTuple):
    position: int
    originator_id: UUID
    originator_version: int
    topic: str
    recorded: Recorded[Any]


class ListFeed:
    """A feed that is a list."""

    def __init__(self, events: Sequence[Recorded[Any]]) -> None:
        self._entries = [
            Entry(
                position,
                one.originator_id,
                one.originator_version,
                one.event.__struct_config__.tag,
                one,
            )
            for position, one in enumerate(events, start=1)
        ]

    def read(self, after: int, limit: int) -> list[Entry]:
        return self._entries[after : after + limit]

    def decode(self, entries: Sequence[Entry]) -> list[Recorded[Any]]:
        return [entry.recorded for entry in entries]


mechanics = st.sampled_from(MECHANICS)
assigned = st.lists(mechanics, unique=True)
events = st.one_of(
    assigned.map(lambda ids: b.mechanic_assigned(mechanic_ids=ids)),
    assigned.map(lambda ids: b.mechanic_removed(mechanic_ids=ids)),
    st.builds(
        lambda id, line, minutes: b.labor_added(
            mechanic_id=id, line_id=UUID(int=line), minutes=minutes
        ),
        st.none() | mechanics,
        st.integers(1, 3),
        st.integers(0, 60),
    ),
    st.integers(1, 3).map(lambda line: b.labor_removed(line_id=UUID(int=line))),
    st.builds(
        lambda hours, cost: b.ticket_closed(
            closed_at=SOME_DAY + timedelta(hours=hours), parts_cost_cents=cost
        ),
        st.integers(0, 3),
        st.integers(0, 9),
    ),
    st.just(b.ticket_reopened()),
    st.just(b.ticket_voided()),
)
streams = st.lists(st.lists(events, max_size=12), min_size=1, max_size=3)


def test_totals_follow_any_history(tmp_path_factory: Any) -> None:
    database = _views(tmp_path_factory.mktemp("totals"))

    @settings(max_examples=40, deadline=None)
    @given(streams, st.randoms(use_true_random=False), st.data())
    def check(pasts: list[list[Any]], random: Any, data: st.DataObject) -> None:
        rewind(database)
        feed = ListFeed(_shuffled(pasts, random))
        runner = Runner(database, feed, LocalCache(), lambda: SOME_DAY)
        while runner.step(1, data.draw(st.integers(1, 9))):
            shown = contents(database)
            assert not shown["dead_letters"]
            assert totals(shown) == grouped(shown)
        in_batches = contents(database)
        rewind(database)
        runner.step(1)
        assert contents(database) == in_batches

    check()
    database.close()


def _views(directory: Path) -> Database:
    database = Database(f"sqlite:///{directory / 'views.db'}")
    Generations(database, lambda: SOME_DAY).ensure()
    return database


def _shuffled(pasts: list[list[Any]], random: Any) -> list[Recorded[Any]]:
    """The streams one by one in their order, mixed with each other."""
    waiting = [
        history(b.ticket_opened(ro_number=n), *past, id=UUID(int=n))
        for n, past in enumerate(pasts, start=1)
    ]
    mixed = []
    while waiting:
        stream = random.choice(waiting)
        mixed.append(stream.pop(0))
        waiting = [each for each in waiting if each]
    return mixed
