"""The document of today, and ways to look into it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from api.app import operations
from api.docs import openapi_json
from api.operation import Operation

DOCUMENT: dict[str, Any] = msgspec.json.decode(openapi_json())
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]
OPERATIONS = operations()


def place(one: Operation) -> str:
    return f"{one.method} {one.path}"


def described(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][one.path][one.method.lower()]
    return found


def at(place: str) -> dict[str, Any]:
    method, path = place.split()
    found: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]
    return found


def names(place: str) -> set[str]:
    return {resolved(one)["name"] for one in at(place)["parameters"]}


def resolved(thing: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in thing:
        found: Any = DOCUMENT
        for step in thing["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        thing = found
    return thing


def every(thing: Any) -> Iterator[dict[str, Any]]:
    """Every object there is in the document."""
    if isinstance(thing, dict):
        yield thing
    for inner in thing.values() if isinstance(thing, dict) else thing:
        if isinstance(inner, (dict, list)):
            yield from every(inner)
