"""Consistency tokens: what one has written or seen, no later read takes back."""

from __future__ import annotations

import re
from threading import Thread
from uuid import UUID

import pytest

from api.app import operations
from api.openapi_facts import reads
from domain.account import Role
from projections.tokens import parse
from tests.api.answers import ids, is_problem, items
from tests.shop import Shop, done

AT_ONCE = {"Prefer": "wait=0"}


def test_a_read_by_id_with_a_token_is_fresh_before_any_view_is(shop: Shop) -> None:
    customer = shop.customer()
    shop.settle()
    at = f"/v1/customers/{customer}"
    assert done(shop.get(at))["version"] == 1

    token = done(shop.patch(at, json={"name": "Changed"}))["token"]

    assert done(shop.get(at))["name"] == "A Customer"
    fresh = shop.get(at, token=token)
    assert done(fresh)["name"] == "Changed"
    shop.settle()
    assert shop.get(at).text == fresh.text


def test_what_a_write_touched_besides_is_fresh_too(shop: Shop) -> None:
    item, ticket = shop.item(on_hand=10), shop.ticket()
    shop.settle()

    body = {"inventory_id": item, "quantity": 3}
    token = done(shop.post(f"/v1/tickets/{ticket}/parts", json=body))["token"]

    assert done(shop.get(f"/v1/inventory/{item}", token=token))["quantity_on_hand"] == 7
    assert len(items(shop.get(f"/v1/tickets/{ticket}/parts", token=token))) == 1


OF_THE_LOG = re.compile("^/v1/log/|/evidence$")
"""What shows the transparency log, which follows the feed at a pace of its own."""
LISTS = (
    "/v1/customers",
    "/v1/tickets",
    "/v1/vehicles",
    "/v1/assignments",
    "/v1/stock-levels",
    "/v1/mechanics/leaderboard",
)


def test_a_list_with_a_token_says_when_the_views_are_behind(
    shop: Shop, subtests: pytest.Subtests
) -> None:
    shop.settle()
    answer = shop.post("/v1/customers", json={"name": "New", "email": shop.email()})
    token = answer.json["token"]

    for path in LISTS:
        with subtests.test(path):
            behind = shop.get(path, token=token, headers=AT_ONCE)
            is_problem(behind, 503, "projection-behind")
            assert int(behind.headers["retry-after"]) >= 1
            assert shop.get(path).status_code == 200

    shop.settle()
    for path in LISTS:
        assert shop.get(path, token=token, headers=AT_ONCE).status_code == 200
    assert answer.json["id"] in ids(shop.get("/v1/customers", token=token))


def test_a_list_waits_for_the_views(shop: Shop) -> None:
    shop.settle()
    created = done(shop.post("/v1/customers", json={"name": "New", "email": shop.email()}))

    worker = Thread(target=shop.settle)
    worker.start()
    listed = shop.get("/v1/customers", token=created["token"], headers={"Prefer": "wait=10"})
    worker.join()

    assert ids(listed) == [created["id"]]


def test_what_a_read_has_shown_no_list_takes_back(shop: Shop) -> None:
    customer = shop.customer()
    shop.settle()
    token = done(shop.patch(f"/v1/customers/{customer}", json={"name": "New"}))["token"]

    seen = shop.get(f"/v1/customers/{customer}", token=token).headers["consistency-token"]

    behind = shop.get("/v1/customers", token=seen, headers=AT_ONCE)
    is_problem(behind, 503, "projection-behind")
    shop.settle()
    assert items(shop.get("/v1/customers", token=seen))[0]["name"] == "New"


def test_tokens_of_reads_never_go_back(shop: Shop) -> None:
    customer, item = shop.customer(), shop.item()
    token = None
    position, versions = 0, dict[UUID, int]()

    for name in ("First", "Second", "Third"):
        written = shop.patch(f"/v1/customers/{customer}", json={"name": name}, token=token)
        token = done(written)["token"]
        shop.settle()
        for path in (f"/v1/customers/{customer}", "/v1/customers", f"/v1/inventory/{item}"):
            answer = shop.get(path, token=token)
            token = answer.headers["consistency-token"]
            seen = parse(token)
            assert seen.position >= position
            assert seen.position >= int(answer.headers["feed-position"])
            # What is no longer named is within the position.
            named = seen.versions.items()
            assert all(version >= versions.get(id, 0) for id, version in named)
            assert versions.keys() <= seen.versions.keys() or seen.position == shop.position()
            position, versions = seen.position, dict(seen.versions)


def test_every_read_says_how_far_it_reaches(shop: Shop, subtests: pytest.Subtests) -> None:
    customer, vehicle = shop.customer(), shop.vehicle()
    ticket, item, mechanic = shop.ticket(), shop.item(), shop.mechanic()
    at = f"/v1/tickets/{ticket}"
    part = {"inventory_id": item, "quantity": 1}
    labor = {"description": "Work", "minutes": 5, "rate_cents_per_hour": 1}
    parts, labors = shop.post(f"{at}/parts", json=part), shop.post(f"{at}/labor", json=labor)
    account = shop.account(Role.AUDITOR)
    shop.settle()
    known = {
        "{customer_id}": customer,
        "{vehicle_id}": vehicle,
        "{ticket_id}": ticket,
        "{inventory_id}": item,
        "{mechanic_id}": mechanic,
        "{account_id}": account,
    }

    for operation in operations():
        if not reads(operation) or OF_THE_LOG.search(operation.path):
            continue
        path = operation.path
        for name, id in known.items():
            path = path.replace(name, id)
        line = parts if "/parts/" in path else labors
        path = path.replace("{line_id}", line.json["id"])
        with subtests.test(operation.path):
            asked = "?from=1&to=1" if path.endswith("/diff") else ""
            if path in ("/v1/reports/daily", "/v1/reports/mechanics"):
                asked = "?from=2026-03-01&to=2026-03-02"
            answer = shop.get(path + asked)
            assert answer.status_code == 200, answer.text
            assert int(answer.headers["feed-position"]) == shop.position()
            assert parse(answer.headers["consistency-token"]).position == shop.position()
            assert answer.headers["etag"]
