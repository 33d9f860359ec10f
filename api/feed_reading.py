"""Who reads which events, from where: what all ways of reading the feed have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import falcon
from msgspec import Meta

from api.gate import Forbidden
from api.operation import any_of
from api.validation import FieldError, InvalidFields
from domain.account import Role
from infrastructure.cloud_events import RETIRED, TAGS
from infrastructure.feed_cursors import BEGINNING, Cursor, InvalidCursor
from infrastructure.runtime import Runtime

READERS = any_of(Role.ADMIN, Role.AUDITOR, Role.REPORTER)
AGGREGATES = frozenset(tag.partition(".")[0] for tag in TAGS)
FOR_REPORTERS = frozenset({"ticket", "inventory", "vehicle", "mechanic"})
FROM_BEGINNING, FROM_LATEST = "beginning", "latest"
CursorText = Annotated[str, Meta(min_length=1, max_length=200)]


class View(NamedTuple):
    """`topics`: the stored tags to read, `None` for all. `hidden`: without personal text."""

    topics: frozenset[str] | None
    hidden: bool


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
    readable = FOR_REPORTERS if role is Role.REPORTER else AGGREGATES
    if beyond := {*map(_aggregate, types), *aggregates} - readable:
        raise Forbidden(f"{role} may not read events of {', '.join(sorted(beyond))}")
    hidden = role is Role.REPORTER
    if not types and not aggregates:
        if readable == AGGREGATES:
            return View(None, hidden)
        aggregates = readable
    whole = {tag for tag in TAGS.keys() | RETIRED if _aggregate(tag) in aggregates}
    # A retired tag may read as any type of its aggregate today.
    retired = {tag for tag in RETIRED if _aggregate(tag) in set(map(_aggregate, types))}
    return View(types | whole | retired, hidden)


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


def _aggregate(tag: str) -> str:
    return tag.partition(".")[0]
