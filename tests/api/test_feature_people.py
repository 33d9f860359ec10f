"""Walks through the shop, feature by feature: logins, customers, vehicles, mechanics, ranking.

docs/features.md says which walk shows which feature.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.answers import ids, is_problem, items
from tests.shop import Shop, done


def _read(shop: Shop, path: str) -> Any:
    shop.settle()
    return done(shop.get(path))


def test_an_account_logs_in_with_a_token_and_a_role(shop: Shop) -> None:
    for role in ("admin", "mechanic", "customer", "auditor", "reporter"):
        email, password = shop.email(role), "a password of this one"
        body = {"email": email, "password": password, "role": role}
        if role == "customer":
            body["customer_id"] = shop.customer()
        account_id = done(shop.post("/v1/accounts", json=body))["id"]

        credentials = {"email": email, "password": password}
        session = done(shop.nobody().post("/v1/auth/login", json=credentials))

        me = done(shop.with_access_token(session["access_token"]).get("/v1/me"))
        assert (me["id"], me["role"], me["email"]) == (account_id, role, email)


def test_the_life_of_an_account(shop: Shop) -> None:
    mechanic_id = shop.mechanic()
    body = {"email": shop.email(), "password": "x" * 12, "role": "mechanic"}
    account_id = done(shop.post("/v1/accounts", json=body))["id"]
    at = f"/v1/accounts/{account_id}"

    done(shop.patch(at, json={"mechanic_id": mechanic_id}))
    assert _read(shop, at)["mechanic_id"] == mechanic_id
    assert done(shop.as_account(account_id, "mechanic").get("/v1/me")) == _read(shop, at)
    done(shop.as_account(account_id, "mechanic").patch("/v1/me", json={"email": "m@b.example"}))
    assert _read(shop, at)["email"] == "m@b.example"
    done(shop.patch(at, json={"role": "reporter", "mechanic_id": None}))
    assert (_read(shop, at)["role"], _read(shop, at)["mechanic_id"]) == ("reporter", None)
    done(shop.delete(at))
    assert _read(shop, at)["active"] is False
    assert account_id not in ids(shop.get("/v1/accounts"))
    done(shop.post(f"{at}/reactivate"))
    assert _read(shop, at)["active"] is True


def test_the_life_of_a_customer(shop: Shop) -> None:
    email = shop.email()
    body = {"name": "A Customer", "email": email, "phone": "555 0100", "address": "A street"}
    customer = done(shop.post("/v1/customers", json=body))["id"]
    at = f"/v1/customers/{customer}"

    assert _read(shop, at).items() >= {**body, "archived": False}.items()
    done(shop.patch(at, json={"name": "Another Name"}))
    assert _read(shop, at)["name"] == "Another Name"
    ticket = shop.ticket(customer)
    for refused in (shop.delete(at), shop.post(f"{at}/erase")):
        is_problem(refused, 409, "refused")
        assert ticket in str(refused.json["blocking"])
    done(shop.post(f"/v1/tickets/{ticket}/close"))
    done(shop.delete(at))
    assert _read(shop, at)["archived"] is True
    assert customer not in ids(shop.get("/v1/customers"))
    is_problem(shop.patch(at, json={"name": "B"}), 409, "refused")
    done(shop.post(f"{at}/restore"))
    assert customer in ids(shop.get("/v1/customers")) or _read(shop, at)["archived"] is False
    done(shop.post(f"{at}/erase"))
    assert _read(shop, at)["erased"] is True
    assert customer not in ids(shop.get("/v1/customers"))
    is_problem(shop.post(f"{at}/restore"), 409, "refused")
    assert shop.customer(email=email) != customer
    assert _read(shop, f"/v1/tickets/{ticket}")["customer_id"] == customer


def test_the_life_of_a_vehicle(shop: Shop) -> None:
    owner, buyer = shop.customer(), shop.customer()
    body = {
        "customer_id": owner,
        "vin": "1hgcm82633a004352",
        "make": "Honda",
        "model": "Accord",
        "year": 2003,
        "plate": "AB 123",
    }
    vehicle = done(shop.post("/v1/vehicles", json=body))["id"]
    at = f"/v1/vehicles/{vehicle}"

    shown = _read(shop, at)
    assert shown.items() >= (body | {"vin": "1HGCM82633A004352", "vin_check": "valid"}).items()
    done(shop.patch(at, json={"color": "red", "plate": None}))
    assert (_read(shop, at)["color"], _read(shop, at)["plate"]) == ("red", None)
    ticket = shop.ticket(owner, vehicle)
    transfer = {"customer_id": buyer}
    for refused in (shop.delete(at), shop.post(f"{at}/transfer", json=transfer)):
        is_problem(refused, 409, "refused")
        assert ticket in str(refused.json["blocking"])
    done(shop.post(f"/v1/tickets/{ticket}/close"))
    done(shop.post(f"{at}/transfer", json=transfer))
    assert _read(shop, at)["customer_id"] == buyer
    assert ids(shop.get(f"/v1/customers/{buyer}/vehicles")) == [vehicle]
    assert ids(shop.get(f"/v1/customers/{owner}/vehicles")) == []
    assert ids(shop.get(f"/v1/tickets?vehicle_id={vehicle}")) == [ticket]
    done(shop.delete(at))
    assert _read(shop, at)["archived"] is True
    opening = {"customer_id": buyer, "vehicle_id": vehicle, "description": "Noise"}
    is_problem(shop.post("/v1/tickets", json=opening), 409, "refused")
    done(shop.post(f"{at}/restore"))
    assert shop.post("/v1/tickets", json=opening).status_code == 201


def test_a_vin_that_fails_its_check_is_told_not_refused(shop: Shop) -> None:
    good = ["1M8GDM9AXKP042788", "1HGCM82633A004352", "1G4AH59H45G118341", "11111111111111111"]

    checks = [_read(shop, f"/v1/vehicles/{shop.vehicle(vin=vin)}")["vin_check"] for vin in good]
    off = _read(shop, f"/v1/vehicles/{shop.vehicle(vin='1M8GDM9A1KP042788')}")

    assert checks == ["valid"] * 4
    assert off["vin_check"] == "mismatch"


def test_an_odometer_that_runs_backwards_is_flagged(shop: Shop) -> None:
    vehicle = shop.vehicle()
    at = f"/v1/vehicles/{vehicle}"

    done(shop.post(f"{at}/odometer", json={"value": 90_000, "unit": "mi"}))
    first = _read(shop, at)["odometer"]
    done(shop.post(f"{at}/odometer", json={"value": 89_000, "unit": "mi"}))
    second = _read(shop, at)["odometer"]

    assert (first["value"], first["unit"], first["rollback"]) == (90_000, "mi", False)
    assert (second["value"], second["rollback"]) == (89_000, True)


def test_the_life_of_a_mechanic(shop: Shop) -> None:
    body = {"name": "A Mechanic", "email": shop.email(), "labor_rate_cents": 9000}
    mechanic = done(shop.post("/v1/mechanics", json=body))["id"]
    at = f"/v1/mechanics/{mechanic}"
    ticket = shop.ticket()

    assert _read(shop, at).items() >= {**body, "has_left": False}.items()
    done(shop.patch(at, json={"certifications": ["Brakes", "Engine"]}))
    assert _read(shop, at)["certifications"] == ["Brakes", "Engine"]
    assert "salary" not in _read(shop, at)
    done(shop.delete(at))
    assert _read(shop, at)["has_left"] is True
    assert ids(shop.get("/v1/mechanics")) == []
    is_problem(shop.put(f"/v1/tickets/{ticket}/mechanics/{mechanic}"), 409, "refused")
    done(shop.post(f"{at}/rehire"))
    done(shop.put(f"/v1/tickets/{ticket}/mechanics/{mechanic}"))
    assert _read(shop, at)["has_left"] is False


def _ranking(shop: Shop, by: str = "tickets") -> list[tuple[int, str, int]]:
    shop.settle()
    figure = {"labor": "labor_minutes"}.get(by, by)
    ranked: list[Any] = items(shop.get(f"/v1/mechanics/leaderboard?by={by}"))
    return [(one["rank"], one["name"], one[figure]) for one in ranked]


def test_mechanics_are_ranked_by_their_tickets(shop: Shop) -> None:
    """Those without a ticket too; equal figures share a rank, in the order of their names."""
    ann, cy, bob = (shop.mechanic(name=name) for name in ("Ann", "Cy", "Bob"))
    shop.mechanic(name="Dee")
    assert _ranking(shop) == [(1, "Ann", 0), (1, "Bob", 0), (1, "Cy", 0), (1, "Dee", 0)]

    first, second, third = shop.ticket(), shop.ticket(), shop.ticket()
    for ticket, mechanic in ((first, cy), (second, cy), (first, bob), (third, ann)):
        done(shop.put(f"/v1/tickets/{ticket}/mechanics/{mechanic}"))
    assert _ranking(shop) == [(1, "Cy", 2), (2, "Ann", 1), (2, "Bob", 1), (4, "Dee", 0)]
    assert _ranking(shop) == _ranking(shop)

    done(shop.delete(f"/v1/tickets/{second}/mechanics/{cy}"))
    done(shop.delete(f"/v1/tickets/{third}"))
    done(shop.delete(f"/v1/mechanics/{bob}"))
    assert _ranking(shop) == [(1, "Cy", 1), (2, "Ann", 0), (2, "Dee", 0)]


@pytest.mark.parametrize("by", ["closed", "labor"])
def test_mechanics_are_ranked_by_what_they_did(shop: Shop, by: str) -> None:
    ann, bob = shop.mechanic(name="Ann"), shop.mechanic(name="Bob")
    ticket = shop.ticket()
    labor = {"description": "Work", "minutes": 45, "mechanic_id": bob}
    done(shop.put(f"/v1/tickets/{ticket}/mechanics/{bob}"))
    done(shop.put(f"/v1/tickets/{shop.ticket()}/mechanics/{ann}"))
    done(shop.post(f"/v1/tickets/{ticket}/labor", json=labor))
    done(shop.post(f"/v1/tickets/{ticket}/close"))
    figure = {"closed": 1, "labor": 45}[by]

    assert _ranking(shop, by) == [(1, "Bob", figure), (2, "Ann", 0)]
    done(shop.post(f"/v1/tickets/{ticket}/reopen", json={"reason": "noise is back"}))
    assert _ranking(shop, "closed") == [(1, "Ann", 0), (1, "Bob", 0)]
