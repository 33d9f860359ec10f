"""From bytes and query strings to typed values; where that fails, every wrong field by name.

msgspec stops at the first error, so the fast path decodes at once and only a failure is
looked at again field by field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum, EnumType
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

S = TypeVar("S", bound=msgspec.Struct)
_AT = re.compile(r"^(?P<message>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+|\.\.\.)\]")

MISREAD = "Expected a value of its type, as the document at /openapi.json says"
NO_MOMENT = "Expected a moment in the years 1 to 9999 UTC"


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong, and where: a JSON Pointer (RFC 6901) into the body or the query."""

    pointer: str
    message: str


class Unreadable(Exception):
    """The body is no JSON at all."""


class InvalidFields(Exception):
    """Some fields are wrong; all of them are listed."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(", ".join(f"{error.pointer}: {error.message}" for error in errors))
        self.errors = errors


def from_json(data: bytes, type: type[S]) -> S:
    """Raises `Unreadable` or `InvalidFields`."""
    try:
        try:
            return msgspec.json.decode(data, type=type)
        except msgspec.ValidationError:
            # What comes after the wrong field may be no JSON.
            given = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    if not isinstance(given, dict):
        raise InvalidFields([FieldError("", "Expected an object")])
    raise InvalidFields(_wrong(given, type, strict=True))


def from_query(given: Mapping[str, Any], type: type[S]) -> S:
    """Query parameters, whose values are text. Raises `InvalidFields`."""
    try:
        asked = msgspec.convert(given, type, strict=False)
        attributes = _attributes(type)
        fits = not any(_misread(getattr(asked, attributes[name]), given[name]) for name in given)
    except msgspec.ValidationError:
        fits = False
    if not fits:
        raise InvalidFields(_wrong(given, type, strict=False))
    return asked


def _misread(value: Any, sent: Any) -> str | None:
    """What is wrong with a parameter that msgspec took. The word "null" is nothing to it, so that
    a filter would be left out unnoticed; a number is an instant; and an instant may be one that
    UTC has not."""
    if value is None:
        return MISREAD
    if isinstance(value, datetime):
        if ":" not in str(sent):
            return MISREAD
        try:
            value.astimezone(UTC)
        except OverflowError:
            return NO_MOMENT
    return None


@cache
def _attributes(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The attribute of each parameter. Looked up once: the annotations behind
    `msgspec.structs.fields` are evaluated at every call, which costs more than a cached read."""
    return dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))


def _wrong(given: Mapping[str, Any], type: type[S], *, strict: bool) -> list[FieldError]:
    errors = []
    fields = {field.encode_name: field for field in msgspec.structs.fields(type)}
    for name, field in fields.items():
        if name not in given:
            if field.required:
                errors.append(FieldError(f"/{name}", "is required"))
        else:
            errors += _wrong_value(given[name], field.type, f"/{name}", strict=strict)
    return errors + unknown(name for name in given if name not in fields)


def unknown(names: Iterable[str]) -> list[FieldError]:
    """Clients choose these names, so they may need escaping (RFC 6901, section 3)."""
    escaped = (name.replace("~", "~0").replace("/", "~1") for name in names)
    return [FieldError(f"/{name}", "is not known here") for name in escaped]


def _wrong_value(value: Any, type: Any, pointer: str, *, strict: bool) -> list[FieldError]:
    try:
        read = msgspec.convert(value, type, strict=strict)
    except msgspec.ValidationError as error:
        found = _AT.match(str(error))
        message, path = (found["message"], found["path"] or "") if found else (str(error), "")
        steps = "".join(f"/{step['name'] or step['index']}" for step in _STEP.finditer(path))
        return [FieldError(pointer + steps, _in_words(message, type))]
    misread = None if strict else _misread(read, value)
    return [FieldError(pointer, misread)] if misread else []


def _in_words(message: str, type: Any) -> str:
    """What msgspec says, but for choices, which it does not name, and patterns, which it does."""
    if message.startswith("Invalid enum value"):
        return f"Expected {', '.join(_choices(type))}"
    for meta in metas(type):
        if meta.pattern and meta.description and repr(meta.pattern) in message:
            return f"Expected: {meta.description}"
    return message


def _choices(type: Any) -> list[str]:
    if isinstance(type, EnumType):
        members: Mapping[str, Enum] = type.__members__
        return [str(each.value) for each in members.values()]
    if get_origin(type) is Literal:
        return [str(each) for each in get_args(type)]
    return [choice for inner in get_args(type) for choice in _choices(inner)]


def metas(type: Any) -> Iterator[msgspec.Meta]:
    if isinstance(type, msgspec.Meta):
        yield type
    for inner in get_args(type):
        yield from metas(inner)
