"""Ids that lead nowhere: in the path a 404, in the body a 422 that names the field."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.api.answers import is_problem, nothing_happens
from tests.shop import Shop

BY_ID = {
    "customers": ("vehicles", "tickets"),
    "vehicles": (),
    "mechanics": (),
    "inventory": ("movements",),
    "tickets": ("history", "mechanics", "parts", "labor"),
    "accounts": (),
}
"""Collections, and what lies below one thing in them."""


def test_a_path_that_names_nothing_is_not_found(shop: Shop, subtests: pytest.Subtests) -> None:
    nothing = str(uuid4())

    for collection, below in BY_ID.items():
        for id in (nothing, "12", "x" * 300, "%00", "..%2F..", "%FF", "%F0%9F%94%A7", "null"):
            for tail in ("", *(f"/{name}" for name in below)):
                path = f"/v1/{collection}/{id}{tail}"
                with subtests.test(path[:80]):
                    is_problem(shop.get(path), 404, "not-found")


def test_reads_and_writes_call_what_does_not_exist_the_same(shop: Shop) -> None:
    for collection in BY_ID:
        path = f"/v1/{collection}/{uuid4()}"

        read, written = shop.get(path), shop.delete(path)

        assert read.json["detail"] == written.json["detail"]


def test_a_write_to_what_does_not_exist_is_not_found(shop: Shop, subtests: pytest.Subtests) -> None:
    ticket, mechanic = shop.ticket(), shop.mechanic()

    with nothing_happens(shop):
        for nothing in (str(uuid4()), uuid4().hex, str(uuid4()).upper(), "not-a-uuid"):
            for method, path in (
                ("PATCH", f"/v1/customers/{nothing}"),
                ("DELETE", f"/v1/customers/{nothing}"),
                ("POST", f"/v1/customers/{nothing}/restore"),
                ("POST", f"/v1/customers/{nothing}/erase"),
                ("PATCH", f"/v1/vehicles/{nothing}"),
                ("POST", f"/v1/vehicles/{nothing}/restore"),
                ("PATCH", f"/v1/mechanics/{nothing}"),
                ("DELETE", f"/v1/mechanics/{nothing}"),
                ("PATCH", f"/v1/inventory/{nothing}"),
                ("DELETE", f"/v1/inventory/{nothing}"),
                ("PATCH", f"/v1/accounts/{nothing}"),
                ("DELETE", f"/v1/accounts/{nothing}"),
                ("PATCH", f"/v1/tickets/{nothing}"),
                ("DELETE", f"/v1/tickets/{nothing}"),
                ("POST", f"/v1/tickets/{nothing}/start"),
                ("PUT", f"/v1/tickets/{nothing}/mechanics/{mechanic}"),
                ("PUT", f"/v1/tickets/{ticket}/mechanics/{nothing}"),
                ("DELETE", f"/v1/tickets/{ticket}/parts/{nothing}"),
                ("DELETE", f"/v1/tickets/{ticket}/labor/{nothing}"),
            ):
                with subtests.test(f"{method} {path}"):
                    is_problem(shop.request(method, path), 404, "not-found")


def test_what_a_body_names_must_exist(shop: Shop, subtests: pytest.Subtests) -> None:
    customer, item, mechanic = shop.customer(), shop.item(), shop.mechanic()
    vehicle = shop.vehicle(customer)
    ticket = shop.ticket(customer, vehicle)

    with nothing_happens(shop):
        for wrong in (str(uuid4()), mechanic, ticket):
            opened = {"customer_id": customer, "vehicle_id": vehicle, "description": "Noise"}
            car = {"vin": shop.vin(), "make": "A", "model": "B", "year": 2000}
            login = {"email": shop.email(), "password": "x" * 12, "role": "customer"}
            for path, good, field in (
                ("/v1/tickets", opened, "customer_id"),
                ("/v1/tickets", opened, "vehicle_id"),
                ("/v1/vehicles", car, "customer_id"),
                (f"/v1/vehicles/{vehicle}/transfer", {}, "customer_id"),
                (f"/v1/tickets/{ticket}/parts", {"quantity": 1}, "inventory_id"),
                ("/v1/accounts", login, "customer_id"),
            ):
                with subtests.test(f"{path} {field} {wrong}"):
                    answer = shop.post(path, json=good | {field: wrong})

                    is_problem(answer, 422, "invalid-fields", f"/{field}")
        labor = {"description": "Work", "minutes": 10, "mechanic_id": item}
        answer = shop.post(f"/v1/tickets/{ticket}/labor", json=labor)
        is_problem(answer, 422, "invalid-fields", "/mechanic_id")


def test_an_id_of_another_kind_is_not_found(shop: Shop, subtests: pytest.Subtests) -> None:
    customer, item = shop.customer(), shop.item()
    kinds = {"customers": customer, "inventory": item, "mechanics": shop.mechanic()}
    kinds |= {"tickets": shop.ticket(), "vehicles": shop.vehicle(), "accounts": shop.admin_id}

    for settled in (False, True):
        if settled:
            shop.settle()
        with nothing_happens(shop):
            for collection in kinds:
                for other, id in kinds.items():
                    if other != collection:
                        for query in ("", "?version=1"):
                            with subtests.test(f"{collection}/{other}{query} {settled}"):
                                answer = shop.get(f"/v1/{collection}/{id}{query}")
                                is_problem(answer, 404, "not-found")
                        with subtests.test(f"PATCH {collection}/{other}"):
                            answer = shop.patch(f"/v1/{collection}/{id}", json={})
                            is_problem(answer, 404, "not-found")


def test_unique_values_are_taken_whatever_their_case(shop: Shop, subtests: pytest.Subtests) -> None:
    vin, part_number = shop.vin(), "Oil-5w30-ß"
    shop.customer(email="a.person@shop.example")
    shop.mechanic(email="a.person@shop.example")
    other_customer = shop.customer(email="another@shop.example")
    car = {"customer_id": other_customer, "make": "A", "model": "B", "year": 2000}
    shop.vehicle(other_customer, vin=vin)
    other_vehicle = shop.vehicle(other_customer)
    shop.item(part_number=part_number)
    login = {"email": "a.person@shop.example", "password": "x" * 12, "role": "auditor"}
    assert shop.post("/v1/accounts", json=login).status_code == 201
    person = {"name": "A Person", "email": "A.PERSON@shop.EXAMPLE"}
    part = {"part_number": "OIL-5W30-SS", "name": "Oil", "unit_price_cents": 1}
    cases = [
        ("POST", "/v1/customers", person, "email"),
        ("POST", "/v1/mechanics", person, "email"),
        ("POST", "/v1/accounts", login | {"email": "A.Person@Shop.Example"}, "email"),
        ("POST", "/v1/vehicles", car | {"vin": vin.lower()}, "vin"),
        ("POST", "/v1/inventory", part, "part_number"),
        ("PATCH", f"/v1/customers/{other_customer}", {"email": person["email"]}, "email"),
        ("PATCH", f"/v1/vehicles/{other_vehicle}", {"vin": vin.lower()}, "vin"),
        ("PATCH", "/v1/me", {"email": "A.Person@shop.example"}, "email"),
    ]

    with nothing_happens(shop):
        for method, path, body, field in cases:
            with subtests.test(f"{method} {path}"):
                is_problem(shop.request(method, path, json=body), 409, "taken", f"/{field}")


def test_archived_owners_keep_their_values(shop: Shop) -> None:
    customer = shop.customer(email="gone@shop.example")
    assert shop.delete(f"/v1/customers/{customer}").status_code == 200

    answer = shop.post("/v1/customers", json={"name": "New", "email": "gone@shop.example"})

    is_problem(answer, 409, "taken", "/email")
