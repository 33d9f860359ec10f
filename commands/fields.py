"""What clients may send: field types with their limits, shared by all commands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from commands.kernel import NEW_ID, ODOMETER_UNIT, PASSWORD_HASH, RUNNING_NUMBER
from domain import vin
from domain.inventory import QUANTITY_MAX
from domain.vehicle import OdometerUnit

NewId = Annotated[UUID, Meta(extra={"outside": NEW_ID})]
"""The id of what the command creates: made outside, before the first attempt."""
RunningNumber = Annotated[int, Meta(extra={"outside": RUNNING_NUMBER})]
"""A shop-wide number, drawn once before the first attempt; unique, gaps allowed."""
ShopUnit = Annotated[OdometerUnit, Meta(extra={"outside": ODOMETER_UNIT})]
"""The unit the shop reads odometers in."""

# `$` alone also matches before a newline at the end.
_END = r"(?!\n)$"
_PRINTABLE = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*"
_TEXT = f"^{_PRINTABLE}$"
_SAYING = rf"^{_PRINTABLE}[^\s\x00-\x1f\x7f]{_PRINTABLE}$"
_LINE = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?" + _END
_A_LINE = "One line, neither beginning nor ending with a blank."
_A_TEXT = "Text, without control characters."
_A_SAYING = "Text, not all of it blank, without control characters."
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_LINE, description=_A_LINE)]
Text = Annotated[str, Meta(max_length=4000, pattern=_TEXT, description=_A_TEXT)]
Description = Annotated[
    str, Meta(min_length=1, max_length=4000, pattern=_SAYING, description=_A_SAYING)
]
ShortText = Annotated[str, Meta(min_length=1, max_length=64, pattern=_LINE, description=_A_LINE)]
Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=r"^[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)+"
        + _END,
        description="An e-mail address; compared without regard to case.",
    ),
]
Phone = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=40,
        pattern=r"^[0-9+()./ xX-]+" + _END,
        description="Digits, blanks, and any of + ( ) . / - x.",
    ),
]
Vin = Annotated[
    str,
    Meta(
        pattern=vin.PATTERN,
        description="17 characters A-Z 0-9 without I, O and Q (ISO 3779); kept in upper case.",
    ),
]
Year = Annotated[int, Meta(ge=1886, le=2100)]
PartNumber = ShortText
Cents = Annotated[int, Meta(ge=0, le=10_000_000_00, description="Money in cents.")]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]
QuantityDelta = Annotated[int, Meta(ge=-QUANTITY_MAX, le=QUANTITY_MAX)]
ReorderPoint = Annotated[int, Meta(ge=0, le=QUANTITY_MAX)]
Minutes = Annotated[int, Meta(ge=1, le=60_000, description="Working time in minutes.")]
OdometerValue = Annotated[int, Meta(ge=0, le=10_000_000)]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]
Concerns = Annotated[
    list[
        Annotated[str, Meta(min_length=1, max_length=500, pattern=_SAYING, description=_A_SAYING)]
    ],
    Meta(max_length=50),
]
Certifications = Annotated[list[Name], Meta(max_length=50)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=_LINE, description=_A_LINE)]
Password = Annotated[
    str,
    Meta(
        min_length=12,
        max_length=200,
        description="At least 12 characters.",
        extra={"outside": PASSWORD_HASH},
    ),
]
"""Arrives as text and is hashed before the first attempt: no handler ever sees it."""

S = TypeVar("S", bound=msgspec.Struct)


def merged(details: S, patch: msgspec.Struct) -> S:
    """The details with every field the patch sets (RFC 7396: absent means unchanged)."""
    changes: dict[str, Any] = {
        name: value
        for name in details.__struct_fields__
        if (value := getattr(patch, name, UNSET)) is not UNSET
    }
    return msgspec.structs.replace(details, **changes)


def if_set(value: Any, otherwise: Any) -> Any:
    return otherwise if isinstance(value, UnsetType) else value
