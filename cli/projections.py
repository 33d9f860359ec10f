"""Looking after the views."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cli import console
from infrastructure import preparing
from infrastructure.runtime import Runtime
from infrastructure.verifying import verification
from infrastructure.view_status import OTHER_RELEASE, ViewStatus, rows_per_table, view_status
from projections.dead_letters import DeadLetter

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


@click.group()
def projections() -> None:
    """The views."""


@projections.command()
@as_json
@click.option(
    "--within",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="Exit with 1 if an event has waited longer than this to be shown.",
)
def status(as_json: bool, within: int | None) -> None:
    """Tell how far behind the events the views are, and what stands in their way."""
    with console.runtime() as runtime:
        found = view_status(runtime)
        # A health check asks often, and counting rows takes long.
        tables = rows_per_table(runtime) if within is None else {}
    if as_json:
        click.echo(_json(msgspec.to_builtins(found) | {"tables": tables}))
    else:
        for line in (*_lines(found), *(f"  {name}: {rows}" for name, rows in tables.items())):
            click.echo(line)
    if within is not None and found.lag_seconds > within:
        raise console.fail(f"an event has waited longer than {within} s")


def _lines(found: ViewStatus) -> Iterable[str]:
    yield (
        f"generation {found.generation}: at {found.position} of {found.feed_position}, "
        f"{found.lag_events} behind, the next one has waited {found.lag_seconds:.1f} s"
    )
    if found.pending_events:
        yield (
            f"waiting for their positions: {found.pending_events} events, "
            f"the oldest for {found.pending_seconds:.1f} s"
        )
    yield f"folds {found.folds[:16]}" + ("" if found.current else f", {OTHER_RELEASE}")
    yield f"dead letters: {found.dead_letters}"
    for build in found.builds:
        goes_on = "under way or killed" if build.fits else "nobody goes on with it"
        yield f"build {build.generation}: at {build.position}, {goes_on}"
    for generation in found.superseded:
        yield f"generation {generation}: served no more, dropped soon"


@projections.command()
@click.option("--afresh", is_flag=True, help="Do not go on with a rebuild that was killed.")
def rebuild(afresh: bool) -> None:
    """Build the views anew beside the live ones, verify them, then switch to them."""
    with console.runtime() as runtime:
        generation = preparing.begin(runtime, afresh=afresh)
        with _progress() as progress:
            start = _position(runtime, generation)
            total = runtime.feed.position()
            task = progress.add_task(f"generation {generation}", total=total, completed=start)
            preparing.renew(runtime, generation, lambda n: progress.advance(task, n))
        click.echo(f"generation {generation} is live")


def _position(runtime: Runtime, generation: int) -> int:
    return next(o.position for o in runtime.generations.all() if o.generation == generation)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f} events, {task.speed or 0:,.0f}/s")


@projections.command()
def verify() -> None:
    """Fold every event anew and compare every row; exit code 1 if one differs."""
    faults = 0
    with console.runtime() as runtime:
        with verification(runtime, runtime.generations.live()) as (found, _):
            for fault in found.everything():
                faults += 1
                click.echo(fault)
        told = f"{found.events} events of {found.streams} streams up to {found.position}"
        if found.parked:
            told += f"; parked streams: {len(found.parked)}"
    if faults:
        click.echo(f"{faults} faults: {told}", err=True)
        sys.exit(1)
    click.echo(f"the views are what the events say: {told}")


@projections.command()
@as_json
def dead_letters(as_json: bool) -> None:
    """List the streams that are parked: the event that cannot be shown, and why."""
    with console.runtime() as runtime:
        found = runtime.dead_letters.all(runtime.generations.live())
    if as_json:
        click.echo(_json(found))
        return
    for letter in found:
        click.echo(_line(letter))
    if not found:
        click.echo("no stream is parked")


def _line(letter: DeadLetter) -> str:
    return (
        f"{letter.stream_id}: version {letter.version} ({letter.topic}, position "
        f"{letter.position}, parked {letter.parked_at:%Y-%m-%d %H:%M:%S}Z), "
        f"{letter.waiting} events wait: {letter.error}"
    )


@projections.command()
@click.argument("stream_id", type=click.UUID, required=False)
def retry(stream_id: UUID | None) -> None:
    """Fold parked streams again, all or one; exit code 1 if one is parked still."""
    parked = 0
    with console.runtime() as runtime:
        live = runtime.generations.live()
        chosen = [stream_id] if stream_id else _parked(runtime, live)
        for id in chosen:
            try:
                why = runtime.dead_letters.retry(live, id)
            except LookupError as error:
                # Of all that were parked a moment ago, another may have been faster.
                if stream_id:
                    raise console.fail(str(error)) from error
                continue
            parked += why is not None
            click.echo(f"{id}: {why or 'healed'}")
    if parked:
        raise console.fail(f"{parked} of {len(chosen)} are parked still")
    if not chosen:
        click.echo("no stream is parked")


def _parked(runtime: Runtime, generation: int) -> list[UUID]:
    return [letter.stream_id for letter in runtime.dead_letters.all(generation)]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
