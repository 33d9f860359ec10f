"""What a write that went well answers, and how it is made to depend on what one has read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.api.answers import is_problem, nothing_happens
from tests.shop import Shop, done


def _creations(shop: Shop) -> dict[str, dict[str, Any]]:
    customer = shop.customer()
    vehicle = shop.vehicle(customer)
    ticket = shop.ticket(customer, vehicle)
    person = {"name": "A Person", "email": shop.email()}
    car = {"vin": shop.vin(), "make": "Toyota", "model": "Corolla", "year": 2014}
    part = {"part_number": "P-1", "name": "A part", "unit_price_cents": 1}
    account = {"email": shop.email(), "password": "x" * 12, "role": "reporter"}
    return {
        "/v1/customers": person,
        "/v1/mechanics": person,
        "/v1/vehicles": car | {"customer_id": customer},
        "/v1/inventory": part,
        "/v1/accounts": account,
        "/v1/tickets": {"customer_id": customer, "vehicle_id": vehicle, "description": "Noise"},
        f"/v1/tickets/{ticket}/parts": {"inventory_id": shop.item(), "quantity": 1},
        f"/v1/tickets/{ticket}/labor": {
            "description": "Work",
            "minutes": 30,
            "rate_cents_per_hour": 1,
        },
    }


def test_what_is_created_is_found_at_its_location(shop: Shop, subtests: pytest.Subtests) -> None:
    for path, body in _creations(shop).items():
        with subtests.test(path):
            answer = shop.post(path, json=body)

            assert answer.status_code == 201, answer.text
            assert set(answer.json) == {"id", "version", "token"}
            assert UUID(answer.json["id"]).version == 7
            assert answer.headers["location"] == f"{path}/{answer.json['id']}"
            assert answer.headers["etag"] == f'"{answer.json["version"]}"'
            assert answer.headers["consistency-token"] == answer.json["token"]
            found = shop.get(answer.headers["location"], token=answer.json["token"])
            assert answer.json["id"] in (found.json.get("id"), found.json.get("line_id"))


def test_other_writes_answer_with_the_new_version(shop: Shop) -> None:
    customer = shop.customer()

    answer = shop.patch(f"/v1/customers/{customer}", json={"name": "Another Name"})

    assert answer.status_code == 200
    assert set(answer.json) == {"id", "version", "token"}
    assert (answer.json["id"], answer.json["version"]) == (customer, 2)
    assert answer.headers["etag"] == '"2"'
    assert "location" not in answer.headers


def test_a_write_that_changes_nothing_leaves_the_version(shop: Shop) -> None:
    customer = shop.customer(name="A Name")

    with nothing_happens(shop):
        answer = shop.patch(f"/v1/customers/{customer}", json={"name": "A Name"})

    assert done(answer)["version"] == 1


def test_the_representation_is_what_a_read_shows(shop: Shop, subtests: pytest.Subtests) -> None:
    customer, mechanic, item = shop.customer(), shop.mechanic(), shop.item()
    vehicle = shop.vehicle(customer)
    at = f"/v1/tickets/{shop.ticket(customer, vehicle)}"
    writes: list[tuple[str, str, dict[str, Any], str]] = [
        ("PATCH", f"/v1/customers/{customer}", {"phone": "555 0100"}, ""),
        ("PATCH", f"/v1/vehicles/{vehicle}", {"plate": "AB 123"}, ""),
        ("POST", f"/v1/vehicles/{vehicle}/odometer", {"value": 7, "unit": "km"}, "/odometer"),
        ("PATCH", f"/v1/mechanics/{mechanic}", {"certifications": ["Brakes"]}, ""),
        ("PATCH", f"/v1/inventory/{item}", {"unit_price_cents": 3}, ""),
        ("POST", f"/v1/inventory/{item}/receipts", {"quantity": 5}, "/receipts"),
        ("PATCH", at, {"promised_at": "2030-01-01T12:00:00+02:00"}, ""),
        ("PUT", f"{at}/mechanics/{mechanic}", {}, f"/mechanics/{mechanic}"),
        ("POST", f"{at}/parts", {"inventory_id": item, "quantity": 2}, "/parts"),
        ("POST", f"{at}/start", {}, "/start"),
        ("POST", f"{at}/hold", {"hold_reason": "waiting_parts"}, "/hold"),
        ("PATCH", "/v1/me", {"email": "renamed@shop.example"}, ""),
        ("DELETE", f"/v1/mechanics/{shop.mechanic()}", {}, ""),
    ]
    for method, path, body, tail in writes:
        with subtests.test(f"{method} {path}"):
            prefer = {"Prefer": "return=representation"}

            answer = shop.request(method, path, json=body, headers=prefer)

            assert answer.headers["preference-applied"] == "return=representation"
            read = shop.get(path.removesuffix(tail), token=answer.headers["consistency-token"])
            assert answer.text == read.text
            assert answer.headers["etag"] == read.headers["etag"]
            shop.settle()
            assert shop.get(path.removesuffix(tail)).text == answer.text


def test_a_read_not_changed_since_is_not_sent_again(shop: Shop, subtests: pytest.Subtests) -> None:
    customer, item = shop.customer(), shop.item()
    ticket = shop.ticket(customer)
    shop.settle()

    for path in (
        f"/v1/customers/{customer}",
        f"/v1/inventory/{item}",
        f"/v1/tickets/{ticket}?expand=customer",
        f"/v1/tickets/{ticket}/parts",
        f"/v1/tickets/{ticket}/history",
        "/v1/customers",
        "/v1/mechanics/leaderboard",
        "/v1/me",
    ):
        with subtests.test(path):
            first = shop.get(path)
            etag = first.headers["etag"]
            assert first.headers["cache-control"] == "private, no-cache"

            for known in (etag, f'"another", {etag}', "*"):
                again = shop.get(path, headers={"If-None-Match": known})
                assert again.status_code == 304
                assert again.content == b""
                assert again.headers["etag"] == etag
            assert shop.get(path, headers={"If-None-Match": '"another"'}).text == first.text

    done(shop.patch(f"/v1/customers/{customer}", json={"name": "B"}))
    shop.settle()
    for path in (f"/v1/customers/{customer}", f"/v1/tickets/{ticket}?expand=customer"):
        assert shop.get(path).headers["etag"] != etag


def test_a_write_goes_through_only_on_the_version_it_names(shop: Shop) -> None:
    customer = shop.customer()
    at = f"/v1/customers/{customer}"
    written = done(shop.patch(at, json={"name": "Second"}))
    shop.settle()
    read = shop.get(at).headers["etag"]

    with nothing_happens(shop):
        for method, body in (("PATCH", {"name": "Third"}), ("DELETE", None)):
            stale = shop.request(method, at, json=body, headers={"If-Match": '"1"'})
            is_problem(stale, 412, "version-mismatch")
            assert stale.json["current_version"] == 2

    assert written["version"] == 2
    done(shop.patch(at, json={"name": "Third"}, headers={"If-Match": read}))
    done(shop.patch(at, json={"name": "Fourth"}, headers={"If-Match": '"3"'}))
    done(shop.patch(at, json={"name": "Fifth"}, headers={"If-Match": "*"}))


def test_merge_patch_sets_removes_and_leaves(shop: Shop) -> None:
    customer = shop.customer(name="A", phone="555 0100", address="A street")
    body = b'{"phone": null, "name": "B"}'

    answer = shop.patch(
        f"/v1/customers/{customer}",
        body=body,
        content_type="application/merge-patch+json",
        headers={"Prefer": "return=representation"},
    )

    changed = done(answer)
    assert (changed["name"], changed["phone"], changed["address"]) == ("B", None, "A street")
