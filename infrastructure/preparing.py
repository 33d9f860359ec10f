"""Making a database ready for this release: its schema, and its views."""

from __future__ import annotations

from infrastructure.migrations import migrate
from infrastructure.runtime import Runtime


def prepare(runtime: Runtime) -> None:
    """Migrate, and rebuild the views if this release shows the events differently."""
    migrate(runtime.database)
    outdated = runtime.generations.ensure()
    if outdated is not None:
        rebuild(runtime, outdated)


def rebuild(runtime: Runtime, generation: int) -> int:
    """Fold every event into that generation, then serve it. The live one goes on meanwhile."""
    while runtime.sequencer.step() or runtime.runner.step(generation):
        continue
    runtime.generations.switch(generation)
    return generation
