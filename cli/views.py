"""Looking after the views."""

from __future__ import annotations

import click

from cli import console
from infrastructure.preparing import rebuild as rebuild_views


@click.group()
def projections() -> None:
    """The views."""


@projections.command()
def status() -> None:
    """Tell which generation is live and how far behind the feed it is."""
    with console.runtime() as runtime:
        position, head = runtime.queries.position(), runtime.feed.position()
        console.out.print(
            f"generation {runtime.generations.live()}: at {position} of {head}, "
            f"{head - position} behind"
        )


@projections.command()
def rebuild() -> None:
    """Build the views anew beside the live ones, then switch to them."""
    with console.runtime() as runtime:
        generation = rebuild_views(runtime, runtime.generations.create())
        console.out.print(f"generation {generation} is live")
