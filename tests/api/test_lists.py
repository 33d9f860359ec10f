"""Lists: every filter, both directions of every order, what is left out unless asked for."""

from __future__ import annotations

from typing import Any
from unicodedata import normalize
from urllib.parse import quote

import pytest

from domain.account import Role
from tests.api.answers import ids, is_problem, items
from tests.shop import PASSWORD, Shop, done


@pytest.fixture
def busy(shop: Shop) -> dict[str, str]:
    """A shop with two or three of everything; by nickname, its ids."""
    ann = shop.customer(name="Ann Archer", email="Ann@shop.example")
    bob = shop.customer(name="Bob Baker", email="bob@shop.example")
    gone = shop.customer(name="Anna Gone", email="gone@shop.example")
    done(shop.delete(f"/v1/customers/{gone}"))
    car = shop.vehicle(ann, vin="1HGCM82633A004352", make="Honda", plate="AB 123")
    van = shop.vehicle(bob, make="Ford", model="Transit", plate="CD 456")
    scrap = shop.vehicle(bob, make="Fiat")
    done(shop.delete(f"/v1/vehicles/{scrap}"))
    cy = shop.mechanic(name="Cy Cooper", email="Cy@shop.example")
    dee = shop.mechanic(name="Dee Dyer", email="dee@shop.example")
    left = shop.mechanic(name="Cyril Left")
    done(shop.delete(f"/v1/mechanics/{left}"))
    oil = shop.item(on_hand=2, part_number="OIL-1", name="Oil filter", reorder_point=5)
    pad = shop.item(on_hand=9, part_number="PAD-1", name="Brake pad", reorder_point=5)
    old = shop.item(on_hand=0, part_number="OLD-1", name="Old oil")
    done(shop.delete(f"/v1/inventory/{old}"))
    one = shop.ticket(ann, car)
    two = shop.ticket(bob, van, priority="high")
    three = shop.ticket(ann, car)
    void = shop.ticket(bob, van)
    for ticket, mechanic in ((one, cy), (one, dee), (two, cy), (void, dee)):
        done(shop.put(f"/v1/tickets/{ticket}/mechanics/{mechanic}"))
    done(shop.post(f"/v1/tickets/{two}/start"))
    done(shop.post(f"/v1/tickets/{three}/close"))
    done(shop.delete(f"/v1/tickets/{void}?reason=mistake"))
    shop.settle()
    return dict(
        ann=ann,
        bob=bob,
        gone=gone,
        car=car,
        van=van,
        scrap=scrap,
        cy=cy,
        dee=dee,
        left=left,
        oil=oil,
        pad=pad,
        old=old,
        one=one,
        two=two,
        three=three,
        void=void,
    )


