"""Whatever is lost, late or evicted: an entry that is served is as fresh as its mark says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from projections.cache import Cache, Entry, LocalCache
from tests.projections.caches import GENERATION, evict, flush, lose_mark, redis_cache

KIND_OF = {"a": "ticket", "b": "ticket", "c": "customer"}
LIST = "list"
LIST_KINDS = ("ticket",)

keys = st.sampled_from([*KIND_OF, LIST])
batches = st.lists(st.sampled_from(sorted(KIND_OF)), min_size=1, max_size=3)


class History(RuleBasedStateMachine):
    """A version is the position of the last change, so the database is a list of changes."""

    cache: Cache

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[str] = []
        self.unpublished: list[tuple[int, int]] = []
        self.snapshots: list[tuple[str, Entry]] = []

    @initialize()
    def begin(self) -> None:
        flush(self.cache)

    def truth(self, key: str, position: int) -> int:
        """The version of an entry at that position."""
        kinds = LIST_KINDS if key == LIST else ()
        return max(
            (
                n
                for n, changed in enumerate(self.changes[:position], start=1)
                if changed == key or KIND_OF[changed] in kinds
            ),
            default=0,
        )

    def entry(self, key: str, position: int) -> Entry:
        return Entry(position, self.truth(key, position), None, b"")

    @rule(batch=batches)
    def commit(self, batch: list[str]) -> None:
        self.unpublished.append((len(self.changes), len(self.changes) + len(batch)))
        self.changes += batch

    @rule(batch=batches)
    def commit_and_publish(self, batch: list[str]) -> None:
        """What happens most of the time."""
        self.commit(batch)
        self._publish(*self.unpublished.pop())

    @precondition(lambda self: self.unpublished)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        """Several workers: not always in the order of the commits."""
        chosen = data.draw(st.integers(0, len(self.unpublished) - 1))
        self._publish(*self.unpublished.pop(chosen))

    def _publish(self, before: int, after: int) -> None:
        touched = set(self.changes[before:after])
        self.cache.publish(
            GENERATION,
            {key: self.entry(key, after) for key in touched},
            before=before,
            after=after,
            kinds={KIND_OF[key] for key in touched},
        )

    @precondition(lambda self: self.unpublished)
    @rule()
    def lose_publications(self) -> None:
        self.unpublished.clear()

    @rule()
    def publish_that_nothing_is_new(self) -> None:
        head = len(self.changes)
        self.cache.publish(GENERATION, {}, before=head, after=head, kinds=set())

    @rule(key=keys)
    def begin_to_read(self, key: str) -> None:
        self.snapshots.append((key, self.entry(key, len(self.changes))))

    @precondition(lambda self: self.snapshots)
    @rule(data=st.data(), evicted=st.booleans())
    def fill_with_what_was_read(self, data: st.DataObject, evicted: bool) -> None:
        chosen = data.draw(st.integers(0, len(self.snapshots) - 1))
        key, entry = self.snapshots.pop(chosen)
        if evicted:
            evict(self.cache, key)
        self.cache.fill(GENERATION, key, entry, self.kinds(key))

    @rule(what=st.sampled_from([lose_mark, flush]))
    def lose(self, what: Callable[[Cache], None]) -> None:
        what(self.cache)

    def kinds(self, key: str) -> tuple[str, ...]:
        return LIST_KINDS if key == LIST else (KIND_OF[key],)

    @invariant()
    def what_is_served_is_as_fresh_as_the_mark(self) -> None:
        for key in (*KIND_OF, LIST):
            entry, mark = self.cache.look(GENERATION, key)
            needed = LIST_KINDS if key == LIST else ()
            if entry is not None and mark is not None and mark.holds(entry, needed):
                assert mark.position <= len(self.changes)
                assert entry.version >= self.truth(key, mark.position)


@pytest.mark.parametrize("where", ["local", "redis"])
def test_no_history_makes_the_cache_serve_what_is_older_than_it_says(
    where: str, request: pytest.FixtureRequest
) -> None:
    made: Cache = LocalCache()
    if where == "redis":
        made = redis_cache(request.getfixturevalue("redis_url"))

    class OfThisCache(History):
        cache = made

    examples = 150 if where == "local" else 25
    run_state_machine_as_test(
        OfThisCache, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None)
    )
