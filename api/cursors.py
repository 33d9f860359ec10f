"""Cursors: where a page of a list ends, packed so that clients need not understand it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from api.validation import FieldError, InvalidFields
from commands.fields import Moment
from projections.listing import Listing

_Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_VALUES: dict[str, Any] = {
    **dict.fromkeys(("created_at", "updated_at", "assigned_at"), Moment),
    **dict.fromkeys(("ro_number", "version", "spare"), _Number),
    "name": str,
}
"""What a cursor holds, by the column the list is sorted on."""


def packed(key: Any) -> str:
    """The cursor of the page that follows that key."""
    return urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def unpacked(cursor: str, type: Any) -> Any:
    """The key in a cursor. Raises `InvalidFields`; clients may send anything."""
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=type)
    except (ValueError, OverflowError, msgspec.MsgspecError):
        raise InvalidFields([FieldError("/cursor", "Expected the cursor of a page")]) from None


def made(listing: Listing, key: tuple[Any, UUID]) -> str:
    """The cursor of the page that follows the row with that sort value and tie."""
    return packed((listing.sort, listing.descending, *key))


def read(listing: Listing, cursor: str) -> tuple[Any, UUID]:
    """The sort value and the tie. Raises `InvalidFields`; clients may send anything."""
    sort, descending, value, tie = unpacked(cursor, tuple[str, bool, str | int, UUID])
    try:
        if (sort, descending) != (listing.sort, listing.descending):
            raise ValueError("another order")
        value = msgspec.convert(value, _VALUES[sort])
        return value.astimezone(UTC) if isinstance(value, datetime) else value, tie
    except (ValueError, OverflowError, msgspec.MsgspecError):
        message = "Expected the cursor of a page of this list in this order"
        raise InvalidFields([FieldError("/cursor", message)]) from None
