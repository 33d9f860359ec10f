"""The views as rows, and histories for them that no command has made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, event, select, update

from domain.kernel import Event
from infrastructure.database import Database
from infrastructure.event_store.store import EventStore
from infrastructure.packets import PackedConnection
from infrastructure.runtime import Runtime
from projections.kernel import Connections
from projections.tables import generations, tables
from projections.views import TOTALS
from tests.given import history

Contents = dict[str, list[dict[str, Any]]]


def record(store: EventStore, *past: Mapping[UUID, Sequence[Event]]) -> None:
    """Each mapping is a commit: what happened next to these streams."""
    for commit in past:
        with store.transaction() as transaction:
            for id, events in commit.items():
                if not events:
                    continue
                known = len(store.application.recorder.select_events(id))
                transaction.append(history(*[None] * known, *events, id=id)[known:], [])


def settle(runtime: Runtime) -> None:
    while runtime.advance():
        continue


def contents(connections: Connections, generation: int = 1) -> Contents:
    """Every row of every table, but for the moments at which streams were parked."""
    found = {}
    with connections.reading() as connection:
        for name, table in tables(generation).items():
            rows = connection.execute(select(table).order_by(*table.primary_key))
            found[name] = [dict(row) for row in rows.mappings()]
    for letter in found["dead_letters"]:
        del letter["parked_at"]
    return found


def checkpoint(connections: Connections, generation: int = 1) -> int:
    query = select(generations.c.position).where(generations.c.generation == generation)
    with connections.reading() as connection:
        return int(connection.scalar(query) or 0)


def rewind(connections: Connections, generation: int = 1) -> None:
    """Empty views, as before the first event."""
    with connections.transaction() as connection:
        for table in tables(generation).values():
            connection.execute(delete(table))
        connection.execute(update(generations).values(position=0))


def parked(runtime: Runtime) -> dict[UUID, int]:
    """The streams that are parked, and at which version."""
    letters = contents(runtime.database)["dead_letters"]
    return {row["stream_id"]: row["version"] for row in letters}


def plain(table: str) -> str:
    """A table's name without its generation."""
    return table.rpartition("_")[0]


@contextmanager
def statements(database: Database, told: Callable[[str], object]) -> Iterator[None]:
    """Tell each statement of a transaction before it is executed or kept for COMMIT, and that."""
    engine, keep = database._writes, PackedConnection.keep

    def execute(_: Any, __: Any, statement: str, *___: object) -> None:
        told(statement)

    def commit(_: Any) -> None:
        told("COMMIT")

    def keeping(connection: PackedConnection, statement: str, parameters: Any) -> None:
        told(statement)
        keep(connection, statement, parameters)

    event.listen(engine, "before_cursor_execute", execute)
    event.listen(engine, "commit", commit)
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(PackedConnection, "keep", keeping)
            yield
    finally:
        event.remove(engine, "before_cursor_execute", execute)
        event.remove(engine, "commit", commit)


Sums = dict[str, dict[tuple[Any, ...], dict[str, int]]]


def totals(shown: Contents) -> Sums:
    """The totals as kept."""
    return {
        total.table: {
            tuple(row[c] for c in total.by): {name: int(row[name]) for name in total.sums}
            for row in shown[total.table]
        }
        for total in TOTALS
    }


def grouped(shown: Contents) -> Sums:
    """What the totals must be: sums of the rows they are of, all zero left out."""
    sums: Sums = {}
    for total in TOTALS:
        groups: dict[tuple[Any, ...], dict[str, int]] = {}
        for row in shown[total.of]:
            nothing = dict.fromkeys(total.sums, 0)
            group = groups.setdefault(tuple(row[c] for c in total.by), nothing)
            for name in total.sums:
                group[name] += row[name]
        sums[total.table] = {key: group for key, group in groups.items() if any(group.values())}
    return sums
