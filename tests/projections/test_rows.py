"""The rows beside the body: what lists and sums are made of."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import String

from domain.inventory import ItemDiscontinued
from domain.kernel import Event
from projections.kernel import Row
from projections.tables import tables
from projections.views import FOLDS, TABLE_OF, TOTALS
from tests import builders as b
from tests.given import SOME_ID, history
from tests.projections.folding import folded, of_table, rows
from tests.projections.test_bodies import FIRST, NEXT, uid

CASES = [(kind, [event]) for kind, (event, _) in FIRST.items()]
CASES += [(kind, [FIRST[kind][0], *events]) for kind, events, _ in NEXT]


@pytest.mark.parametrize(("kind", "events"), CASES)
def test_the_first_row_is_the_resource(kind: str, events: list[Event]) -> None:
    name, row = rows(kind, *events)[0]

    assert name == TABLE_OF[kind]
    assert (row["id"], row["version"]) == (SOME_ID, len(events))
    assert {"owner_id", "body", "archived", "created_at", "updated_at"} <= row.keys()


@pytest.mark.parametrize(("kind", "events"), CASES)
def test_rows_fill_their_tables(kind: str, events: list[Event]) -> None:
    for name, row in [*rows(kind, *events), *entries(kind, *events)]:
        assert row.keys() == set(tables(1)[name].columns.keys())


def test_an_assignment_keeps_the_moment_it_was_made() -> None:
    both = [b.MECHANIC_ID, b.OTHER_MECHANIC_ID]
    second = b.mechanic_assigned(mechanic_id=b.OTHER_MECHANIC_ID, mechanic_ids=both)

    shown = of_table(
        "assignments", rows("ticket", b.ticket_opened(), b.mechanic_assigned(), second)
    )

    assert [row["body"] for row in shown] == [
        {
            "ticket_id": uid(1),
            "mechanic_id": uid(31),
            "ro_number": 1,
            "status": "open",
            "assigned_at": "2026-03-02T09:00:02Z",
        },
        {
            "ticket_id": uid(1),
            "mechanic_id": uid(32),
            "ro_number": 1,
            "status": "open",
            "assigned_at": "2026-03-02T09:00:03Z",
        },
    ]
    assert len({row["id"] for row in shown}) == 2


def test_who_is_assigned_again_is_assigned_anew() -> None:
    past = [b.ticket_opened(), b.mechanic_assigned(), b.mechanic_removed(), b.mechanic_assigned()]

    shown = of_table("assignments", rows("ticket", *past))

    assert [row["body"]["assigned_at"] for row in shown] == ["2026-03-02T09:00:04Z"]


@pytest.mark.parametrize(
    ("events", "figures"),
    [
        ([b.mechanic_assigned()], {31: (1, 0, 0)}),
        ([b.mechanic_assigned(), b.mechanic_removed()], {}),
        ([b.labor_added()], {31: (0, 0, 30)}),
        ([b.labor_added(mechanic_id=None)], {}),
        ([b.mechanic_assigned(), b.labor_added()], {31: (1, 0, 30)}),
        ([b.labor_added(), b.labor_removed()], {}),
        ([b.mechanic_assigned(), b.labor_added(), b.mechanic_removed()], {31: (0, 0, 30)}),
        (
            [b.mechanic_assigned(), b.labor_added(mechanic_id=b.OTHER_MECHANIC_ID)],
            {31: (1, 0, 0), 32: (0, 0, 30)},
        ),
        ([b.mechanic_assigned(), b.ticket_closed()], {31: (1, 1, 0)}),
        ([b.mechanic_assigned(), b.ticket_closed(), b.ticket_reopened()], {31: (1, 0, 0)}),
        ([b.mechanic_assigned(), b.labor_added(), b.ticket_voided()], {}),
    ],
)
def test_what_a_ticket_adds_to_the_figures_of_mechanics(
    events: list[Any], figures: dict[int, tuple[int, int, int]]
) -> None:
    shown = of_table("mechanic_contributions", rows("ticket", b.ticket_opened(), *events))

    assert {
        row["mechanic_id"].int: (row["tickets"], row["closed"], row["labor_minutes"])
        for row in shown
    } == figures


def test_a_voided_ticket_is_nobodys_work() -> None:
    past = [b.ticket_opened(), b.mechanic_assigned(), b.ticket_voided()]

    assert [name for name, _ in rows("ticket", *past)] == ["tickets"]


def test_a_stock_level_is_shown_while_the_item_is_sold_or_left_over() -> None:
    added, gone = b.item_added(), ItemDiscontinued()

    (level,) = of_table("stock_levels", rows("inventory", added, b.received(quantity_on_hand=5)))
    (left,) = of_table("stock_levels", rows("inventory", added, b.received(), gone))

    assert level["body"] == {
        "inventory_id": uid(1),
        "part_number": "OIL-5W30",
        "name": "Engine oil 5W-30",
        "bin_location": "A-1",
        "quantity_on_hand": 5,
        "reorder_point": 5,
        "low": True,
    }
    assert (level["spare"], level["low"], left["low"]) == (0, True, False)
    assert of_table("stock_levels", rows("inventory", added, gone)) == []


def test_every_movement_of_stock_is_a_line() -> None:
    past = [b.item_added(), b.received(), b.issued(), b.returned(), b.adjusted(quantity=-3)]

    lines = of_table("stock_movements", entries("inventory", *past, b.item_priced()))

    assert [(row["version"], row["quantity"]) for row in lines] == [
        (2, 10),
        (3, -2),
        (4, 2),
        (5, -3),
    ]
    assert [row["body"]["kind"] for row in lines] == ["received", "issued", "returned", "adjusted"]
    assert lines[1]["body"] == {
        "inventory_id": uid(1),
        "version": 3,
        "recorded_at": "2026-03-02T09:00:03Z",
        "actor": None,
        "kind": "issued",
        "quantity": -2,
        "quantity_on_hand": 8,
        "ticket_id": uid(51),
        "line_id": uid(61),
        "unit_cost_cents": None,
        "reason": None,
        "note": None,
    }


LONG, SHORT = "ﬃ" * 200, "ﬃ" * 64
"""As long as clients may send; folding case makes three characters of each."""


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("customer", b.customer_registered(name=LONG, email="ﬃ" * 254)),
        ("mechanic", b.mechanic_hired(name=LONG, email="ﬃ" * 254)),
        ("vehicle", b.vehicle_registered(make=LONG, model=LONG, plate=SHORT)),
        ("inventory", b.item_added(name=LONG, part_number=SHORT)),
        ("account", b.account_registered(email="ﬃ" * 254)),
    ],
)
def test_the_longest_text_fits_its_column(kind: str, event: Event) -> None:
    for name, row in rows(kind, event):
        for column in tables(1)[name].columns:
            if isinstance(column.type, String) and column.type.length:
                assert len(row[column.name]) <= column.type.length, f"{name}.{column.name}"


def test_totals_sum_columns_that_exist() -> None:
    for total in TOTALS:
        known = tables(1)
        assert {*total.by, *total.sums} <= set(known[total.of].columns.keys())
        assert {*total.by, *total.sums} == set(known[total.table].columns.keys())


def entries(kind: str, *events: Any) -> list[Row]:
    """The ledger lines of the whole stream."""
    fold, lines, past = FOLDS[kind], list[Row](), list[Any]()
    for recorded in history(*events):
        past.append(recorded.event)
        lines += fold.entries(folded(kind, *past), recorded)
    return lines
