"""Mechanics, as the front desk sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.kernel import Recorded
from domain.mechanic import (
    MechanicDetailsChanged,
    MechanicHired,
    MechanicLeft,
    MechanicRehired,
)
from domain.text import folded
from projections.kernel import Fold, Row, Seen, changed, first


class MechanicView(Seen, kw_only=True):
    """A mechanic. The labor rate is in cents per hour."""

    name: str | None
    email: str | None
    phone: str | None
    address: str | None
    certifications: list[str]
    labor_rate_cents: int
    has_left: bool


def evolve(view: MechanicView | None, recorded: Recorded[Any]) -> MechanicView:
    match recorded.event:
        case MechanicHired() as e:
            return MechanicView(**first(recorded), **_details(e), has_left=False)
        case MechanicDetailsChanged() as e:
            return changed(view, recorded, **_details(e))
        case MechanicLeft():
            return changed(view, recorded, has_left=True)
        case MechanicRehired():
            return changed(view, recorded, has_left=False)
        case other:
            raise TypeError(f"mechanics do not know {other}")


def _details(event: MechanicHired | MechanicDetailsChanged) -> dict[str, Any]:
    return dict(
        name=event.name,
        email=event.email,
        phone=event.phone,
        address=event.address,
        certifications=event.certifications,
        labor_rate_cents=event.labor_rate_cents,
    )


def rows(view: MechanicView) -> Iterator[Row]:
    yield (
        "mechanics",
        dict(
            id=view.id,
            version=view.version,
            owner_id=None,
            name=folded(view.name or "")[:200],
            email=folded(view.email or "")[:254],
            archived=view.has_left,
            created_at=view.created_at,
            updated_at=view.updated_at,
            body=msgspec.json.encode(view),
        ),
    )


FOLD = Fold("mechanic", MechanicView, evolve, rows)
