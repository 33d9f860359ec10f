"""The past of one stream, folded from its events: any version, any moment, every change.

The folds are those of the live views, so a version reads byte for byte as it was served.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Select, bindparam, select

from domain.kernel import Recorded
from projections.cache import Entry
from projections.erased import VERSION_MAX, erasure, read_each
from projections.generations import Generations
from projections.kernel import CHUNK, Connections, Events, Fold, Unreadable, tag
from projections.tables import generations, tables
from projections.views import FOLDS, fingerprint

MOVING = ("version", "updated_at")
"""What every event changes: the entry itself says it."""
LINES = ("parts", "labor")
"""Fields that are lists of lines, compared line by line."""


class Change(msgspec.Struct):
    """A field before and after. Null: there was nothing, or it was erased since."""

    before: Any
    after: Any


class Actor(msgspec.Struct):
    """Who did it: an account (null for the system itself), its role at that time, and its
    e-mail as it is now, null where it was erased or is not known."""

    id: UUID | None
    role: str
    email: str | None = None


class HistoryEntry(msgspec.Struct):
    """One event: what happened, when, by whom, under which request, and what it changed: by
    field, parts and labor by line (`parts/<line_id>`)."""

    version: int
    type: str
    recorded_at: datetime
    actor: Actor
    command: str
    request_id: str
    reason: str | None
    changes: dict[str, Change]


class Page(NamedTuple):
    """Some of a stream's history, and whether there is more after it."""

    entries: list[HistoryEntry]
    more: bool


class Known(NamedTuple):
    """A state that was stored after that version; none after none."""

    version: int
    state: Any


class CannotBeShown(Exception):
    """The stream has an event that these folds cannot take, or that nobody here can read."""

    def __init__(self, id: UUID) -> None:
        super().__init__(
            f"{id} has an event that this release cannot show; what came before it can be read, "
            "and the rest once a release that can show it has started"
        )


class Past:
    """Streams as they were. Memory is bounded by CHUNK events, whatever the length."""

    def __init__(self, connections: Connections, live: Generations, events: Events) -> None:
        self._connections, self._generations, self._events = connections, live, events

    def at(
        self, kind: str, id: UUID, *, version: int | None = None, moment: datetime | None = None
    ) -> Entry | None:
        """The resource after that version, as recorded at that moment; `None` if there was none
        of its kind. A version beyond the last gives the last. Raises `CannotBeShown`, as the
        others do."""
        fold = FOLDS[kind]
        return self._folded(fold, id, self._kept(fold, id, version, moment), version, moment)

    def now(self, kind: str, id: UUID) -> tuple[Entry | None, int]:
        """The resource as it is, whatever the views show by now, and how much of the feed it
        reflects at least. Folded on from what the views know, where these folds made it."""
        fold, known = FOLDS[kind], Known(0, None)
        with self._connections.reading() as connection:
            row = connection.execute(_stream(self._generations.live()), dict(id=id)).one()
        if row.kind == kind and row.folds == fingerprint():
            known = _known(fold, row)
        return self._folded(fold, id, known, None, None), row.position

    def _folded(
        self, fold: Fold[Any], id: UUID, known: Known, version: int | None, moment: datetime | None
    ) -> Entry | None:
        try:
            state = known.state
            for recorded in self._after(id, known.version, version):
                if moment is not None and recorded.recorded_at > moment:
                    break
                if not _belongs(recorded, fold):
                    return None
                try:
                    state = fold.evolve(state, recorded)
                except Exception as error:
                    raise CannotBeShown(id) from error
            return _shown(fold, id, state)
        except CannotBeShown:
            if fold.erasure is None:
                raise
            erased, state = erasure(fold, self._events, id, version, moment)
            if not erased:
                raise
            return _shown(fold, id, state)

    def page(self, kind: str, id: UUID, after: int, limit: int) -> Page | None:
        """The events that follow version `after`, with what each changed in the resource, up
        to one that cannot be shown, and from there on none; `None` if there is none of its
        kind."""
        fold = FOLDS[kind]
        kept, state = self._kept(fold, id, after, None)
        entries, shown = list[HistoryEntry](), dict[str, Any]()
        if kept == after and state is not None:
            shown = facts(_row(fold, id, state)["body"])
        try:
            for recorded in self._after(id, kept, after + limit + 1):
                if not _belongs(recorded, fold):
                    return None
                if len(entries) == limit:
                    return Page(entries, more=True)
                try:
                    state = fold.evolve(state, recorded)
                except Exception as error:
                    raise CannotBeShown(id) from error
                if recorded.originator_version < after:
                    continue
                before, shown = shown, facts(_row(fold, id, state)["body"])
                if recorded.originator_version > after:
                    entries.append(_entry(recorded, changes(before, shown)))
        except CannotBeShown:
            if not entries:
                raise
            return Page(entries, more=True)
        return Page(entries, more=False) if state is not None else None

    def _after(self, id: UUID, version: int, last: int | None) -> Iterator[Recorded[Any]]:
        end = VERSION_MAX if last is None else last
        while True:
            try:
                chunk = self._events.events(id, gt=version, lte=last, limit=CHUNK)
            except Unreadable:
                for each in read_each(self._events, id, version, min(version + CHUNK, end)):
                    if isinstance(each, Unreadable):
                        raise CannotBeShown(id) from each
                    yield each
                raise
            yield from chunk
            if len(chunk) < CHUNK:
                return
            version = chunk[-1].originator_version

    def _kept(
        self, fold: Fold[Any], id: UUID, version: int | None, moment: datetime | None
    ) -> Known:
        """The last state of a long stream that was kept by then."""
        if not fold.keeps_states or version == 0:
            return Known(0, None)
        table = tables(self._generations.live())["kept_states"]
        query = select(table.c.version, table.c.state).where(table.c.id == id)
        if version is not None:
            query = query.where(table.c.version <= version)
        if moment is not None:
            query = query.where(table.c.recorded_at <= moment)
        with self._connections.reading() as connection:
            latest = query.order_by(table.c.version.desc()).limit(1)
            row = connection.execute(latest).one_or_none()
        return Known(0, None) if row is None else _known(fold, row)


