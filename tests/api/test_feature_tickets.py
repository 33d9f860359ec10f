"""Walks through the shop, feature by feature: inventory, tickets, assignments, cached reads.

docs/features.md says which walk shows which feature.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, update

from projections.tables import tables
from tests.api.answers import ids, is_problem, items, nothing_happens
from tests.shop import Shop, done


def _read(shop: Shop, path: str) -> Any:
    shop.settle()
    return done(shop.get(path))


def test_the_life_of_an_inventory_item(shop: Shop) -> None:
    body = {"part_number": "OIL-1", "name": "Oil filter", "unit_price_cents": 900}
    body |= {"unit_cost_cents": 400, "reorder_point": 5, "bin_location": "A3"}
    item = done(shop.post("/v1/inventory", json=body))["id"]
    at = f"/v1/inventory/{item}"

    assert _read(shop, at).items() >= {**body, "quantity_on_hand": 0}.items()
    done(shop.post(f"{at}/receipts", json={"quantity": 12, "unit_cost_cents": 450}))
    assert _read(shop, at).items() >= {"quantity_on_hand": 12, "unit_cost_cents": 450}.items()
    lost = {"quantity_delta": -8, "reason": "damage", "note": "a leak in the roof"}
    done(shop.post(f"{at}/adjustments", json=lost))
    assert _read(shop, at).items() >= {"quantity_on_hand": 4, "low": True}.items()
    too_many = {"quantity_delta": -5, "reason": "theft"}
    is_problem(shop.post(f"{at}/adjustments", json=too_many), 409, "refused")
    done(shop.patch(at, json={"unit_price_cents": 1000, "name": "Filter"}))
    assert _read(shop, at).items() >= {"unit_price_cents": 1000, "name": "Filter"}.items()
    is_problem(
        shop.patch(at, json={"quantity_on_hand": 9}), 422, "invalid-fields", "/quantity_on_hand"
    )
    done(shop.delete(at))
    assert _read(shop, at)["discontinued"] is True
    assert ids(shop.get("/v1/inventory")) == []
    is_problem(shop.post(f"{at}/receipts", json={"quantity": 1}), 409, "refused")
    done(shop.post(f"{at}/reinstate"))
    assert ids(shop.get("/v1/inventory")) == [item] or _read(shop, at)["discontinued"] is False


def test_every_unit_that_moves_leaves_a_line(shop: Shop) -> None:
    item, ticket = shop.item(on_hand=10), shop.ticket()
    at = f"/v1/tickets/{ticket}/parts"
    line = done(shop.post(at, json={"inventory_id": item, "quantity": 4}))["id"]
    done(shop.delete(f"{at}/{line}"))
    found = {"quantity_delta": 2, "reason": "found"}
    done(shop.post(f"/v1/inventory/{item}/adjustments", json=found))
    shop.settle()

    movements = items(shop.get(f"/v1/inventory/{item}/movements"))

    told = [(one["kind"], one["quantity"], one["quantity_on_hand"]) for one in movements]
    assert told == [
        ("adjusted", 2, 12),
        ("returned", 4, 10),
        ("issued", -4, 6),
        ("received", 10, 10),
    ]
    assert [one["ticket_id"] for one in movements] == [None, ticket, ticket, None]
    assert all(one["actor"] == shop.admin_id for one in movements)


def test_a_ticket_from_the_counter_to_the_door(shop: Shop) -> None:
    customer = shop.customer()
    vehicle, mechanic = shop.vehicle(customer), shop.mechanic(labor_rate_cents=6000)
    item = shop.item(on_hand=5, unit_price_cents=2500)
    opening = {
        "customer_id": customer,
        "vehicle_id": vehicle,
        "description": "Brakes squeal",
        "customer_concerns": ["Noise when braking"],
        "priority": "high",
        "odometer_in": 90_000,
        "promised_at": "2030-01-01T12:00:00Z",
        "key_tag": "17",
    }
    ticket = done(shop.post("/v1/tickets", json=opening))["id"]
    at = f"/v1/tickets/{ticket}"

    assert _read(shop, at).items() >= {**opening, "status": "open", "total_cents": 0}.items()
    assert _read(shop, f"/v1/vehicles/{vehicle}")["odometer"]["value"] == 90_000
    done(shop.put(f"{at}/mechanics/{mechanic}"))
    done(shop.post(f"{at}/start"))
    done(shop.post(f"{at}/parts", json={"inventory_id": item, "quantity": 2}))
    labor = {"description": "Pads", "minutes": 90, "mechanic_id": mechanic}
    done(shop.post(f"{at}/labor", json=labor))
    done(shop.post(f"{at}/hold", json={"hold_reason": "waiting_customer"}))
    assert (
        _read(shop, at).items()
        >= {
            "status": "on_hold",
            "hold_reason": "waiting_customer",
            "mechanic_ids": [mechanic],
            "parts_total_cents": 5000,
            "labor_total_cents": 9000,
            "total_cents": 14_000,
        }.items()
    )
    is_problem(shop.post(f"{at}/close"), 409, "refused")
    done(shop.post(f"{at}/resume"))
    done(shop.post(f"{at}/complete"))
    assert _read(shop, at).items() >= {"status": "completed", "hold_reason": None}.items()
    done(shop.post(f"{at}/close", json={"odometer_out": 90_004}))
    closed = _read(shop, at)
    assert (closed["status"], closed["odometer_out"]) == ("closed", 90_004)
    assert closed["closed_at"] is not None
    assert _read(shop, f"/v1/vehicles/{vehicle}")["odometer"]["value"] == 90_004
    done(shop.post(f"{at}/reopen", json={"reason": "noise is back"}))
    assert _read(shop, at).items() >= {"status": "open", "closed_at": None}.items()


def test_open_tickets_are_what_is_neither_closed_nor_voided(shop: Shop) -> None:
    open_, closed, voided = shop.ticket(), shop.ticket(), shop.ticket()
    done(shop.post(f"/v1/tickets/{closed}/close"))
    done(shop.delete(f"/v1/tickets/{voided}"))
    shop.settle()

    assert ids(shop.get("/v1/tickets?open=true")) == [open_]
    assert ids(shop.get("/v1/tickets?status=closed")) == [closed]
    assert set(ids(shop.get("/v1/tickets"))) == {open_, closed}


def test_mechanics_are_assigned_and_removed(shop: Shop) -> None:
    ticket, ann, bob = shop.ticket(), shop.mechanic(), shop.mechanic()
    at = f"/v1/tickets/{ticket}/mechanics"
    done(shop.put(f"{at}/{ann}"))
    done(shop.put(f"{at}/{bob}"))
    with nothing_happens(shop):
        assert shop.put(f"{at}/{ann}").status_code == 200
    shop.settle()
    assert [one["mechanic_id"] for one in items(shop.get(at))] == [ann, bob]

    done(shop.delete(f"{at}/{ann}"))
    is_problem(shop.delete(f"{at}/{ann}"), 409, "refused")
    shop.settle()
    assert [one["mechanic_id"] for one in items(shop.get(at))] == [bob]
    assert items(shop.get(f"/v1/assignments?mechanic_id={ann}")) == []


def test_parts_leave_the_shelf_and_come_back(shop: Shop) -> None:
    ticket, item = shop.ticket(), shop.item(on_hand=3, unit_price_cents=700, unit_cost_cents=1)
    at = f"/v1/tickets/{ticket}/parts"
    line = done(shop.post(at, json={"inventory_id": item, "quantity": 2}))["id"]
    done(shop.patch(f"/v1/inventory/{item}", json={"unit_price_cents": 9999}))

    with nothing_happens(shop):
        is_problem(shop.post(at, json={"inventory_id": item, "quantity": 2}), 409, "refused")
    shop.settle()
    shown = done(shop.get(f"{at}/{line}"))
    assert (shown["quantity"], shown["unit_price_cents"]) == (2, 700)
    assert shown["line_total_cents"] == 1400
    assert "unit_cost_cents" not in shown
    assert _read(shop, f"/v1/inventory/{item}")["quantity_on_hand"] == 1
    done(shop.delete(f"{at}/{line}"))
    is_problem(shop.delete(f"{at}/{line}"), 404, "not-found")
    assert _read(shop, f"/v1/inventory/{item}")["quantity_on_hand"] == 3
    assert items(shop.get(at)) == []


def test_labor_is_added_and_removed(shop: Shop) -> None:
    ticket, mechanic = shop.ticket(), shop.mechanic(labor_rate_cents=6000)
    at = f"/v1/tickets/{ticket}/labor"
    own_rate = {"description": "Pads", "minutes": 30, "mechanic_id": mechanic}
    line = done(shop.post(at, json=own_rate))["id"]
    done(shop.post(at, json={"description": "Wash", "minutes": 60, "rate_cents_per_hour": 100}))
    is_problem(shop.post(at, json={"description": "Wash", "minutes": 60}), 409, "refused")

    assert _read(shop, f"{at}/{line}")["line_total_cents"] == 3000
    assert _read(shop, f"/v1/tickets/{ticket}")["labor_total_cents"] == 3100
    done(shop.delete(f"{at}/{line}"))
    assert _read(shop, f"/v1/tickets/{ticket}")["labor_total_cents"] == 100


def test_a_closed_ticket_takes_nothing_more(shop: Shop) -> None:
    ticket, item, mechanic = shop.ticket(), shop.item(), shop.mechanic()
    at = f"/v1/tickets/{ticket}"
    line = done(shop.post(f"{at}/parts", json={"inventory_id": item, "quantity": 1}))["id"]
    done(shop.post(f"{at}/close"))

    with nothing_happens(shop):
        for method, path, body in (
            ("POST", f"{at}/parts", {"inventory_id": item, "quantity": 1}),
            ("DELETE", f"{at}/parts/{line}", None),
            ("POST", f"{at}/labor", {"description": "W", "minutes": 1, "rate_cents_per_hour": 1}),
            ("PUT", f"{at}/mechanics/{mechanic}", None),
            ("PATCH", at, {"description": "Other"}),
            ("POST", f"{at}/start", None),
            ("POST", f"{at}/close", None),
            ("DELETE", at, None),
        ):
            is_problem(shop.request(method, path, json=body), 409, "refused")


def test_voiding_puts_the_parts_back(shop: Shop) -> None:
    item, mechanic, ticket = shop.item(on_hand=5), shop.mechanic(), shop.ticket()
    at = f"/v1/tickets/{ticket}"
    done(shop.post(f"{at}/parts", json={"inventory_id": item, "quantity": 3}))
    done(shop.put(f"{at}/mechanics/{mechanic}"))

    done(shop.delete(f"{at}?reason=opened%20twice"))

    assert _read(shop, f"/v1/inventory/{item}")["quantity_on_hand"] == 5
    assert _read(shop, at)["status"] == "voided"
    assert ids(shop.get("/v1/tickets")) == []
    assert items(shop.get(f"/v1/assignments?ticket_id={ticket}")) == []
    is_problem(shop.post(f"{at}/reopen", json={"reason": "no"}), 409, "refused")


def test_a_ticket_is_opened_on_a_vehicle_of_its_customer(shop: Shop) -> None:
    body = {"customer_id": shop.customer(), "vehicle_id": shop.vehicle(), "description": "Noise"}

    with nothing_happens(shop):
        is_problem(shop.post("/v1/tickets", json=body), 409, "refused")


def test_reads_are_cached_until_something_changes(shop: Shop) -> None:
    """Seen by changing the views' tables behind the cache's back."""
    customer, mechanic, ticket = shop.customer(), shop.mechanic(), shop.ticket()
    at, board = f"/v1/customers/{customer}", "/v1/mechanics/leaderboard"
    done(shop.put(f"/v1/tickets/{ticket}/mechanics/{mechanic}"))
    shop.settle()
    known, ranking = shop.get(at).text, shop.get(board).text
    live = tables(shop.runtime.generations.live())
    with shop.runtime.database.transaction() as connection:
        connection.execute(update(live["customers"]).values(body=b'{"from": "the table"}'))
        connection.execute(delete(live["mechanic_totals"]))

    assert (shop.get(at).text, shop.get(board).text) == (known, ranking)

    done(shop.patch(at, json={"name": "Changed"}))
    done(shop.patch(f"/v1/mechanics/{mechanic}", json={"phone": "555 0100"}))
    shop.settle()
    assert done(shop.get(at))["name"] == "Changed"
    assert items(shop.get(board))[0]["tickets"] == 0
