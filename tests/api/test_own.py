"""Customers see what is theirs; everything else does not exist for them.

Which routes that concerns is read off their declarations, so that none is forgotten.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from falcon.testing import Result

from api.app import operations
from api.history import At
from api.operation import Operation, Scope
from api.resource import ListParams
from domain.account import Role
from tests.api.answers import is_problem, items, nothing_happens
from tests.shop import Client, Shop, done


class Household(NamedTuple):
    """What belongs to a customer, by the names that paths and filters have for it."""

    client: Client
    ids: dict[str, str]
    facts: dict[str, str]
    ro_number: str

    def path(self, operation: Operation) -> str:
        """Of what is theirs. A path that names something new needs it among `ids`."""
        kind = operation.path.removeprefix("/v1/tickets/{ticket_id}/").partition("/")[0]
        return operation.path.format_map(self.ids | {"line_id": self.ids.get(f"{kind}_line", "")})

    def is_in(self, answer: Result) -> set[str]:
        """What of theirs an answer tells, in its body or its headers."""
        told = f"{answer.text} {dict(answer.headers)}"
        known = self.ids | self.facts
        return {name for name, value in known.items() if value in told}


def _household(shop: Shop, letter: str) -> Household:
    facts = {
        "name": f"Household {letter}",
        "email": f"household-{letter}@shop.example".lower(),
        "address": f"{letter} Street",
        "vin": shop.vin(),
        "plate": f"OF-{letter}",
        "description": f"Work for {letter}",
    }
    customer = shop.customer(**{name: facts[name] for name in ("name", "email", "address")})
    vehicle = shop.vehicle(customer, vin=facts["vin"], plate=facts["plate"])
    ticket = shop.ticket(customer, vehicle, description=facts["description"])
    mechanic, place = shop.mechanic(), f"/v1/tickets/{ticket}"
    done(shop.put(f"{place}/mechanics/{mechanic}"))
    done(shop.post(f"{place}/parts", json={"inventory_id": shop.item(), "quantity": 1}))
    labor = {"description": "Work", "minutes": 30, "mechanic_id": mechanic}
    done(shop.post(f"{place}/labor", json=labor))
    made = done(shop.get(place))
    ids = {
        "customer_id": customer,
        "vehicle_id": vehicle,
        "ticket_id": ticket,
        "mechanic_id": mechanic,
        "parts_line": made["parts"][0]["line_id"],
        "labor_line": made["labor"][0]["line_id"],
    }
    client = shop.as_("customer", customer_id=customer)
    return Household(client, ids, facts, str(made["ro_number"]))


OWN = [one for one in operations() if (one.allow or {}).get(Role.CUSTOMER) is Scope.OWN]
OF_SOMETHING = [one for one in OWN if one.path_params]
LISTS = [one for one in OWN if one.params is not None and issubclass(one.params, ListParams)]


def _names(operation: Operation) -> set[str]:
    assert operation.params is not None
    return set(operation.params.__struct_fields__)


def test_customers_change_nothing_but_their_login() -> None:
    """So that what is theirs to see is all that has to be told apart."""
    changed = [
        f"{one.method} {one.path}"
        for one in operations()
        if one.method != "GET" and Role.CUSTOMER in (one.allow or {})
    ]

    assert changed == ["PATCH /v1/me"]
    assert {one.method for one in OWN} == {"GET"}
    assert {one.path for one in OWN} == {one.path for one in OF_SOMETHING + LISTS}


@pytest.mark.parametrize("settled", [False, True])
def test_every_route_shows_own_and_hides_the_rest(
    shop: Shop, settled: bool, subtests: pytest.Subtests
) -> None:
    mine, theirs = _household(shop, "M"), _household(shop, "T")
    if settled:
        shop.settle()
    token = done(shop.patch(f"/v1/tickets/{theirs.ids['ticket_id']}", json={"key_tag": "9"}))
    headers: list[dict[str, str | None]] = [{}, {"If-None-Match": "*"}]
    if not settled:
        # A list would wait for a view that nothing moves; what shows one thing is folded.
        headers.append({"Consistency-Token": token["token"]})

    for operation in OF_SOMETHING:
        expands = operation.params is not None and "expand" in _names(operation)
        for query in ("", "?expand=customer,vehicle")[: 1 + expands]:
            own, other = mine.path(operation) + query, theirs.path(operation) + query
            with subtests.test(f"own {operation.path}{query}"):
                answer = mine.client.get(own)
                assert answer.status_code == 200
                assert theirs.is_in(answer) == set()
                assert shop.get(other).status_code == 200
            for given in headers:
                with subtests.test(f"another's {operation.path}{query} {given}"):
                    answer = mine.client.get(other, headers=given)
                    is_problem(answer, 404, "not-found")
                    named = {name for name, id in theirs.ids.items() if id in other}
                    assert theirs.is_in(answer) <= named
                    assert mine.client.request("HEAD", other).status_code == 404


def test_a_line_of_another_ticket_is_no_line_of_ones_own(shop: Shop) -> None:
    mine, theirs = _household(shop, "M"), _household(shop, "T")

    for kind in ("parts", "labor"):
        path = f"/v1/tickets/{mine.ids['ticket_id']}/{kind}"
        assert mine.client.get(f"{path}/{mine.ids[f'{kind}_line']}").status_code == 200
        is_problem(mine.client.get(f"{path}/{theirs.ids[f'{kind}_line']}"), 404, "not-found")


def test_the_past_is_closed_whosever_it_is(shop: Shop) -> None:
    mine, theirs = _household(shop, "M"), _household(shop, "T")

    for of in (mine, theirs):
        for operation in OF_SOMETHING:
            if operation.params is None or not issubclass(operation.params, At):
                continue
            for query in ("version=1", "as_of=9999-01-01T00:00:00Z"):
                answer = mine.client.get(f"{of.path(operation)}?{query}")
                is_problem(answer, 403, "forbidden")
        history = f"/v1/tickets/{of.ids['ticket_id']}/history"
        is_problem(mine.client.get(history), 403, "forbidden")


def _questions(of: Household, name: str) -> list[str]:
    """What to ask a list for by that name. A filter that is new needs its values here."""
    given: dict[str, list[str]] = {
        "limit": ["1", "200"],
        "updated_after": ["2000-01-01T00:00:00Z"],
        "include": ["archived", "voided"],
        "sort": ["created_at", "-created_at", "updated_at", "-updated_at"],
        "q": ["H", of.facts["name"]],
        "ro_number": [of.ro_number],
        "status": ["open", "voided"],
        "open": ["true", "false"],
        "expand": ["customer", "vehicle", "customer,vehicle"],
    }
    known = of.ids | of.facts
    return [f"{name}={value}" for value in given.get(name) or [known.get(name, "")]]


def test_lists_hold_own_things_only_whatever_is_asked(
    shop: Shop, subtests: pytest.Subtests
) -> None:
    mine, theirs = _household(shop, "M"), _household(shop, "T")
    shop.settle()

    for operation in LISTS:
        path = mine.path(operation)
        assert mine.is_in(mine.client.get(path)), path
        for name in sorted(_names(operation) - {"cursor"}):
            for question in _questions(theirs, name):
                with subtests.test(f"{path}?{question}"):
                    assert not question.endswith("=")
                    answer = mine.client.get(f"{path}?{question}")
                    if name == "include" and answer.status_code == 422:
                        continue  # archived or voided, whichever it has
                    assert answer.status_code == 200, answer.text
                    assert theirs.is_in(answer) == set()
                    if name == "ro_number" or name in theirs.ids | theirs.facts:
                        assert items(answer) == []


def test_a_cursor_of_another_leads_to_own_things_only(
    shop: Shop, subtests: pytest.Subtests
) -> None:
    first, mine, theirs = (_household(shop, letter) for letter in "FMT")
    for of in (first, mine, theirs):
        given = {"customer_id": of.ids["customer_id"], "vin": shop.vin()}
        vehicle = shop.vehicle(**given)
        shop.ticket(of.ids["customer_id"], vehicle)
    shop.settle()

    for operation in LISTS:
        for sort in ("", "&sort=created_at", "&sort=-updated_at"):
            if sort and "sort" not in _names(operation):
                continue
            for other in (shop, theirs.client, first.client):
                of = theirs if other is theirs.client else first
                page = other.get(f"{of.path(operation)}?limit=1{sort}")
                assert page.status_code == 200, page.text
                if page.json["next"] is None:
                    continue  # one customer, one mechanic
                with subtests.test(f"{operation.path} {sort}"):
                    cursor = parse_qs(urlsplit(page.json["next"]).query)["cursor"][0]
                    path = f"{mine.path(operation)}?limit=200&cursor={cursor}{sort}"
                    answer = mine.client.get(path)
                    assert answer.status_code == 200, answer.text
                    assert theirs.is_in(answer) | first.is_in(answer) == set()
                    mine_all = mine.client.get(f"{mine.path(operation)}?limit=200{sort}")
                    assert all(one in items(mine_all) for one in items(answer))


def test_what_was_answered_to_another_is_not_answered_again(shop: Shop) -> None:
    """Neither for their Idempotency-Key nor for the ETag they got."""
    mine, theirs = _household(shop, "M"), _household(shop, "T")
    body = {"name": "A Person", "email": shop.email()}
    first = shop.post("/v1/customers", json=body, key="k")
    assert first.status_code == 201
    others, mechanic = [shop.as_("auditor"), shop.as_("reporter")], shop.as_("mechanic")

    with nothing_happens(shop):
        for client in (mine.client, *others):
            answer = client.post("/v1/customers", json=body, key="k")
            is_problem(answer, 403, "forbidden")
            assert done(first)["id"] not in answer.text
        answer = mechanic.post("/v1/customers", json=body, key="k")
        is_problem(answer, 409, "taken", "/email")
        assert done(first)["id"] not in answer.text
        path = f"/v1/tickets/{theirs.ids['ticket_id']}"
        etag = theirs.client.get(path).headers["etag"]
        assert theirs.client.get(path, headers={"If-None-Match": etag}).status_code == 304
        is_problem(mine.client.get(path, headers={"If-None-Match": etag}), 404, "not-found")
        answer = mine.client.patch(path, json={"key_tag": "1"}, headers={"If-Match": etag})
        is_problem(answer, 403, "forbidden")


def test_a_customers_account_stands_for_a_customer(shop: Shop) -> None:
    body = {"email": shop.email(), "password": "x" * 12, "role": "customer"}

    is_problem(shop.post("/v1/accounts", json=body), 409, "refused")


def test_a_transferred_vehicle_changes_sides(shop: Shop) -> None:
    mine, theirs = _household(shop, "M"), _household(shop, "T")
    done(shop.post(f"/v1/tickets/{mine.ids['ticket_id']}/close"))
    body = {"customer_id": theirs.ids["customer_id"]}
    done(shop.post(f"/v1/vehicles/{mine.ids['vehicle_id']}/transfer", json=body))
    shop.settle()

    is_problem(mine.client.get(f"/v1/vehicles/{mine.ids['vehicle_id']}"), 404, "not-found")
    assert theirs.client.get(f"/v1/vehicles/{mine.ids['vehicle_id']}").status_code == 200
    ticket = done(mine.client.get(f"/v1/tickets/{mine.ids['ticket_id']}?expand=customer,vehicle"))
    assert ticket["customer"]["id"] == mine.ids["customer_id"]
    assert ticket["vehicle"] is None
    is_problem(theirs.client.get(f"/v1/tickets/{mine.ids['ticket_id']}"), 404, "not-found")


def test_a_vehicle_that_was_sold_is_not_found_by_what_it_is_now(shop: Shop) -> None:
    """Else a former owner could guess its new plate."""
    mine, theirs = _household(shop, "M"), _household(shop, "T")
    vehicle, ticket = mine.ids["vehicle_id"], mine.ids["ticket_id"]
    lists = ("/v1/tickets", f"/v1/customers/{mine.ids['customer_id']}/tickets")
    queries = {name: mine.facts[name] for name in ("vin", "plate", "email")}

    def found(client: Client, query: str) -> set[str]:
        pages: list[list[Any]] = [items(client.get(f"{path}?{query}")) for path in lists]
        assert pages[0] == pages[1]
        return {one["id"] for one in pages[0]}

    shop.settle()
    for name, value in queries.items():
        assert found(mine.client, f"{name}={value}") == {ticket}
    done(shop.post(f"/v1/tickets/{ticket}/close"))
    body = {"customer_id": theirs.ids["customer_id"]}
    done(shop.post(f"/v1/vehicles/{vehicle}/transfer", json=body))
    done(shop.patch(f"/v1/vehicles/{vehicle}", json={"plate": "NEW 1"}))
    shop.settle()

    assert found(mine.client, "plate=NEW%201") == set()
    assert found(mine.client, f"vin={queries['vin']}") == set()
    assert found(mine.client, "") == found(mine.client, f"email={queries['email']}") == {ticket}
    assert found(shop.as_("mechanic"), "plate=NEW%201") == {ticket}


def test_reporters_find_no_ticket_by_whose_it_is(shop: Shop) -> None:
    mine, reporter = _household(shop, "M"), shop.as_("reporter")
    shop.settle()

    for name in ("vin", "plate", "email"):
        answer = reporter.get(f"/v1/tickets?{name}={mine.facts[name]}")
        is_problem(answer, 403, "forbidden")
    assert len(items(reporter.get("/v1/tickets"))) == 1


def test_customers_do_not_read_what_parts_cost(shop: Shop) -> None:
    mine = _household(shop, "M")

    for operation in OWN:
        answer = mine.client.get(mine.path(operation))
        assert answer.status_code == 200
        assert "unit_cost" not in answer.text
