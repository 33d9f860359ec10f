"""History by the page: bounds, links, and streams that have grown long."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from domain.account import Role
from infrastructure.event_store.store import EventStore
from projections.kernel import CHUNK, KEPT_EVERY
from tests import builders as b
from tests.api.answers import is_problem, items
from tests.api.past import flat
from tests.api.test_history_replay import pages
from tests.infrastructure.event_store.records import counted_statements
from tests.projections.views import record
from tests.shop import Shop, done

LONG = 3 * KEPT_EVERY + 200
ITEM = f"/v1/inventory/{b.ITEM_ID}"


@pytest.fixture
def long(shop: Shop) -> Shop:
    """An item that was received and received and received again."""
    past = [b.item_added()] + [
        b.received(quantity=1, unit_cost_cents=600 + n % 7, quantity_on_hand=n)
        for n in range(1, LONG)
    ]
    for start in range(0, LONG, 500):
        record(shop.runtime.store, {b.ITEM_ID: past[start : start + 500]})
    return shop


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each look into the store gave."""
    sizes = list[int]()
    events = EventStore.events

    def counted(store: EventStore, id: UUID, **bounds: Any) -> Any:
        found = events(store, id, **bounds)
        if id == b.ITEM_ID:
            sizes.append(len(found))
        return found

    monkeypatch.setattr(EventStore, "events", counted)
    return sizes


@pytest.mark.usefixtures("remembered")
def test_a_long_history_is_paged_without_folding_all_of_it(long: Shop, read: list[int]) -> None:
    long.settle()
    everything = pages(long, f"{ITEM}/history", limit=200)
    assert [entry["version"] for entry in everything] == list(range(1, LONG + 1))
    assert max(read) <= CHUNK
    tenth = done(long.get(f"{ITEM}/history?limit=10"))["next"]

    def statements(url: str) -> int:
        long.get(url)
        read.clear()
        with counted_statements() as made:
            answer = done(long.get(url))
        assert answer["items"][0]["version"] > 10
        return len(made)

    last_page = f"{ITEM}/history?limit=200"
    while (url := done(long.get(last_page))["next"]) is not None:
        last_page = url
    assert statements(last_page) == statements(tenth)
    statements(last_page)
    assert sum(read) <= KEPT_EVERY + 201
    read.clear()
    done(long.get(f"{ITEM}/history?limit=10"))
    assert sum(read) == 11


def test_a_kept_state_changes_no_answer(long: Shop) -> None:
    versions = (1, KEPT_EVERY - 1, KEPT_EVERY, KEPT_EVERY + 1, LONG)
    queries = [f"?version={version}" for version in versions]
    moments = [done(long.get(ITEM + query))["updated_at"] for query in queries]
    queries += [f"?as_of={quote(moment)}" for moment in moments]
    queries += [f"/diff?from={KEPT_EVERY}&to={KEPT_EVERY + 1}", ""]
    before = {query: done(long.get(ITEM + query)) for query in queries}
    told = pages(long, f"{ITEM}/history", limit=200)

    long.settle()

    assert {query: done(long.get(ITEM + query)) for query in queries} == before
    assert pages(long, f"{ITEM}/history", limit=200) == told
    assert pages(long, f"{ITEM}/history", limit=125) == told
    assert before[f"?version={LONG}"]["quantity_on_hand"] == LONG - 1


def test_a_version_of_a_long_stream_is_found_from_the_last_kept_state(
    long: Shop, read: list[int]
) -> None:
    long.settle()

    long.get(f"{ITEM}?version={LONG}")

    assert sum(read) == LONG % KEPT_EVERY


