"""An inventory item: one part number, its price, and how many lie on the shelf.

Every change of quantity is a movement event that carries the quantity moved and the
quantity on hand afterwards, so that every unit is explained.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never
from uuid import UUID

import msgspec

from domain.kernel import Aggregate, Event, Refused

QUANTITY_MAX = 1_000_000_000


class AdjustmentReason(StrEnum):
    COUNT_CORRECTION = "count_correction"
    DAMAGE = "damage"
    LOSS = "loss"
    THEFT = "theft"
    FOUND = "found"
    OPENING_BALANCE = "opening_balance"


SIGNS = {
    AdjustmentReason.DAMAGE: -1,
    AdjustmentReason.LOSS: -1,
    AdjustmentReason.THEFT: -1,
    AdjustmentReason.FOUND: 1,
    AdjustmentReason.OPENING_BALANCE: 1,
}
"""Which way an adjustment for that reason goes; a count correction goes either way."""


class ItemDetails(msgspec.Struct, frozen=True, kw_only=True):
    part_number: str
    name: str
    description: str | None = None
    bin_location: str | None = None
    reorder_point: int = 0


class ItemAdded(Event, frozen=True, tag="inventory.item-added"):
    part_number: str
    name: str
    description: str | None
    bin_location: str | None
    reorder_point: int
    unit_cost_cents: int
    unit_price_cents: int


class ItemDetailsChanged(Event, frozen=True, tag="inventory.details-changed"):
    """All details as they are now, changed or not."""

    part_number: str
    name: str
    description: str | None
    bin_location: str | None
    reorder_point: int


class ItemPriced(Event, frozen=True, tag="inventory.priced"):
    unit_cost_cents: int
    unit_price_cents: int


class StockReceived(Event, frozen=True, tag="inventory.received"):
    """`unit_cost_cents` is what these units cost, and the item's cost from here on."""

    quantity: int
    unit_cost_cents: int
    quantity_on_hand: int


class StockIssued(Event, frozen=True, tag="inventory.issued"):
    quantity: int
    quantity_on_hand: int
    ticket_id: UUID
    line_id: UUID


class StockReturned(Event, frozen=True, tag="inventory.returned"):
    quantity: int
    quantity_on_hand: int
    ticket_id: UUID
    line_id: UUID


class StockAdjusted(Event, frozen=True, tag="inventory.adjusted"):
    """`quantity` is signed: what was found (above zero) or is missing (below)."""

    quantity: int
    quantity_on_hand: int
    reason: AdjustmentReason
    note: str | None


class ItemDiscontinued(Event, frozen=True, tag="inventory.discontinued"):
    pass


class ItemReinstated(Event, frozen=True, tag="inventory.reinstated"):
    pass


