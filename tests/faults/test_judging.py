"""The judge of the faults finds what it looks for."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.inventory import StockReceived
from domain.kernel import Recorded
from tests.faults.judging import Verdict, judge
from tests.faults.shoppers import Write

DONE = Write("one", "inventory.received", done=True, status=200)
REFUSED = Write("one", "inventory.received", done=False, status=409)


def received(on_hand: int, request_id: str = "one", second: int = 0) -> Recorded[StockReceived]:
    return Recorded(
        originator_id=UUID(int=1),
        originator_version=1,
        recorded_at=datetime(2024, 1, 1, second=second, tzinfo=UTC),
        actor=None,
        role="admin",
        command="ReceiveStock",
        correlation_id=request_id,
        event=StockReceived(quantity=2, unit_cost_cents=0, quantity_on_hand=on_hand),
    )


@pytest.mark.parametrize(
    ("writes", "log", "lost", "wrong"),
    [
        ([DONE], [received(2)], 0, 0),
        ([REFUSED], [], 0, 0),
        ([DONE], [], 1, 0),
        ([DONE], [received(2), received(4, second=1)], 0, 1),
        ([DONE], [received(2), received(4, "another", second=1)], 0, 0),
        ([DONE], [received(2, second=1), received(4, "another", second=1)], 0, 1),
        ([REFUSED], [received(2)], 0, 1),
        ([DONE], [received(3)], 0, 1),
    ],
    ids=[
        "kept",
        "refused",
        "lost",
        "there twice",
        "another",
        "time stands still",
        "there though refused",
        "unexplained",
    ],
)
def test_what_was_told_is_held_against_the_log(
    writes: list[Write], log: list[Recorded[StockReceived]], lost: int, wrong: int
) -> None:
    verdict: Verdict = judge(writes, log)

    assert (len(verdict.lost), len(verdict.wrong)) == (lost, wrong)
