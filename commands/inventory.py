"""What can be asked of inventory items."""

from __future__ import annotations

from uuid import UUID

from msgspec import UNSET, UnsetType, convert

from commands.claims import claim, exchange
from commands.fields import (
    Cents,
    Name,
    NewId,
    PartNumber,
    Quantity,
    QuantityDelta,
    ReorderPoint,
    ShortText,
    Text,
    if_set,
    merged,
)
from commands.kernel import Command, Work, handles
from domain.claim import ClaimKind
from domain.inventory import AdjustmentReason, InventoryItem, ItemDetails


class AddItem(Command, frozen=True):
    """Add a part number to the range, with nothing on hand yet."""

    inventory_id: NewId
    part_number: PartNumber
    name: Name
    unit_price_cents: Cents
    description: Text | None = None
    bin_location: ShortText | None = None
    unit_cost_cents: Cents = 0
    reorder_point: ReorderPoint = 0


@handles(AddItem)
def add_item(command: AddItem, work: Work) -> None:
    item = work.new(InventoryItem, command.inventory_id)
    claim(work, ClaimKind.PART_NUMBER, item.id, command.part_number)
    details = convert(command, ItemDetails, from_attributes=True)
    item.add(details, command.unit_cost_cents, command.unit_price_cents)


class ChangeItem(Command, frozen=True):
    """Change details or prices of an item; what is absent stays as it is.

    The quantity changes by receipts, adjustments and tickets only.
    """

    inventory_id: UUID
    part_number: PartNumber | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    bin_location: ShortText | UnsetType | None = UNSET
    reorder_point: ReorderPoint | UnsetType = UNSET
    unit_cost_cents: Cents | UnsetType = UNSET
    unit_price_cents: Cents | UnsetType = UNSET


@handles(ChangeItem)
def change_item(command: ChangeItem, work: Work) -> None:
    item = work.get(InventoryItem, command.inventory_id)
    before = item.details
    item.change_details(details := merged(before, command))
    item.price(
        if_set(command.unit_cost_cents, item.unit_cost_cents),
        if_set(command.unit_price_cents, item.unit_price_cents),
    )
    exchange(work, ClaimKind.PART_NUMBER, item.id, before.part_number, details.part_number)


class ReceiveStock(Command, frozen=True):
    """Put received units on the shelf. `unit_cost_cents` becomes the item's cost."""

    inventory_id: UUID
    quantity: Quantity
    unit_cost_cents: Cents | None = None


@handles(ReceiveStock)
def receive_stock(command: ReceiveStock, work: Work) -> None:
    item = work.get(InventoryItem, command.inventory_id)
    item.receive(command.quantity, command.unit_cost_cents)


class AdjustStock(Command, frozen=True):
    """Correct the quantity by a signed number of units, with the reason for it."""

    inventory_id: UUID
    quantity_delta: QuantityDelta
    reason: AdjustmentReason
    note: Text | None = None


@handles(AdjustStock)
def adjust_stock(command: AdjustStock, work: Work) -> None:
    item = work.get(InventoryItem, command.inventory_id)
    item.adjust(command.quantity_delta, command.reason, command.note)


class DiscontinueItem(Command, frozen=True):
    """Take an item out of the range. What is left on the shelf can still be sold."""

    inventory_id: UUID


@handles(DiscontinueItem)
def discontinue_item(command: DiscontinueItem, work: Work) -> None:
    work.get(InventoryItem, command.inventory_id).discontinue()


class ReinstateItem(Command, frozen=True):
    """Bring a discontinued item back into the range."""

    inventory_id: UUID


@handles(ReinstateItem)
def reinstate_item(command: ReinstateItem, work: Work) -> None:
    work.get(InventoryItem, command.inventory_id).reinstate()