class InventoryItem(Aggregate["InventoryEvent"]):
    noun = "inventory item"
    stream = "inventory"
    snapshot_every = 25

    details: ItemDetails = ItemDetails(part_number="", name="")
    unit_cost_cents: int = 0
    unit_price_cents: int = 0
    quantity_on_hand: int = 0
    discontinued: bool = False

    def add(self, details: ItemDetails, unit_cost_cents: int, unit_price_cents: int) -> None:
        self.emit(
            ItemAdded(
                **msgspec.structs.asdict(details),
                unit_cost_cents=unit_cost_cents,
                unit_price_cents=unit_price_cents,
            )
        )

    def change_details(self, details: ItemDetails) -> None:
        self._must_be_in_the_range("details change only while an item is in the range")
        if details != self.details:
            self.emit(ItemDetailsChanged(**msgspec.structs.asdict(details)))

    def price(self, unit_cost_cents: int, unit_price_cents: int) -> None:
        self._must_be_in_the_range("prices change only while an item is in the range")
        if (unit_cost_cents, unit_price_cents) != (self.unit_cost_cents, self.unit_price_cents):
            self.emit(
                ItemPriced(unit_cost_cents=unit_cost_cents, unit_price_cents=unit_price_cents)
            )

    def receive(self, quantity: int, unit_cost_cents: int | None = None) -> None:
        self._must_be_in_the_range("stock is received only while an item is in the range")
        cost = self.unit_cost_cents if unit_cost_cents is None else unit_cost_cents
        self.emit(
            StockReceived(
                quantity=quantity, unit_cost_cents=cost, quantity_on_hand=self._after(quantity)
            )
        )

    def issue(self, quantity: int, *, ticket_id: UUID, line_id: UUID) -> None:
        """Take units from the shelf. A discontinued item sells what is left."""
        if quantity > self.quantity_on_hand:
            raise Refused(
                f"parts are issued from what is on hand; {quantity} of "
                f"{self.details.part_number} wanted, {self.quantity_on_hand} on hand"
            )
        self.emit(
            StockIssued(
                quantity=quantity,
                quantity_on_hand=self._after(-quantity),
                ticket_id=ticket_id,
                line_id=line_id,
            )
        )

    def take_back(self, quantity: int, *, ticket_id: UUID, line_id: UUID) -> None:
        self.emit(
            StockReturned(
                quantity=quantity,
                # No upper limit: what was taken from the shelf always fits on it again.
                quantity_on_hand=self.quantity_on_hand + quantity,
                ticket_id=ticket_id,
                line_id=line_id,
            )
        )

    def adjust(self, quantity_delta: int, reason: AdjustmentReason, note: str | None) -> None:
        if quantity_delta == 0:
            raise Refused("an adjustment changes the quantity; this one is by 0")
        if (sign := SIGNS.get(reason)) is not None and quantity_delta * sign < 0:
            direction = "adds to" if sign > 0 else "takes from"
            raise Refused(f"{reason} {direction} what is on hand; this one is by {quantity_delta}")
        after = self._after(quantity_delta)
        if after < 0:
            raise Refused(
                f"stock never falls below zero; {-quantity_delta} less wanted, "
                f"{self.quantity_on_hand} on hand"
            )
        self.emit(
            StockAdjusted(quantity=quantity_delta, quantity_on_hand=after, reason=reason, note=note)
        )

    def discontinue(self) -> None:
        self._must_be_in_the_range("only an item in the range is discontinued")
        self.emit(ItemDiscontinued())

    def reinstate(self) -> None:
        if not self.discontinued:
            raise Refused("only a discontinued item is reinstated; this one is in the range")
        self.emit(ItemReinstated())

    def _after(self, quantity: int) -> int:
        after = self.quantity_on_hand + quantity
        if after > QUANTITY_MAX:
            raise Refused(
                f"at most {QUANTITY_MAX} units are kept of an item; this would make {after}"
            )
        return after

    def _must_be_in_the_range(self, rule: str) -> None:
        if self.discontinued:
            raise Refused(f"{rule}; this one is discontinued")

    def apply(self, event: InventoryEvent) -> None:
        match event:
            case ItemAdded():
                self.details = msgspec.convert(event, ItemDetails, from_attributes=True)
                self.unit_cost_cents = event.unit_cost_cents
                self.unit_price_cents = event.unit_price_cents
            case ItemDetailsChanged():
                self.details = msgspec.convert(event, ItemDetails, from_attributes=True)
            case ItemPriced(unit_cost_cents=cost, unit_price_cents=price):
                self.unit_cost_cents, self.unit_price_cents = cost, price
            case StockReceived(unit_cost_cents=cost, quantity_on_hand=on_hand):
                self.unit_cost_cents, self.quantity_on_hand = cost, on_hand
            case StockIssued(quantity_on_hand=on_hand) | StockReturned(quantity_on_hand=on_hand):
                self.quantity_on_hand = on_hand
            case StockAdjusted(quantity_on_hand=on_hand):
                self.quantity_on_hand = on_hand
            case ItemDiscontinued():
                self.discontinued = True
            case ItemReinstated():
                self.discontinued = False
            case _:
                assert_never(event)


InventoryEvent = (
    ItemAdded
    | ItemDetailsChanged
    | ItemPriced
    | StockReceived
    | StockIssued
    | StockReturned
    | StockAdjusted
    | ItemDiscontinued
    | ItemReinstated
)