def _shown(fold: Fold[Any], id: UUID, state: Any) -> Entry | None:
    if state is None:
        return None
    row = _row(fold, id, state)
    return Entry(0, row["version"], row["owner_id"], row["body"])


def _known(fold: Fold[Any], row: Any) -> Known:
    try:
        return Known(row.version, fold.decode(row.state))
    except msgspec.MsgspecError:  # of views that another release builds at this moment
        return Known(0, None)


@cache
def _stream(generation: int) -> Select[Any]:
    """What the views know of a stream, and how far they have come, of one snapshot."""
    table = tables(generation)["streams"]
    columns = (table.c.kind, table.c.version, table.c.state)
    joined = generations.outerjoin(table, table.c.id == bindparam("id"))
    of = generations.c.generation == generation
    position = (generations.c.position, generations.c.folds)
    return select(*columns, *position).select_from(joined).where(of)


def facts(body: bytes) -> dict[str, Any]:
    """What a body says, field by field, but for what every event changes."""
    fields: dict[str, Any] = msgspec.json.decode(body)
    for name in MOVING:
        del fields[name]
    for name in LINES:
        for line in fields.pop(name, ()):
            fields[f"{name}/{line['line_id']}"] = line
    return fields


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Change]:
    """The facts that differ. A field that is not there is null."""
    return {
        name: Change(before.get(name), after.get(name))
        for name in before | after
        if before.get(name) != after.get(name)
    }


def _belongs(recorded: Recorded[Any], fold: Fold[Any]) -> bool:
    return tag(recorded).startswith(f"{fold.kind}.")


def _row(fold: Fold[Any], id: UUID, state: Any) -> dict[str, Any]:
    try:
        _, row = next(fold.rows(state))
    except Exception as error:
        raise CannotBeShown(id) from error
    return row


def _entry(recorded: Recorded[Any], changed: dict[str, Change]) -> HistoryEntry:
    return HistoryEntry(
        version=recorded.originator_version,
        type=tag(recorded),
        recorded_at=recorded.recorded_at,
        actor=Actor(recorded.actor, recorded.role),
        command=recorded.command,
        request_id=recorded.correlation_id,
        reason=recorded.reason,
        changes=changed,
    )
