"""Persons who were erased though an event of theirs before that cannot be shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.kernel import Recorded
from projections.kernel import CHUNK, Events, Fold, Unreadable, tag

VERSION_MAX = 2**31 - 1


def erasure(
    fold: Fold[Any], events: Events, id: UUID, version: int | None, moment: datetime | None
) -> tuple[bool, Any]:
    """Whether the person was erased by that version and moment, and the state that is left: the
    last that could be shown, of events whose personal text is gone, and the erasure, if it can
    be, after that."""
    state, parked, erased = None, False, False
    for recorded in _legible(events, id, version or VERSION_MAX):
        if isinstance(recorded, Unreadable):
            topic = recorded.topic
        elif moment is not None and recorded.recorded_at > moment:
            break
        else:
            topic = tag(recorded)
        erased |= topic == fold.erasure
        if parked and topic != fold.erasure:
            continue
        try:
            if isinstance(recorded, Unreadable):
                raise recorded
            evolved = fold.evolve(state, recorded)
            next(fold.rows(evolved))
            state = evolved
        except Exception:
            parked = True
    return erased, state


def _legible(events: Events, id: UUID, last: int) -> Iterator[Recorded[Any] | Unreadable]:
    """Every event up to the last; in the place of one that cannot be read, why."""
    for after in range(0, last, CHUNK):
        chunk = read_each(events, id, after, min(after + CHUNK, last))
        yield from chunk
        if len(chunk) < CHUNK:
            return


def read_each(events: Events, id: UUID, after: int, last: int) -> list[Recorded[Any] | Unreadable]:
    """Versions above `after`, up to `last`; in the place of one that cannot be read, why."""
    try:
        return list(events.events(id, gt=after, lte=last))
    except Unreadable as error:
        if last - after == 1:
            return [error]
        middle = (after + last) // 2
        return read_each(events, id, after, middle) + read_each(events, id, middle, last)
