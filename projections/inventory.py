"""Inventory items, their stock levels, and every movement of every unit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.inventory import (
    AdjustmentReason,
    ItemAdded,
    ItemDetailsChanged,
    ItemDiscontinued,
    ItemPriced,
    ItemReinstated,
    StockAdjusted,
    StockIssued,
    StockReceived,
    StockReturned,
)
from domain.kernel import Recorded
from domain.text import folded
from projections.kernel import Fold, Row, Seen, changed, first, kept_state


class ItemView(Seen, kw_only=True):
    """An inventory item. `low`: on hand is at or below the reorder point."""

    part_number: str
    name: str
    description: str | None
    bin_location: str | None
    unit_cost_cents: int
    unit_price_cents: int
    quantity_on_hand: int
    reorder_point: int
    low: bool
    discontinued: bool


class StockLevel(msgspec.Struct, kw_only=True):
    """How many of one item are on the shelf, against the point of reordering."""

    inventory_id: UUID
    part_number: str
    name: str
    bin_location: str | None
    quantity_on_hand: int
    reorder_point: int
    low: bool


class Movement(msgspec.Struct, kw_only=True):
    """A change of quantity: `quantity` is signed, `quantity_on_hand` is what it left."""

    inventory_id: UUID
    version: int
    recorded_at: datetime
    actor: UUID | None
    kind: str
    quantity: int
    quantity_on_hand: int
    ticket_id: UUID | None = None
    line_id: UUID | None = None
    unit_cost_cents: int | None = None
    reason: AdjustmentReason | None = None
    note: str | None = None


def evolve(view: ItemView | None, recorded: Recorded[Any]) -> ItemView:
    view = _evolve(view, recorded)
    low = view.quantity_on_hand <= view.reorder_point and not view.discontinued
    return view if low == view.low else msgspec.structs.replace(view, low=low)


def _evolve(view: ItemView | None, recorded: Recorded[Any]) -> ItemView:
    match recorded.event:
        case ItemAdded() as e:
            return ItemView(
                **first(recorded),
                **_details(e),
                unit_cost_cents=e.unit_cost_cents,
                unit_price_cents=e.unit_price_cents,
                quantity_on_hand=0,
                low=False,
                discontinued=False,
            )
        case ItemDetailsChanged() as e:
            return changed(view, recorded, **_details(e))
        case ItemPriced(unit_cost_cents=cost, unit_price_cents=price):
            return changed(view, recorded, unit_cost_cents=cost, unit_price_cents=price)
        case StockReceived(unit_cost_cents=cost, quantity_on_hand=on_hand):
            return changed(view, recorded, unit_cost_cents=cost, quantity_on_hand=on_hand)
        case (
            StockIssued(quantity_on_hand=on_hand)
            | StockReturned(quantity_on_hand=on_hand)
            | StockAdjusted(quantity_on_hand=on_hand)
        ):
            return changed(view, recorded, quantity_on_hand=on_hand)
        case ItemDiscontinued():
            return changed(view, recorded, discontinued=True)
        case ItemReinstated():
            return changed(view, recorded, discontinued=False)
        case other:
            raise TypeError(f"the inventory does not know {other}")


def _details(event: ItemAdded | ItemDetailsChanged) -> dict[str, Any]:
    return dict(
        part_number=event.part_number,
        name=event.name,
        description=event.description,
        bin_location=event.bin_location,
        reorder_point=event.reorder_point,
    )


def rows(view: ItemView) -> Iterator[Row]:
    yield (
        "inventory",
        dict(
            id=view.id,
            version=view.version,
            owner_id=None,
            name=folded(view.name)[:200],
            part_number=folded(view.part_number),
            archived=view.discontinued,
            created_at=view.created_at,
            updated_at=view.updated_at,
            body=msgspec.json.encode(view),
        ),
    )
    if not view.discontinued or view.quantity_on_hand:
        level = StockLevel(
            inventory_id=view.id,
            part_number=view.part_number,
            name=view.name,
            bin_location=view.bin_location,
            quantity_on_hand=view.quantity_on_hand,
            reorder_point=view.reorder_point,
            low=view.low,
        )
        yield (
            "stock_levels",
            dict(
                id=view.id,
                low=view.low,
                spare=view.quantity_on_hand - view.reorder_point,
                part_number=folded(view.part_number),
                body=msgspec.json.encode(level),
            ),
        )


def entries(view: ItemView, recorded: Recorded[Any]) -> Iterator[Row]:
    yield from kept_state(view, recorded)
    match recorded.event:
        case StockReceived() as e:
            what: dict[str, Any] = dict(
                kind="received", quantity=e.quantity, unit_cost_cents=e.unit_cost_cents
            )
        case StockIssued() as e:
            what = dict(
                kind="issued", quantity=-e.quantity, ticket_id=e.ticket_id, line_id=e.line_id
            )
        case StockReturned() as e:
            what = dict(
                kind="returned", quantity=e.quantity, ticket_id=e.ticket_id, line_id=e.line_id
            )
        case StockAdjusted() as e:
            what = dict(kind="adjusted", quantity=e.quantity, reason=e.reason, note=e.note)
        case _:
            return
    movement = Movement(
        inventory_id=recorded.originator_id,
        version=recorded.originator_version,
        recorded_at=recorded.recorded_at,
        actor=recorded.actor,
        quantity_on_hand=recorded.event.quantity_on_hand,
        **what,
    )
    yield (
        "stock_movements",
        dict(
            inventory_id=movement.inventory_id,
            version=movement.version,
            recorded_at=movement.recorded_at,
            quantity=movement.quantity,
            body=msgspec.json.encode(movement),
        ),
    )


FOLD = Fold("inventory", ItemView, evolve, rows, entries, keeps_states=True)
