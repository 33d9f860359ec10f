"""Looking after the event store."""

from __future__ import annotations

import sys

import click

from cli import console
from infrastructure.event_store.checks import verify


@click.group()
def events() -> None:
    """The event store."""


@events.command()
def check() -> None:
    """Verify that no event is missing, doubled or out of place; exit code 1 if one is."""
    faults = 0
    with console.runtime() as runtime:
        for fault in verify(runtime.database):
            faults += 1
            click.echo(fault)
        position = runtime.feed.position()
    if faults:
        click.echo(f"{faults} faults", err=True)
        sys.exit(1)
    click.echo(f"the feed is whole: {position} events")
