"""How far the views are: for readiness, for metrics, for whoever looks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import func, select

from infrastructure.event_store.commits import decode_runs
from infrastructure.event_store.tables import events, feed, pending, sequenced_events
from infrastructure.runtime import Runtime
from projections.generations import Generation, NoViews
from projections.tables import tables
from projections.views import fingerprint

PENDING_MAX = 10_000
"""Commits that wait for their positions are counted up to here; then nobody sequences."""
OTHER_RELEASE = (
    "built by another release, which alone writes them: run `mechanic-shop migrate` of this one "
    "if it is newer, else stop its processes"
)


class Build(msgspec.Struct, frozen=True):
    """A generation that is not served (yet). `fits`: a rebuild would go on with it."""

    generation: int
    position: int
    begun_at: datetime
    fits: bool


class ViewStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`lag_events` and `lag_seconds`: events that the views do not show, and the age of the
    oldest, whether they have positions or still wait for them (`pending_events`,
    `pending_seconds`). `current`: the views were built by the folds of this release."""

    generation: int
    folds: str
    current: bool
    position: int
    feed_position: int
    pending_events: int
    pending_seconds: float
    lag_events: int
    lag_seconds: float
    dead_letters: int
    builds: list[Build]
    superseded: list[int]


def view_status(runtime: Runtime) -> ViewStatus:
    """Four short statements, whatever the size of the shop. Raises `NoViews`."""
    known, now = runtime.generations.all(), runtime.clock()
    live = next((one for one in known if one.live), None)
    if live is None:
        raise NoViews("there are no views yet: run `mechanic-shop migrate`")
    letters = tables(live.generation)["dead_letters"]
    with runtime.database.reading() as connection:
        # As far as this statement finds the views, what follows is at least as new.
        counts = select(
            select(func.count()).select_from(letters).scalar_subquery(),
            select(func.max(feed.c.position)).scalar_subquery(),
        )
        dead_letters, head = connection.execute(counts).one()
        waiting = connection.execute(
            select(pending.c.recorded_at, pending.c.runs).limit(PENDING_MAX)
        ).all()
        first = select(events.c.recorded_at).select_from(sequenced_events)
        oldest = connection.scalar(first.where(feed.c.position == live.position + 1))
    pending_events = sum(run.length for row in waiting for run in decode_runs(row.runs))
    oldest_pending = min((row.recorded_at for row in waiting), default=None)
    moments = [moment for moment in (oldest, oldest_pending) if moment is not None]

    def age(moment: datetime | None) -> float:
        return max(0.0, (now - moment).total_seconds()) if moment is not None else 0.0

    return ViewStatus(
        generation=live.generation,
        folds=live.folds,
        current=live.folds == fingerprint(),
        position=live.position,
        feed_position=head or 0,
        pending_events=pending_events,
        pending_seconds=age(oldest_pending),
        lag_events=max(0, (head or 0) - live.position) + pending_events,
        lag_seconds=age(min(moments, default=None)),
        dead_letters=dead_letters,
        builds=[_build(one) for one in known if one.generation > live.generation],
        superseded=[one.generation for one in known if one.generation < live.generation],
    )


def _build(one: Generation) -> Build:
    fits = one.folds == fingerprint()
    return Build(one.generation, one.position, one.created_at, fits)


def rows_per_table(runtime: Runtime) -> Mapping[str, int]:
    """Of the live generation. Reads an index of each table from end to end."""
    counts = {}
    with runtime.database.reading() as connection:
        for name, table in tables(runtime.generations.live()).items():
            counts[name] = connection.scalar(select(func.count()).select_from(table)) or 0
    return counts
