"""Looking after the views."""

from __future__ import annotations

import click

from cli import console
from infrastructure.preparing import rebuild as rebuild_views
from infrastructure.runtime import Runtime


@click.group()
def projections() -> None:
    """The views."""


@projections.command()
@click.option(
    "--within",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="Exit with 1 if an event has waited longer than this to be shown.",
)
def status(within: int | None) -> None:
    """Tell which generation is live and how far behind the events it is."""
    with console.runtime() as runtime:
        position, head = runtime.queries.position(), runtime.feed.position()
        waited = _waited(runtime, position)
        console.out.print(
            f"generation {runtime.generations.live()}: at {position} of {head}, "
            f"{head - position} behind, the next one has waited {waited:.0f} s"
        )
    if within is not None and waited > within:
        raise console.fail(f"an event has waited longer than {within} s")


def _waited(runtime: Runtime, position: int) -> float:
    """Seconds since the oldest event that is not shown yet was recorded; 0 without one."""
    next_events = runtime.feed.read(position, 1)
    oldest = next_events[0].recorded_at if next_events else runtime.feed.waiting_since()
    return (runtime.clock() - oldest).total_seconds() if oldest else 0.0


@projections.command()
def rebuild() -> None:
    """Build the views anew beside the live ones, then switch to them."""
    with console.runtime() as runtime:
        generation = rebuild_views(runtime, runtime.generations.create())
        console.out.print(f"generation {generation} is live")
