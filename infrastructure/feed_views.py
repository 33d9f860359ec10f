"""Which events there are, and who reads which of them."""

from __future__ import annotations

from typing import NamedTuple, get_args

import msgspec

from domain.account import Role
from domain.events import AnyEvent
from infrastructure.event_store.sealing import personal_fields
from infrastructure.event_store.upcasters import UPCASTERS

TAGS: dict[str, type[msgspec.Struct]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(AnyEvent)
}
"""Every type of event there is."""
PERSONAL = frozenset(tag for tag, kind in TAGS.items() if personal_fields(kind))
RETIRED = frozenset(UPCASTERS)
"""Tags that are stored and read as others."""
AGGREGATES = frozenset(tag.partition(".")[0] for tag in TAGS)
FOR_REPORTERS = frozenset({"ticket", "inventory", "vehicle", "mechanic"})


class View(NamedTuple):
    """`topics`: the stored tags to read, `None` for all. `hidden`: without personal text."""

    topics: frozenset[str] | None
    hidden: bool


def aggregate_of(tag: str) -> str:
    return tag.partition(".")[0]


def readable(role: Role) -> frozenset[str]:
    """The aggregates whose events a role reads, if it reads events at all."""
    return FOR_REPORTERS if role is Role.REPORTER else AGGREGATES


def of_aggregates(aggregates: frozenset[str]) -> frozenset[str]:
    """Their tags, retired ones too."""
    return frozenset(tag for tag in TAGS.keys() | RETIRED if aggregate_of(tag) in aggregates)


def whole(role: Role) -> View:
    """Everything that a role reads."""
    theirs = readable(role)
    topics = None if theirs == AGGREGATES else of_aggregates(theirs)
    return View(topics, hidden=role is Role.REPORTER)
