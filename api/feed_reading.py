"""Who reads which events, from where: what all ways of reading the feed have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import falcon
from msgspec import Meta

from api.gate import Forbidden
from api.operation import any_of
from api.validation import FieldError, InvalidFields
from domain.account import Role
from infrastructure.feed_cursors import BEGINNING, Cursor, InvalidCursor
from infrastructure.feed_views import (
    AGGREGATES,
    RETIRED,
    TAGS,
    View,
    aggregate_of,
    of_aggregates,
    readable,
    whole,
)
from infrastructure.runtime import Runtime

READERS = any_of(Role.ADMIN, Role.AUDITOR, Role.REPORTER)
FROM_BEGINNING, FROM_LATEST = "beginning", "latest"
CursorText = Annotated[str, Meta(min_length=1, max_length=200)]


def view_of(
    role: Role,
    types: Iterable[str],
    aggregates: Iterable[str],
    *,
    pointers: tuple[str, str] = ("/type", "/aggregate"),
) -> View:
    """What a role sees of events of these types and of these aggregates; of all if none is named.

    Raises `InvalidFields` for what there is not, `Forbidden` for what is not theirs.
    """
    types, aggregates = frozenset(types), frozenset(aggregates)
    unknown = [
        FieldError(pointer, f"Expected {expected}; there is no {', '.join(map(repr, wrong))}")
        for pointer, expected, wrong in (
            (pointers[0], "types of events, as in docs/events.md", sorted(types - TAGS.keys())),
            (pointers[1], ", ".join(sorted(AGGREGATES)), sorted(aggregates - AGGREGATES)),
        )
        if wrong
    ]
    if unknown:
        raise InvalidFields(unknown)
    if beyond := {*map(aggregate_of, types), *aggregates} - readable(role):
        raise Forbidden(f"{role} may not read events of {', '.join(sorted(beyond))}")
    everything = whole(role)
    if not types and not aggregates:
        return everything
    # A retired tag may read as any type of its aggregate today.
    retired = RETIRED & of_aggregates(frozenset(map(aggregate_of, types)))
    return everything._replace(topics=types | of_aggregates(aggregates) | retired)


def cursor_of(runtime: Runtime, text: str, pointer: str) -> Cursor:
    """The cursor that a client sends, or the place it names. Raises `InvalidFields`, and
    `FeedFork` for what is not of this feed."""
    if text == FROM_BEGINNING:
        return BEGINNING
    if text == FROM_LATEST:
        return runtime.feed_pages.head()
    try:
        return runtime.feed_cursors.read(text)
    except InvalidCursor:
        message = f"Expected a cursor that this service gave, {FROM_BEGINNING} or {FROM_LATEST}"
        raise InvalidFields([FieldError(pointer, message)]) from None


def access_token(req: falcon.Request) -> str:
    """The one that the gate let through."""
    return (req.auth or "").partition(" ")[2].strip()