FILTERS: list[tuple[str, set[str]]] = [
    ("/v1/customers", {"ann", "bob"}),
    ("/v1/customers?include=archived", {"ann", "bob", "gone"}),
    ("/v1/customers?email=ANN@SHOP.example", {"ann"}),
    ("/v1/customers?q=ann", {"ann"}),
    ("/v1/customers?q=ann&include=archived", {"ann", "gone"}),
    ("/v1/customers?q=archer", set()),
    ("/v1/customers?q=%25", set()),
    ("/v1/customers?q=_nn", set()),
    ("/v1/vehicles", {"car", "van"}),
    ("/v1/vehicles?include=archived", {"car", "van", "scrap"}),
    ("/v1/vehicles?vin=1hgcm82633a004352", {"car"}),
    ("/v1/vehicles?plate=ab%20123", {"car"}),
    ("/v1/vehicles?q=ford%20tr", {"van"}),
    ("/v1/vehicles?customer_id={bob}", {"van"}),
    ("/v1/customers/{bob}/vehicles", {"van"}),
    ("/v1/customers/{bob}/vehicles?include=archived", {"van", "scrap"}),
    ("/v1/customers/{bob}/vehicles?customer_id={ann}", set()),
    ("/v1/mechanics", {"cy", "dee"}),
    ("/v1/mechanics?include=archived", {"cy", "dee", "left"}),
    ("/v1/mechanics?q=CY", {"cy"}),
    ("/v1/mechanics?email=cy@shop.example", {"cy"}),
    ("/v1/inventory", {"oil", "pad"}),
    ("/v1/inventory?include=archived", {"oil", "pad", "old"}),
    ("/v1/inventory?part_number=oil-1", {"oil"}),
    ("/v1/inventory?q=brake", {"pad"}),
    ("/v1/tickets", {"one", "two", "three"}),
    ("/v1/tickets?include=voided", {"one", "two", "three", "void"}),
    ("/v1/tickets?status=voided", {"void"}),
    ("/v1/tickets?status=in_progress", {"two"}),
    ("/v1/tickets?open=true", {"one", "two"}),
    ("/v1/tickets?open=false", {"three"}),
    ("/v1/tickets?customer_id={ann}", {"one", "three"}),
    ("/v1/tickets?customer_id={ann}&open=true", {"one"}),
    ("/v1/tickets?vehicle_id={van}", {"two"}),
    ("/v1/tickets?mechanic_id={cy}", {"one", "two"}),
    ("/v1/tickets?mechanic_id={dee}", {"one"}),
    ("/v1/tickets?vin=1HGCM82633A004352", {"one", "three"}),
    ("/v1/tickets?plate=cd%20456", {"two"}),
    ("/v1/tickets?email=ANN@shop.example&mechanic_id={cy}", {"one"}),
    ("/v1/customers/{ann}/tickets", {"one", "three"}),
    ("/v1/customers/{ann}/tickets?status=closed", {"three"}),
]


def test_filters_show_what_fits_and_nothing_else(
    shop: Shop, busy: dict[str, str], subtests: pytest.Subtests
) -> None:
    nickname = {id: name for name, id in busy.items()}

    for query, expected in FILTERS:
        with subtests.test(query):
            found = ids(shop.get(query.format_map(busy)))
            assert len(found) == len(set(found))
            assert {nickname[str(id)] for id in found} == expected


def test_a_letter_is_the_same_however_it_is_encoded(shop: Shop) -> None:
    """An é typed on one machine is one character, on another two."""
    typed, elsewhere = (normalize(form, "RENÉ@shop.example") for form in ("NFC", "NFD"))
    customer, item = shop.customer(email=typed), shop.item(part_number=typed)
    account = {"email": typed, "password": PASSWORD, "role": "auditor"}
    auditor = done(shop.post("/v1/accounts", json=account))["id"]
    shop.settle()

    again = shop.post("/v1/accounts", json=account | {"email": elsewhere})

    is_problem(again, 409, "taken", "/email")
    assert ids(shop.get(f"/v1/customers?email={quote(elsewhere)}")) == [customer]
    assert ids(shop.get(f"/v1/customers?email={quote(elsewhere.lower())}")) == [customer]
    assert ids(shop.get(f"/v1/inventory?part_number={quote(elsewhere)}")) == [item]
    assert ids(shop.get(f"/v1/accounts?email={quote(elsewhere)}")) == [auditor]
    done(shop.nobody().post("/v1/auth/login", json={"email": elsewhere, "password": PASSWORD}))


def test_accounts_are_found_by_role_and_e_mail(shop: Shop) -> None:
    auditor, gone = shop.account(Role.AUDITOR), shop.account(Role.AUDITOR)
    done(shop.delete(f"/v1/accounts/{gone}"))
    shop.settle()
    email = quote(done(shop.get(f"/v1/accounts/{auditor}"))["email"].upper())

    assert ids(shop.get("/v1/accounts?role=auditor")) == [auditor]
    assert set(ids(shop.get("/v1/accounts?role=auditor&include=archived"))) == {auditor, gone}
    assert ids(shop.get(f"/v1/accounts?email={email}")) == [auditor]
    assert set(ids(shop.get("/v1/accounts"))) == {auditor, shop.admin_id}


SORTS = {
    "customers": ("created_at", "updated_at", "name"),
    "vehicles": ("created_at", "updated_at", "name"),
    "mechanics": ("created_at", "updated_at", "name"),
    "inventory": ("created_at", "updated_at", "name"),
    "tickets": ("created_at", "updated_at", "ro_number"),
    "accounts": ("created_at", "updated_at"),
}


