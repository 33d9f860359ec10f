"""The same key and the same payload are one wish, however often it is sent."""

from __future__ import annotations

from typing import Any

from falcon.testing import Result

from tests.api.answers import is_problem, items, nothing_happens
from tests.shop import Shop, done


def _same(one: Result, other: Result) -> None:
    assert one.status == other.status
    kept = ("location", "etag", "consistency-token", "content-type")
    assert [one.headers.get(name) for name in kept] == [other.headers.get(name) for name in kept]
    first, second = dict(one.json), dict(other.json)
    first.pop("instance", None), second.pop("instance", None)
    assert first == second


def _person(shop: Shop) -> dict[str, Any]:
    return {"name": "A Person", "email": shop.email()}


def test_a_retry_hears_the_first_answer_again(shop: Shop) -> None:
    body = _person(shop)
    first = shop.post("/v1/customers", json=body, key="k-1")
    assert first.status_code == 201
    done(shop.patch(first.headers["location"], json={"name": "Renamed"}))

    with nothing_happens(shop):
        _same(first, shop.post("/v1/customers", json=body, key="k-1"))

    shop.settle()
    assert len(items(shop.get("/v1/customers"))) == 1


def test_refusals_are_answers_too(shop: Shop) -> None:
    item, ticket = shop.item(on_hand=1), shop.ticket()
    taken = {"name": "A Person", "email": shop.email()}
    first_owner = done(shop.post("/v1/customers", json=taken))["id"]
    at = f"/v1/tickets/{ticket}"
    wishes: list[tuple[str, dict[str, Any], dict[str, str | None], int]] = [
        (f"{at}/parts", {"inventory_id": item, "quantity": 2}, {}, 409),
        (f"{at}/parts", {"inventory_id": ticket, "quantity": 1}, {}, 422),
        ("/v1/customers", taken, {}, 409),
        (f"{at}/start", {}, {"If-Match": '"9"'}, 412),
    ]
    first = [
        shop.post(path, json=body, key=f"k-{n}", headers=headers)
        for n, (path, body, headers, _) in enumerate(wishes)
    ]
    assert [answer.status_code for answer in first] == [status for *_, status in wishes]
    done(shop.post(f"/v1/inventory/{item}/receipts", json={"quantity": 10}))
    done(shop.patch(f"/v1/customers/{first_owner}", json={"email": shop.email()}))

    with nothing_happens(shop):
        for n, (path, body, headers, _) in enumerate(wishes):
            _same(first[n], shop.post(path, json=body, key=f"k-{n}", headers=headers))

    path, body, _, _ = wishes[0]
    assert shop.post(path, json=body, key="a new key").status_code == 201


def test_a_key_stands_for_one_payload(shop: Shop) -> None:
    body = _person(shop)
    done(shop.post("/v1/customers", json=body, key="k-1"))
    one, other = shop.ticket(), shop.ticket()
    done(shop.post(f"/v1/tickets/{one}/start", key="k-2"))

    with nothing_happens(shop):
        answer = shop.post("/v1/customers", json=body | {"name": "Another"}, key="k-1")
        is_problem(answer, 422, "key-reused")
        is_problem(shop.post(f"/v1/tickets/{other}/start", key="k-2"), 422, "key-reused")


def test_keys_belong_to_an_account_and_a_route(shop: Shop) -> None:
    colleague = shop.as_("admin")

    ids = {
        done(client.post(path, json=_person(shop), key="k-1"))["id"]
        for client in (shop, colleague)
        for path in ("/v1/customers", "/v1/mechanics")
    }

    assert len(ids) == 4


def test_what_was_never_tried_leaves_the_key_free(shop: Shop) -> None:
    body = _person(shop)
    is_problem(
        shop.post("/v1/customers", json={"name": "A"}, key="k-1"), 422, "invalid-fields", "/email"
    )
    auditor = shop.as_("auditor")
    is_problem(auditor.post("/v1/customers", json=body, key="k-1"), 403, "forbidden")

    assert shop.post("/v1/customers", json=body, key="k-1").status_code == 201


def test_only_posts_have_keys(shop: Shop) -> None:
    at = f"/v1/customers/{shop.customer()}"

    for name in ("Second", "Third"):
        done(shop.patch(at, json={"name": name}, key="k-1"))

    assert done(shop.get(at))["name"] == "Third"
