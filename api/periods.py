"""Periods of days, as reports and exports are asked for."""

from __future__ import annotations

from datetime import date

import msgspec

from api.validation import FieldError, InvalidFields

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9998, 12, 31)
"""Days that have a beginning and an end in every time zone."""


class Period(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Days of the shop, in its time zone, as in 2026-03-02; `from` and `to` are both included."""

    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")


def check(first: date, last: date, days_max: int) -> None:
    """Raises `InvalidFields`, naming each end that is wrong."""
    errors = [
        FieldError(pointer, f"Expected a day from {FIRST_DAY} to {LAST_DAY}")
        for pointer, day in (("/from", first), ("/to", last))
        if not FIRST_DAY <= day <= LAST_DAY
    ]
    if not errors and last < first:
        errors = [FieldError("/to", f"Expected a day on or after {first}")]
    if not errors and (last - first).days >= days_max:
        errors = [FieldError("/to", f"Expected at most {days_max} days")]
    if errors:
        raise InvalidFields(errors)