def _value(item: dict[str, Any], sort: str) -> Any:
    if sort == "name" and "make" in item:
        return f"{item['make']} {item['model']}".casefold()
    return item[sort].casefold() if sort == "name" else item[sort]


@pytest.mark.usefixtures("busy")
def test_lists_are_sorted_both_ways(shop: Shop, subtests: pytest.Subtests) -> None:
    for collection, sorts in SORTS.items():
        for sort in sorts:
            with subtests.test(f"{collection} {sort}"):
                up = items(shop.get(f"/v1/{collection}?sort={sort}"))
                down = items(shop.get(f"/v1/{collection}?sort=-{sort}"))

                assert [_value(item, sort) for item in up] == sorted(_value(i, sort) for i in up)
                assert up == down[::-1]
        with subtests.test(f"{collection} by default"):
            latest_first = items(shop.get(f"/v1/{collection}?sort=-created_at"))
            assert items(shop.get(f"/v1/{collection}")) == latest_first


def test_a_list_shows_what_changed_since(shop: Shop, busy: dict[str, str]) -> None:
    known = items(shop.get("/v1/customers?sort=-updated_at"))
    last = quote(str(known[0]["updated_at"]))
    assert items(shop.get(f"/v1/customers?updated_after={last}")) == []

    done(shop.patch(f"/v1/customers/{busy['bob']}", json={"phone": "555 0100"}))
    shop.settle()

    assert ids(shop.get(f"/v1/customers?updated_after={last}")) == [busy["bob"]]


def test_a_number_said_on_the_phone_finds_the_ticket(shop: Shop, busy: dict[str, str]) -> None:
    number = done(shop.get(f"/v1/tickets/{busy['two']}"))["ro_number"]

    assert ids(shop.get(f"/v1/tickets?ro_number={number}")) == [busy["two"]]


def test_tickets_show_customer_and_vehicle_inside(shop: Shop, busy: dict[str, str]) -> None:
    customer = done(shop.get(f"/v1/customers/{busy['ann']}"))
    vehicle = done(shop.get(f"/v1/vehicles/{busy['car']}"))
    at = f"/v1/tickets/{busy['one']}"

    ticket = done(shop.get(f"{at}?expand=customer,vehicle"))
    assert (ticket["customer"], ticket["vehicle"]) == (customer, vehicle)
    assert "vehicle" not in done(shop.get(f"{at}?expand=customer"))
    listed = items(shop.get(f"/v1/tickets?customer_id={busy['ann']}&expand=vehicle"))
    assert [item["vehicle"] for item in listed] == [vehicle, vehicle]


def test_assignments_are_found_by_ticket_and_mechanic(shop: Shop, busy: dict[str, str]) -> None:
    def pairs(query: str) -> set[tuple[object, object]]:
        return {(item["ticket_id"], item["mechanic_id"]) for item in items(shop.get(query))}

    one, two, cy, dee = (busy[name] for name in ("one", "two", "cy", "dee"))
    assert pairs("/v1/assignments") == {(one, cy), (one, dee), (two, cy)}
    assert pairs(f"/v1/assignments?ticket_id={one}") == {(one, cy), (one, dee)}
    assert pairs(f"/v1/assignments?mechanic_id={cy}") == {(one, cy), (two, cy)}
    assert pairs(f"/v1/assignments?ticket_id={two}&mechanic_id={dee}") == set()
    assert pairs(f"/v1/tickets/{one}/mechanics") == {(one, cy), (one, dee)}


def test_stock_levels_show_the_scarcest_first(shop: Shop, busy: dict[str, str]) -> None:
    def levels(query: str = "") -> list[object]:
        return [item["inventory_id"] for item in items(shop.get(f"/v1/stock-levels{query}"))]

    assert levels() == [busy["oil"], busy["pad"]]
    assert levels("?low=true") == [busy["oil"]]
    assert levels("?low=false") == [busy["pad"]]
