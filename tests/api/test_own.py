"""Customers see what is theirs; everything else does not exist for them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.api.answers import ids, is_problem, items
from tests.shop import Client, Shop, done


class Household(NamedTuple):
    customer: str
    vehicle: str
    ticket: str
    part: str
    labor: str
    client: Client


def _household(shop: Shop, **fields: Any) -> Household:
    customer = shop.customer(**fields)
    vehicle = shop.vehicle(customer)
    ticket = shop.ticket(customer, vehicle)
    mechanic = shop.mechanic()
    done(shop.put(f"/v1/tickets/{ticket}/mechanics/{mechanic}"))
    part = {"inventory_id": shop.item(), "quantity": 1}
    labor = {"description": "Work", "minutes": 30, "mechanic_id": mechanic}
    place = f"/v1/tickets/{ticket}"
    part_at = shop.post(f"{place}/parts", json=part).headers["location"]
    labor_at = shop.post(f"{place}/labor", json=labor).headers["location"]
    client = shop.as_("customer", customer_id=customer)
    return Household(customer, vehicle, ticket, part_at, labor_at, client)


def _routes(of: Household) -> list[str]:
    return [
        f"/v1/customers/{of.customer}",
        f"/v1/customers/{of.customer}/vehicles",
        f"/v1/customers/{of.customer}/tickets",
        f"/v1/vehicles/{of.vehicle}",
        f"/v1/tickets/{of.ticket}",
        f"/v1/tickets/{of.ticket}?expand=customer,vehicle",
        f"/v1/tickets/{of.ticket}/mechanics",
        f"/v1/tickets/{of.ticket}/parts",
        f"/v1/tickets/{of.ticket}/labor",
        of.part,
        of.labor,
    ]


@pytest.mark.parametrize("settled", [False, True])
def test_every_route_shows_own_and_hides_the_rest(
    shop: Shop, settled: bool, subtests: pytest.Subtests
) -> None:
    mine, theirs = _household(shop), _household(shop)
    if settled:
        shop.settle()

    for path in _routes(mine):
        with subtests.test(f"own {path}"):
            assert mine.client.get(path).status_code == 200
    for path in _routes(theirs):
        with subtests.test(f"another's {path}"):
            is_problem(mine.client.get(path), 404, "not-found")
            assert shop.get(path).status_code == 200


def test_the_past_is_closed_whosever_it_is(shop: Shop) -> None:
    mine, theirs = _household(shop), _household(shop)

    for of in (mine, theirs):
        for query in ("version=1", "as_of=9999-01-01T00:00:00Z"):
            for path in (f"/v1/tickets/{of.ticket}", f"/v1/customers/{of.customer}"):
                is_problem(mine.client.get(f"{path}?{query}"), 403, "forbidden")
        is_problem(mine.client.get(f"/v1/tickets/{of.ticket}/history"), 403, "forbidden")


def test_lists_hold_own_things_only(shop: Shop, subtests: pytest.Subtests) -> None:
    mine, theirs = _household(shop), _household(shop)
    shop.settle()
    their_vin = done(shop.get(f"/v1/vehicles/{theirs.vehicle}"))["vin"]
    their_email = done(shop.get(f"/v1/customers/{theirs.customer}"))["email"]

    assert ids(mine.client.get("/v1/customers")) == [mine.customer]
    assert ids(mine.client.get("/v1/vehicles")) == [mine.vehicle]
    assert ids(mine.client.get("/v1/tickets")) == [mine.ticket]
    for query in (
        f"/v1/customers?email={their_email}",
        f"/v1/vehicles?customer_id={theirs.customer}",
        f"/v1/vehicles?vin={their_vin}",
        f"/v1/tickets?customer_id={theirs.customer}",
        f"/v1/tickets?vehicle_id={theirs.vehicle}",
        f"/v1/tickets?vin={their_vin}",
        f"/v1/tickets?email={their_email}",
        "/v1/tickets?include=voided&expand=customer,vehicle",
    ):
        with subtests.test(query):
            listed = items(mine.client.get(query))
            assert {item["id"] for item in listed} <= {mine.vehicle, mine.ticket}
            if "customer_id=" in query:
                assert listed == []


def test_a_customers_account_stands_for_a_customer(shop: Shop) -> None:
    body = {"email": shop.email(), "password": "x" * 12, "role": "customer"}

    is_problem(shop.post("/v1/accounts", json=body), 409, "refused")


def test_a_transferred_vehicle_changes_sides(shop: Shop) -> None:
    mine, theirs = _household(shop), _household(shop)
    done(shop.post(f"/v1/tickets/{mine.ticket}/close"))
    body = {"customer_id": theirs.customer}
    done(shop.post(f"/v1/vehicles/{mine.vehicle}/transfer", json=body))
    shop.settle()

    is_problem(mine.client.get(f"/v1/vehicles/{mine.vehicle}"), 404, "not-found")
    assert theirs.client.get(f"/v1/vehicles/{mine.vehicle}").status_code == 200
    ticket = done(mine.client.get(f"/v1/tickets/{mine.ticket}?expand=customer,vehicle"))
    assert ticket["customer"]["id"] == mine.customer
    assert ticket["vehicle"] is None
    is_problem(theirs.client.get(f"/v1/tickets/{mine.ticket}"), 404, "not-found")


def test_customers_do_not_read_what_parts_cost(shop: Shop) -> None:
    mine = _household(shop)

    for path in _routes(mine):
        assert "unit_cost" not in mine.client.get(path).text
