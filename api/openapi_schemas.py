"""JSON Schemas of what goes in and out, from the types alone, with units told by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args, get_origin

import msgspec

from api.openapi_examples import REF, Schema

INT32_MAX = 2**31 - 1

MEANINGS = (
    ("rate_cents_per_hour", "Money in cents per hour of work."),
    ("labor_rate_cents", "Money in cents per hour of work."),
    ("_cents", "Money in cents."),
    ("minutes", "Working time in minutes."),
    ("expires_in", "In seconds."),
    ("_seconds", "In seconds."),
    ("_at", "An instant, kept in UTC to the microsecond."),
    ("odometer_in", "In the shop's unit, miles or kilometres."),
    ("odometer_out", "In the shop's unit, miles or kilometres."),
    ("quantity", "In units of the part."),
    ("quantity_on_hand", "In units of the part."),
    ("quantity_delta", "In units of the part; negative takes off the shelf."),
    ("reorder_point", "In units of the part: at or below it the item counts as low."),
    ("year", "Model year."),
    ("ro_number", "The number people say on the phone."),
    ("cursor", "Opaque: from the `next` of the page before."),
    ("include", "Show these too, which lists leave out."),
    ("sort", "The order; a leading `-` descends."),
    ("updated_after", "Only what changed after this instant."),
    ("as_of", "As recorded at this instant."),
    ("version", "A version counts the events of the resource."),
    ("limit", "Items per page."),
    ("q", "The beginning of a name."),
)
"""How a field's name ends -> its unit or meaning."""


class Schemas:
    """The schemas of types, all made at once so that names cannot clash. The types of query
    parameters do not stand among the components."""

    def __init__(self, types: Iterable[Any], params: Iterable[Any]) -> None:
        queries = list(params)
        wanted = list(dict.fromkeys([_item_type(type) for type in types] + queries))
        found, everything = msgspec.json.schema_components(wanted, ref_template=REF + "{name}")
        self._of: dict[Any, Schema] = dict(zip(wanted, found, strict=True))
        for component in everything.values():
            _explain(component)
        self._queries: dict[Any, Schema] = {
            type: everything[_name(self._of[type])] for type in queries
        }
        apart = {_name(self._of[type]) for type in queries}
        self.components = {name: each for name, each in everything.items() if name not in apart}

    def of(self, type: Any) -> Schema:
        """The schema of a type; of `list[X]`, that of a page of them, and of `tuple[X, ...]` that
        of a bare array."""
        schema = self._of[_item_type(type)]
        if get_origin(type) is tuple:
            return {"type": "array", "items": schema}
        if get_origin(type) is not list:
            return schema
        return {
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": schema},
                "next": {
                    "anyOf": [{"type": "string"}, {"type": "null"}],
                    "description": "The URL of the next page; null on the last.",
                },
            },
            "required": ["items", "next"],
        }

    def of_query(self, params: Any) -> Schema:
        """The schema of an object whose properties are query parameters."""
        return self._queries[params]


def without_null(schema: Schema) -> Schema:
    """The schema of something that is absent rather than null."""
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    if schema.get("default") is not None:
        rest["default"] = schema["default"]
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    return (kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}) | rest


def _item_type(type: Any) -> Any:
    return get_args(type)[0] if get_origin(type) in (list, tuple) else type


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).removeprefix(REF)


def _explain(component: Schema) -> None:
    """Add what the types do not say: units, formats, and the type of enumerations."""
    _format("", component)
    for name, field in component.get("properties", {}).items():
        kinds = (field, *field.get("anyOf", []))
        for kind in kinds:
            _format(name, kind)
        own = next((kind["description"] for kind in kinds if "description" in kind), "")
        told = next((text for end, text in MEANINGS if _ends(name, end)), "")
        if said := _joined(told, own):
            field["description"] = said
            for kind in kinds[1:]:
                kind.pop("description", None)


def _ends(name: str, end: str) -> bool:
    return name == end or name.endswith(end if end.startswith("_") else f"_{end}")


def _joined(told: str, own: str) -> str:
    if own.rstrip(".") in told:
        return told
    return own if told in own else f"{told} {own}"


def _format(name: str, schema: Schema) -> None:
    if all(isinstance(value, str) for value in schema.get("enum", [0])):
        schema.setdefault("type", "string")
    if schema.get("type") == "integer":
        limits = schema.get("minimum", -INT32_MAX), schema.get("maximum", 2**63)
        schema["format"] = "int32" if max(map(abs, limits)) <= INT32_MAX else "int64"
    elif schema.get("type") == "string" and name.endswith("_at"):
        schema["format"] = "date-time"
    elif schema.get("type") == "array":
        _format("", schema.get("items", {}))
