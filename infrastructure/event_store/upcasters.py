"""What old events look like in today's words.

A tag is never reused. Where the events of a retired tag must go on being read, a function
turns their JSON object into that of a later tag, which may be upcast in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class Upcasters(dict[str, Upcaster]):
    """By the retired tag; the stored bytes are never touched."""

    def upcasts(self, tag: str) -> Callable[[Upcaster], Upcaster]:
        """Register how events of this tag read today.

        The function gets the event's JSON object and gives a new one, whose `type` is another
        tag. Personal fields are still sealed, bound to their names: they keep their name in
        the JSON (to rename the attribute, use `msgspec.field(name=...)`).
        """

        def register(upcaster: Upcaster) -> Upcaster:
            if tag in self:
                raise TypeError(f"{tag} has an upcaster already")
            self[tag] = upcaster
            return upcaster

        return register

    def apply(self, event: dict[str, Any]) -> dict[str, Any]:
        """Follow the chain to a tag that is in use."""
        passed = set[str]()
        while (tag := event["type"]) in self:
            if tag in passed:
                raise TypeError(f"the upcasters of {tag} go in a circle")
            passed.add(tag)
            event = self[tag](event)
        return event


UPCASTERS = Upcasters()
upcasts = UPCASTERS.upcasts
