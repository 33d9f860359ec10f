"""Pages: all of them together are the list, whatever is written meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from falcon.testing import Result

from tests.api.answers import ids, items
from tests.shop import Shop, done

PAGES_MAX = 20


def _pages(shop: Shop, path: str) -> Iterator[Result]:
    link = path
    for _ in range(PAGES_MAX):
        page = shop.get(link)
        assert page.status_code == 200, page.text
        yield page
        link = page.json["next"]
        assert page.headers.get("link") == (f'<{link}>; rel="next"' if link else None)
        if link is None:
            return
    raise AssertionError(f"{path} goes on and on")


def _all(shop: Shop, path: str) -> list[dict[str, object]]:
    return [item for page in _pages(shop, path) for item in items(page)]


def test_the_pages_together_are_the_list(shop: Shop, subtests: pytest.Subtests) -> None:
    customer = shop.customer(name="Same Name")
    vehicle = shop.vehicle(customer)
    for _ in range(6):
        shop.customer(name="Same Name")
        ticket = shop.ticket(customer, vehicle)
        done(shop.put(f"/v1/tickets/{ticket}/mechanics/{shop.mechanic()}"))
    item = shop.item(on_hand=1)
    for _ in range(5):
        shop.item(on_hand=3)
        done(shop.post(f"/v1/inventory/{item}/receipts", json={"quantity": 1}))
    shop.settle()

    for path in (
        "/v1/customers?sort=name",
        "/v1/customers?sort=-name",
        "/v1/customers?sort=updated_at",
        "/v1/customers?q=same&include=archived",
        "/v1/tickets?sort=-created_at",
        "/v1/tickets?sort=-ro_number",
        "/v1/tickets?open=true&expand=customer,vehicle",
        f"/v1/customers/{customer}/tickets?",
        "/v1/mechanics?sort=-name",
        "/v1/assignments?",
        "/v1/stock-levels?",
        f"/v1/inventory/{item}/movements?",
    ):
        whole = items(shop.get(path))
        assert len(whole) >= 6
        joint = "&" if not path.endswith("?") else ""
        for limit in (1, 4, len(whole)):
            with subtests.test(f"{path} limit={limit}"):
                assert _all(shop, f"{path}{joint}limit={limit}") == whole


def test_the_link_keeps_what_was_asked(shop: Shop) -> None:
    for _ in range(2):
        shop.customer(name="Émile & Söhne")
    shop.settle()

    asked = {"q": ["émile & s"], "limit": ["1"], "sort": ["name"], "include": ["archived"]}
    query = "q=%C3%A9mile%20%26%20s&limit=1&sort=name&include=archived"
    page = done(shop.get(f"/v1/customers?{query}"))

    link = urlsplit(page["next"])
    kept = parse_qs(link.query)
    assert link.path == "/v1/customers"
    assert len(kept.pop("cursor")) == 1
    assert kept == asked
    last = done(shop.get(page["next"]))
    assert last["next"] is None
    assert last["items"][0]["id"] != page["items"][0]["id"]


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name"])
def test_nothing_is_shown_twice_or_skipped_while_others_write(shop: Shop, sort: str) -> None:
    known = [shop.customer(name=f"Customer {n}") for n in range(6)]
    shop.settle()
    seen: list[object] = []

    for n, page in enumerate(_pages(shop, f"/v1/customers?limit=2&sort={sort}")):
        seen += ids(page)
        shop.customer(name=f"Customer {n} and a half")
        shop.settle()

    assert len(seen) == len(set(seen))
    assert set(known) <= set(seen)


def test_a_page_holds_fifty_unless_told_and_at_most_two_hundred(shop: Shop) -> None:
    item = shop.item(on_hand=0)
    for _ in range(51):
        done(shop.post(f"/v1/inventory/{item}/receipts", json={"quantity": 1}))
    shop.settle()
    path = f"/v1/inventory/{item}/movements"

    assert len(items(shop.get(path))) == 50
    assert len(items(shop.get(f"{path}?limit=200"))) == 51
    assert len(items(shop.get(done(shop.get(path))["next"]))) == 1
