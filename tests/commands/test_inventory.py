from typing import Any

import msgspec
import pytest

from commands.inventory import (
    AddItem,
    AdjustStock,
    ChangeItem,
    DiscontinueItem,
    ReceiveStock,
    ReinstateItem,
)
from commands.kernel import NotFound
from domain.claim import ClaimKind
from domain.inventory import AdjustmentReason, ItemDiscontinued, ItemReinstated
from domain.kernel import Refused
from tests.builders import (
    ITEM_ID,
    adjusted,
    claim_taken,
    item_added,
    item_changed,
    item_priced,
    received,
)
from tests.commands.memory import claim_id
from tests.commands.shop import READY, Shop


def test_an_item_is_added(shop: Shop) -> None:
    shop.when(
        AddItem(
            inventory_id=ITEM_ID,
            part_number="OIL-5W30",
            name="Engine oil 5W-30",
            bin_location="A-1",
            reorder_point=5,
            unit_cost_cents=600,
            unit_price_cents=1_000,
        )
    )

    assert shop.then == {
        ITEM_ID: [item_added()],
        claim_id(ClaimKind.PART_NUMBER, "oil-5w30"): [
            claim_taken(kind=ClaimKind.PART_NUMBER, owner_id=ITEM_ID)
        ],
    }


@pytest.mark.parametrize(
    ("patch", "events"),
    [
        ({"bin_location": None}, [item_changed(bin_location=None)]),
        ({"unit_price_cents": 1_100}, [item_priced(unit_price_cents=1_100)]),
        ({"unit_cost_cents": 0}, [item_priced(unit_cost_cents=0)]),
        (
            {"reorder_point": 9, "unit_price_cents": 1_100},
            [item_changed(reorder_point=9), item_priced(unit_price_cents=1_100)],
        ),
    ],
)
def test_what_a_patch_lacks_stays_and_null_clears(
    shop: Shop, patch: dict[str, Any], events: list[object]
) -> None:
    shop.given(READY)

    shop.when(ChangeItem(inventory_id=ITEM_ID, **patch))

    assert shop.then == {ITEM_ID: events}


@pytest.mark.parametrize(
    "field", ["part_number", "name", "reorder_point", "unit_cost_cents", "unit_price_cents"]
)
def test_null_does_not_clear_what_an_item_must_have(field: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"inventory_id": ITEM_ID, field: None}, ChangeItem)


def test_the_quantity_is_no_field_of_a_patch() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"inventory_id": ITEM_ID, "quantity_on_hand": 99}, ChangeItem)


@pytest.mark.parametrize(
    ("cost", "after"), [(None, 600), (650, 650), (0, 0)], ids=["as before", "dearer", "free"]
)
def test_stock_is_received_at_a_cost(shop: Shop, cost: int | None, after: int) -> None:
    shop.given(READY)

    shop.when(ReceiveStock(inventory_id=ITEM_ID, quantity=5, unit_cost_cents=cost))

    assert shop.then == {
        ITEM_ID: [received(quantity=5, unit_cost_cents=after, quantity_on_hand=15)]
    }


def test_stock_is_adjusted_for_a_reason_that_the_record_carries_too(shop: Shop) -> None:
    shop.given(READY)

    shop.when(
        AdjustStock(
            inventory_id=ITEM_ID, quantity_delta=-3, reason=AdjustmentReason.DAMAGE, note="dropped"
        )
    )

    assert shop.then == {
        ITEM_ID: [
            adjusted(
                quantity=-3, quantity_on_hand=7, reason=AdjustmentReason.DAMAGE, note="dropped"
            )
        ]
    }
    assert shop.store.streams[ITEM_ID][-1].reason == "damage"


@pytest.mark.parametrize("delta", [0, -11])
def test_a_refused_adjustment_changes_nothing(shop: Shop, delta: int) -> None:
    shop.given(READY)

    with pytest.raises(Refused):
        shop.when(
            AdjustStock(inventory_id=ITEM_ID, quantity_delta=delta, reason=AdjustmentReason.LOSS)
        )

    assert shop.then == {}


def test_an_item_that_never_was_is_not_adjusted_even_by_nothing(shop: Shop) -> None:
    with pytest.raises(NotFound):
        shop.when(AdjustStock(inventory_id=ITEM_ID, quantity_delta=0, reason=AdjustmentReason.LOSS))


def test_an_item_is_discontinued_and_reinstated(shop: Shop) -> None:
    shop.given(READY)

    shop.when(DiscontinueItem(inventory_id=ITEM_ID))
    shop.when(ReinstateItem(inventory_id=ITEM_ID))

    assert shop.then == {ITEM_ID: [ItemDiscontinued(), ItemReinstated()]}
