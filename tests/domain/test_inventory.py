from collections.abc import Callable

import pytest

from domain.inventory import (
    QUANTITY_MAX,
    AdjustmentReason,
    InventoryEvent,
    InventoryItem,
    ItemDiscontinued,
    ItemReinstated,
)
from domain.kernel import Refused
from tests.builders import (
    PART_LINE_ID,
    TICKET_ID,
    adjusted,
    issued,
    item_added,
    item_changed,
    item_details,
    item_priced,
    received,
    returned,
)
from tests.given import given

ADDED, DISCONTINUED = item_added(), ItemDiscontinued()
TEN = [ADDED, received()]
FULL = [ADDED, received(quantity=QUANTITY_MAX, quantity_on_hand=QUANTITY_MAX)]
COUNT, DAMAGE = AdjustmentReason.COUNT_CORRECTION, AdjustmentReason.DAMAGE


def test_an_item_is_added_with_nothing_on_hand() -> None:
    item = given(InventoryItem)

    item.add(item_details(), unit_cost_cents=600, unit_price_cents=1_000)

    assert item.emitted == [ADDED]
    assert (item.details, item.quantity_on_hand) == (item_details(), 0)
    assert (item.unit_cost_cents, item.unit_price_cents) == (600, 1_000)


def test_changed_details_are_recorded_whole() -> None:
    item = given(InventoryItem, ADDED)

    item.change_details(item_details(reorder_point=7))

    assert item.emitted == [item_changed(reorder_point=7)]
    assert item.details == item_details(reorder_point=7)


def test_a_price_change_is_recorded() -> None:
    item = given(InventoryItem, ADDED)

    item.price(600, 1_100)

    assert item.emitted == [item_priced(unit_price_cents=1_100)]
    assert item.unit_price_cents == 1_100


def test_what_stays_the_same_is_no_event() -> None:
    item = given(InventoryItem, ADDED)

    item.change_details(item_details())
    item.price(600, 1_000)

    assert item.emitted == []


def test_received_units_lie_on_the_shelf_at_the_cost_they_came_at() -> None:
    item = given(InventoryItem, *TEN)

    item.receive(5, unit_cost_cents=650)
    item.receive(1)

    assert item.emitted == [
        received(quantity=5, unit_cost_cents=650, quantity_on_hand=15),
        received(quantity=1, unit_cost_cents=650, quantity_on_hand=16),
    ]


@pytest.mark.parametrize("quantity", [1, 10])
def test_what_is_on_hand_can_be_issued_to_the_last_unit(quantity: int) -> None:
    item = given(InventoryItem, *TEN)

    item.issue(quantity, ticket_id=TICKET_ID, line_id=PART_LINE_ID)

    assert item.emitted == [issued(quantity=quantity, quantity_on_hand=10 - quantity)]


def test_returned_units_lie_on_the_shelf_again() -> None:
    item = given(InventoryItem, *TEN, issued())

    item.take_back(2, ticket_id=TICKET_ID, line_id=PART_LINE_ID)

    assert item.emitted == [returned()]
    assert item.quantity_on_hand == 10


@pytest.mark.parametrize(
    ("delta", "reason"), list(zip([1, -1, -2, -10, 3, 5], AdjustmentReason, strict=True))
)
def test_an_adjustment_moves_the_quantity_for_a_reason(
    delta: int, reason: AdjustmentReason
) -> None:
    item = given(InventoryItem, *TEN)

    item.adjust(delta, reason, "seen at the yearly count")

    assert item.emitted == [
        adjusted(
            quantity=delta,
            quantity_on_hand=10 + delta,
            reason=reason,
            note="seen at the yearly count",
        )
    ]


def test_so_many_units_are_kept_of_an_item_and_not_one_more() -> None:
    item = given(InventoryItem, ADDED)

    item.receive(QUANTITY_MAX)

    assert item.quantity_on_hand == QUANTITY_MAX


def test_a_discontinued_item_sells_returns_and_counts_what_is_left() -> None:
    item = given(InventoryItem, *TEN, DISCONTINUED)

    item.issue(2, ticket_id=TICKET_ID, line_id=PART_LINE_ID)
    item.take_back(2, ticket_id=TICKET_ID, line_id=PART_LINE_ID)
    item.adjust(-10, DAMAGE, None)

    assert item.emitted == [
        issued(),
        returned(),
        adjusted(quantity=-10, quantity_on_hand=0, reason=DAMAGE),
    ]


def test_a_reinstated_item_is_received_again() -> None:
    item = given(InventoryItem, ADDED)

    item.discontinue()
    item.reinstate()
    item.receive(10)

    assert item.emitted == [DISCONTINUED, ItemReinstated(), received()]


@pytest.mark.parametrize(
    ("past", "ask", "message"),
    [
        (
            [ADDED, DISCONTINUED],
            lambda i: i.change_details(item_details(reorder_point=7)),
            "details change only while an item is in the range; this one is discontinued",
        ),
        (
            [ADDED, DISCONTINUED],
            lambda i: i.price(1, 2),
            "prices change only while an item is in the range; this one is discontinued",
        ),
        (
            [ADDED, DISCONTINUED],
            lambda i: i.receive(1),
            "stock is received only while an item is in the range; this one is discontinued",
        ),
        (
            [ADDED, DISCONTINUED],
            lambda i: i.discontinue(),
            "only an item in the range is discontinued; this one is discontinued",
        ),
        (
            [ADDED],
            lambda i: i.reinstate(),
            "only a discontinued item is reinstated; this one is in the range",
        ),
        (
            TEN,
            lambda i: i.issue(11, ticket_id=TICKET_ID, line_id=PART_LINE_ID),
            "parts are issued from what is on hand; 11 of OIL-5W30 wanted, 10 on hand",
        ),
        (
            [ADDED],
            lambda i: i.issue(1, ticket_id=TICKET_ID, line_id=PART_LINE_ID),
            "parts are issued from what is on hand; 1 of OIL-5W30 wanted, 0 on hand",
        ),
        (
            TEN,
            lambda i: i.adjust(-11, COUNT, None),
            "stock never falls below zero; 11 less wanted, 10 on hand",
        ),
        (
            TEN,
            lambda i: i.adjust(0, COUNT, None),
            "an adjustment changes the quantity; this one is by 0",
        ),
        (
            FULL,
            lambda i: i.receive(1),
            "at most 1000000000 units are kept of an item; this would make 1000000001",
        ),
        (
            FULL,
            lambda i: i.adjust(1, COUNT, None),
            "at most 1000000000 units are kept of an item; this would make 1000000001",
        ),
        (
            FULL,
            lambda i: i.adjust(-1, AdjustmentReason.FOUND, None),
            "found adds to what is on hand; this one is by -1",
        ),
        (
            FULL,
            lambda i: i.adjust(1, AdjustmentReason.THEFT, None),
            "theft takes from what is on hand; this one is by 1",
        ),
    ],
)
def test_a_refusal_states_rule_and_state_and_nothing_happens(
    past: list[InventoryEvent], ask: Callable[[InventoryItem], object], message: str
) -> None:
    item = given(InventoryItem, *past)

    with pytest.raises(Refused) as refused:
        ask(item)

    assert str(refused.value) == message
    assert item.emitted == []


def test_what_comes_back_from_a_ticket_always_fits_on_the_shelf() -> None:
    item = given(InventoryItem, *FULL)

    item.take_back(2, ticket_id=TICKET_ID, line_id=PART_LINE_ID)

    assert item.quantity_on_hand == 1_000_000_002
