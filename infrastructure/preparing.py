"""Making a database ready for this release: its schema, and its views."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from infrastructure.database import Database
from infrastructure.event_store.sequencer import BATCH as SEQUENCED_AT_ONCE
from infrastructure.grants import grant
from infrastructure.migrations import alone, migrate
from infrastructure.runtime import Runtime
from infrastructure.verifying import verification
from projections.generations import REMEMBERED_SECONDS
from projections.kernel import OtherFolds
from projections.runner import REBUILD_BATCH

SAMPLE_STREAMS = 50
SENTENCES_MAX = 5
KEEP_SECONDS = 60.0
PAUSE_SECONDS = 0.01
SQLITE_TURN_SECONDS = 0.1
"""So often at least whoever waits for SQLite's one write lock looks whether it is free: a rebuild
that took it again at once would keep writers out for as long as it lasts."""


class BuiltWrong(Exception):
    """The views that were built are not what the events say; they were not served."""


def prepare(runtime: Runtime) -> None:
    """Migrate, and rebuild the views if this release shows the events differently."""
    migrate(runtime.database)
    with _alone(runtime.database):
        outdated = runtime.generations.ensure()
        _grant(runtime)
    if outdated is not None:
        renew(runtime, outdated)


def begin(runtime: Runtime, *, afresh: bool = False) -> int:
    """The generation to rebuild: what a rebuild that was killed left, unless `afresh`."""
    with _alone(runtime.database):
        generation = runtime.generations.create() if afresh else runtime.generations.begin()
        _grant(runtime)
    return generation


def _grant(runtime: Runtime) -> None:
    with runtime.database.reading() as connection:
        grant(connection, runtime.settings)


def renew(
    runtime: Runtime, generation: int, told: Callable[[int], object] = lambda events: None
) -> None:
    """Rebuild, and go on with what is served then until every worker has noticed that it is.

    Workers of another release never do: theirs is the old generation.
    """
    rebuild(runtime, generation, told)
    end = time.monotonic() + 1.5 * REMEMBERED_SECONDS
    while time.monotonic() < end:
        runtime.sequencer.step()
        if not runtime.runner.step(generation):
            time.sleep(PAUSE_SECONDS)


def rebuild(
    runtime: Runtime, generation: int, told: Callable[[int], object] = lambda events: None
) -> int:
    """Fold every event into that generation, verify it, serve it. The live one goes on meanwhile.

    How far it is stands beside its rows: after a crash somebody else goes on from there, and
    two at once share the work. `told` hears of each batch how many events it held. Raises
    `BuiltWrong`, and `Overtaken` if a later generation is served by now.
    """
    _catch_up(runtime, generation, told)
    runtime.generations.check(generation)
    _verify(runtime, generation)
    while not runtime.generations.switch(generation):
        _catch_up(runtime, generation, told)
    return generation


def _catch_up(runtime: Runtime, generation: int, told: Callable[[int], object]) -> None:
    """To where the feed ended a moment ago: where people are at work it never stands still."""
    kept = time.monotonic()
    while True:
        sequenced = runtime.sequencer.step()
        folded = _fold(runtime, generation)
        told(folded)
        if sequenced < SEQUENCED_AT_ONCE and folded < REBUILD_BATCH:
            return
        if not runtime.database.is_mysql:
            time.sleep(SQLITE_TURN_SECONDS)
        if time.monotonic() - kept > KEEP_SECONDS:
            runtime.generations.keep(generation)
            kept = time.monotonic()


def _fold(runtime: Runtime, generation: int) -> int:
    try:
        return runtime.runner.step(generation, REBUILD_BATCH)
    except OtherFolds:
        runtime.generations.check(generation)  # Somebody else may just have discarded it.
        raise


def _verify(runtime: Runtime, generation: int) -> None:
    """Streams drawn by chance against an independent fold, and all totals."""
    with verification(runtime, generation) as (found, streams):
        wrong = list(found.some(streams.sample(SAMPLE_STREAMS)))
    if wrong:
        runtime.generations.discard(generation)
        said = "\n".join(wrong[:SENTENCES_MAX])
        raise BuiltWrong(f"generation {generation} is not served, {len(wrong)} faults:\n{said}")


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Two at once would both make the tables."""
    patient = database.patient()
    try:
        with alone(patient, "make views"):
            yield
    finally:
        patient.close()
