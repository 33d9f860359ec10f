"""What an example of a field looks like: the same one on every day and machine.

Examples are chosen by the name of the field, and only where there is none by its type.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from projections.tokens import Token

Schema = dict[str, Any]

REF = "#/components/schemas/"
FIRST_MILLISECOND = 1_790_000_000_000
INSTANT = "2026-09-21T14:13:20.000000Z"

CURSOR = "AeI7rX0mQ2c2AAAAAAAAEmeS4q8xV0t1Jc0mWb9nD3pHk5yTzR6uLqFxGaVsEoCiBw"

KNOWN: dict[str, Any] = {
    "consumer": "monthly-report",
    "sha256": "5f8f04f6a3a892aaabbddb6cf273894493773960d4a325b105fee46eef4304f1",
    "percent": 100,
    "specversion": "1.0",
    "source": "urn:uuid:5d0c3a0e-9f57-8e1c-a2a4-3f6f2b1f7c11",
    "sequence": "0000000000000004711",
    "aggregateversion": 3,
    "time": "2026-09-21T14:13:20.000000Z",
    "datacontenttype": "application/json",
    "data": {"type": "ticket.started"},
    "cursor": CURSOR,
    "expected": CURSOR,
    "start": "beginning",
    "types": ["ticket.closed"],
    "aggregates": ["inventory"],
    "position": 4711,
    "lag_events": 0,
    "lag_seconds": 0.0,
    "email": "someone@example.com",
    "name": "Sample Person",
    "phone": "+1 555 0100",
    "address": "1 Example Street",
    "password": "a long phrase of your own",
    "access_token": "eyJhbGciOiJIUzI1NiJ9...",
    "refresh_token": "the refresh token of the last answer",
    "expires_in": 900,
    "role": "mechanic",
    "vin": "1HGCM82633A004352",
    "vin_check": "valid",
    "make": "Honda",
    "model": "Accord",
    "year": 2003,
    "plate": "ABC1234",
    "plate_region": "OH",
    "color": "Silver",
    "unit_number": "12",
    "unit": "mi",
    "value": 128_400,
    "odometer_in": 128_400,
    "odometer_out": 128_412,
    "description": "Replace the front brake pads",
    "customer_concerns": ["Squeals when braking"],
    "priority": "normal",
    "key_tag": "K7",
    "status": "open",
    "hold_reason": "waiting_parts",
    "ro_number": 1042,
    "certifications": ["A5 Brakes"],
    "labor_rate_cents": 12_000,
    "rate_cents_per_hour": 12_000,
    "minutes": 90,
    "part_number": "BP-1044",
    "bin_location": "B-12",
    "quantity": 2,
    "quantity_delta": -1,
    "quantity_on_hand": 12,
    "reorder_point": 4,
    "unit_cost_cents": 5_400,
    "unit_price_cents": 9_000,
    "line_total_cents": 18_000,
    "parts_total_cents": 18_000,
    "labor_total_cents": 18_000,
    "total_cents": 36_000,
    "kind": "received",
    "reason": "The noise came back",
    "note": "Dropped while unpacking",
    "rank": 1,
    "day": "2026-09-21",
    "timezone": "Europe/Berlin",
    "tickets": 14,
    "closed": 12,
    "labor_minutes": 5_460,
    "by": "tickets",
    "version": 3,
    "active": True,
    "next": None,
    "before": "open",
    "after": "in_progress",
    "type": "ticket.started",
    "command": "StartTicket",
    "database": "ok",
    "slug": "refused",
    "level": "0",
    "tile_path": "000.p/1",
    "request_id": "3f0c9e",
}
"""By the name of the field."""

BESIDE: dict[str, dict[str, Any]] = {
    "part_number": {"name": "Front brake pads", "description": "Ceramic, front axle"},
    "checks": {"status": "ok"},
}
"""What fields look like beside another of that name."""

UNSAID = {
    *("hold_reason", "closed_at", "odometer_out", "reason", "note"),
    *("customer_id", "ticket_id", "line_id", "commit_id"),
}
"""Left out, or null, where they may be."""

KEYS = {"changes": "status", "checks": "database"}
"""A key of the objects that may have any."""

CALLED = {"item": "inventory", "writeanswer": "ticket", "actor": "account"}
"""Views whose ids are called otherwise."""


def uuid_of(name: str) -> str:
    """A UUIDv7 for the thing that the field names, which other fields name too."""
    subject = name.removesuffix("s").removesuffix("_id").removeprefix("open_")
    noise = int.from_bytes(hashlib.sha256(subject.encode()).digest()[:10])
    value = (FIRST_MILLISECOND << 80) | noise
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


TOKEN = str(Token().seen_all({UUID(uuid_of("ticket_id")): 3}))


def patch_example(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """An example of a body in which everything may be left out: most of it is."""
    shown = example_of(schema, components)
    return dict(list(shown.items())[:2])


def example_of(schema: Schema, components: Mapping[str, Schema], name: str = "") -> Any:
    """An example that fits the schema, if the tables above know its fields."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].removeprefix(REF)], components, name)
    if "anyOf" in schema:
        if {"type": "null"} in schema["anyOf"] and name in UNSAID and "default" not in schema:
            return None
        return example_of(schema["anyOf"][0], components, name)
    if "enum" in schema:
        return KNOWN[name] if KNOWN.get(name) in schema["enum"] else schema["enum"][0]
    if name in KNOWN and schema.get("type") != "object":
        return KNOWN[name]
    return _of_type(schema, components, name)


def _of_type(schema: Schema, components: Mapping[str, Schema], name: str) -> Any:
    match schema.get("type"):
        case "object" if "properties" in schema:
            return _object(schema, components)
        case "object":
            within = schema.get("additionalProperties", {})
            return {KEYS.get(name, "key"): example_of(within, components, KEYS.get(name, ""))}
        case "array":
            return [example_of(schema.get("items", {}), components, name.removesuffix("s"))]
        case "string" if schema.get("format") == "uuid" or name.endswith("_id"):
            return uuid_of(name)
        case "string" if schema.get("format") == "date-time":
            return INSTANT
        case "string" if schema.get("format") == "date":
            return INSTANT[:10]
        case "string":
            return TOKEN if name == "token" else name.replace("_", " ") or "text"
        case "integer" | "number":
            return max(schema.get("minimum", 1), 1)
        case "boolean":
            return False
        case _:
            return None


def _object(schema: Schema, components: Mapping[str, Schema]) -> dict[str, Any]:
    called = schema.get("title", "").removesuffix("View").lower()
    own_id = f"{CALLED.get(called, called)}_id"
    fields: dict[str, Schema] = schema["properties"]
    required = schema.get("required", [])
    known = {k: v for name in BESIDE.keys() & fields.keys() for k, v in BESIDE[name].items()}
    said = [name for name in fields if name in required or name not in UNSAID] or list(fields)
    return {
        name: known.get(name)
        or example_of(fields[name], components, own_id if name == "id" else name)
        for name in said
    }
