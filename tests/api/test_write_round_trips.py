"""What a write costs the database, in round trips: counted, so that none creeps in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infrastructure.event_store.legs import on_mysql
from tests.round_trips import database_round_trips
from tests.shop import Shop, done

pytestmark = on_mysql


@pytest.fixture
def busy(shop: Shop) -> Shop:
    """One whose connections are open, and whose accounts are known."""
    shop.ticket()
    return shop


def cost(shop: Shop, path: str, *, key: str | None = None, **body: Any) -> int:
    with database_round_trips() as sent:
        done(shop.post(path, json=body, key=key))
    return len(sent)


@pytest.mark.parametrize(("key", "more"), [(None, 0), ("once", 1)])
def test_a_write_costs_few_round_trips(busy: Shop, key: str | None, more: int) -> None:
    """One for whatever is loaded together, and one for all that is written and COMMIT."""
    customer = busy.customer()
    vehicle, item = busy.vehicle(customer), busy.item()
    ticket = busy.ticket(customer_id=customer, vehicle_id=vehicle)
    car = dict(customer_id=customer, vehicle_id=vehicle, description="Brakes squeal")
    part = dict(inventory_id=item, quantity=1)

    assert cost(busy, f"/v1/tickets/{ticket}/parts", key=key, **part) == 2 + more
    assert cost(busy, f"/v1/inventory/{item}/receipts", key=key, quantity=1) == 2 + more
    # The running number is drawn before.
    assert cost(busy, "/v1/tickets", key=key, **car) == 3 + more
    # The ticket says whose it is.
    assert cost(busy, f"/v1/tickets/{ticket}/close", key=key) == 3 + more


def test_a_retry_costs_three(busy: Shop) -> None:
    """The key, which is taken; the answer; the end."""
    item = busy.item()
    path = f"/v1/inventory/{item}/receipts"
    cost(busy, path, key="once", quantity=1)

    assert cost(busy, path, key="once", quantity=1) == 3