def test_a_kept_state_of_another_shape_is_not_used(
    long: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    long.settle()
    expected = done(long.get(f"{ITEM}?version={LONG}"))
    with long.runtime.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE kept_states_1 SET state = '{}'")

    assert done(long.get(f"{ITEM}?version={LONG}")) == expected


def test_pages_link_to_one_another_and_end(shop: Shop) -> None:
    customer = shop.customer()
    for n in range(4):
        done(shop.patch(f"/v1/customers/{customer}", json={"name": f"Number {n}"}))
    path = f"/v1/customers/{customer}/history"

    first = shop.get(f"{path}?limit=2")

    assert first.headers["link"] == f'<{done(first)["next"]}>; rel="next"'
    assert [entry["version"] for entry in pages(shop, path, limit=2)] == [1, 2, 3, 4, 5]
    assert [entry["version"] for entry in pages(shop, path, limit=5)] == [1, 2, 3, 4, 5]
    assert done(shop.get(f"{path}?limit=5"))["next"] is None
    whole: list[Any] = items(shop.get(path))
    assert flat({n: c["after"] for n, c in whole[-1]["changes"].items()}) == {"name": "Number 3"}


@pytest.mark.parametrize("cursor", ["x", "", "WyJoaXN0b3J5IiwwXQ", "WyJzZWFyY2giLDFd", "a" * 1001])
def test_a_cursor_is_one_that_was_given(shop: Shop, cursor: str) -> None:
    path = f"/v1/customers/{shop.customer()}/history"

    is_problem(shop.get(f"{path}?cursor={cursor}"), 422, "invalid-fields", "/cursor")
    is_problem(shop.get(f"{path}?limit=201"), 422, "invalid-fields", "/limit")
    is_problem(shop.get(f"{path}?limit=0&q=1"), 422, "invalid-fields", "/limit", "/q")


def test_what_does_not_exist_has_no_past(shop: Shop) -> None:
    customer, item = shop.customer(), shop.item()

    for id in (UUID(int=1), item):
        for rest in ("/history", "/diff?from=1&to=1", "?version=1"):
            is_problem(shop.get(f"/v1/customers/{id}{rest}"), 404, "not-found")
    diff = f"/v1/customers/{customer}/diff"
    is_problem(shop.get(f"{diff}?from=1&to=2"), 404, "not-found", "/to")
    is_problem(shop.get(f"{diff}?from=2&to=2"), 404, "not-found", "/from")
    is_problem(shop.get(f"{diff}?from=2&to=1"), 422, "invalid-fields", "/from")
    is_problem(shop.get(f"{diff}?from=0"), 422, "invalid-fields", "/from", "/to")
    both = f"/v1/customers/{customer}?version=1&as_of=9999-01-01T00:00:00Z"
    is_problem(shop.get(both), 422, "invalid-fields", "/as_of")


def test_lines_of_a_ticket_have_a_past_too(shop: Shop) -> None:
    ticket = f"/v1/tickets/{shop.ticket()}"
    part = {"inventory_id": shop.item(), "quantity": 1}
    line = shop.post(f"{ticket}/parts", json=part).headers["location"]
    shown = done(shop.get(line))
    done(shop.delete(line))

    last: Any = items(shop.get(f"{ticket}/history"))[-1]
    assert last["changes"][f"parts/{shown['line_id']}"] == {"before": shown, "after": None}
    assert items(shop.get(f"{ticket}/parts?version=2")) == [shown]
    assert done(shop.get(f"{line}?version=2")) == shown
    assert items(shop.get(f"{ticket}/parts?version=1")) == items(shop.get(f"{ticket}/parts")) == []
    is_problem(shop.get(line), 404, "not-found")
    is_problem(shop.as_("reporter").get(f"{ticket}/labor?version=1"), 403, "forbidden")


def test_deletions_are_part_of_history(shop: Shop) -> None:
    customer, vehicle, mechanic = shop.customer(), shop.vehicle(), shop.mechanic()
    item, account = shop.item(on_hand=0), shop.account(Role.AUDITOR)
    paths = {
        f"/v1/customers/{customer}": ("customer.archived", "archived", False, True),
        f"/v1/vehicles/{vehicle}": ("vehicle.archived", "archived", False, True),
        f"/v1/mechanics/{mechanic}": ("mechanic.left", "has_left", False, True),
        f"/v1/inventory/{item}": ("inventory.discontinued", "discontinued", False, True),
        f"/v1/accounts/{account}": ("account.deactivated", "active", True, False),
        f"/v1/tickets/{shop.ticket()}": ("ticket.voided", "status", "open", "voided"),
    }

    for path, (tag, field, before, after) in paths.items():
        done(shop.delete(path + ("?reason=twice" if "tickets" in path else "")))
        last: Any = items(shop.get(f"{path}/history"))[-1]
        assert last["type"] == tag
        assert last["changes"][field] == {"before": before, "after": after}


def test_an_erased_person_is_null_before_and_after_every_change(shop: Shop) -> None:
    customer = shop.customer(name="A Person", phone="555 0100")
    client = shop.as_("customer", customer_id=customer)
    done(shop.patch(f"/v1/customers/{customer}", json={"name": "Another Name"}))
    done(client.patch("/v1/me", json={"email": "secret@shop.example"}))
    account = done(client.get("/v1/me"))["id"]
    shop.settle()
    paths = [f"/v1/customers/{customer}", f"/v1/accounts/{account}"]
    mail: list[Any] = items(shop.get(f"{paths[1]}/history"))
    assert mail[-1]["actor"]["email"] == "secret@shop.example"

    done(shop.post(f"/v1/customers/{customer}/erase"))

    # At once, while the views know nothing of it.
    for path in paths:
        entries: list[Any] = items(shop.get(f"{path}/history"))
        text = str(entries) + shop.get(f"{path}/diff?from=1&to=2").text
        assert "Person" not in text
        assert "Another Name" not in text
        assert "555 0100" not in text
        assert "secret@" not in text
        assert entries[-1]["changes"]["erased"] == {"before": False, "after": True}
        assert not {"name", "email", "phone"} & set().union(*(e["changes"] for e in entries))
    assert items(shop.get(f"{paths[1]}/history"))[-2]["actor"] == {
        "id": account,
        "role": "customer",
        "email": None,
    }
