"""Searching the log by who did what when."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from domain.account import Role
from infrastructure.audit_index import Search, page_of
from infrastructure.database import Database
from tests import builders as b
from tests.api.answers import is_problem, items
from tests.api.test_history_replay import pages
from tests.infrastructure.event_store.records import counted_statements
from tests.projections.views import record
from tests.shop import Shop, done

SEARCH = "/v1/audit/search"


def found(shop: Shop, query: str = "") -> list[Any]:
    return pages(shop, SEARCH, limit=200) if not query else items(shop.get(f"{SEARCH}?{query}"))


def types(entries: list[Any]) -> list[str]:
    return [entry["type"] for entry in entries]


def test_every_event_is_found_the_latest_first(shop: Shop) -> None:
    shop.ticket()
    shop.settle()

    everything = found(shop)

    positions = [entry["position"] for entry in everything]
    assert positions == list(range(shop.position(), 0, -1))
    assert {entry["aggregate"] for entry in everything} == {
        *("account", "customer", "vehicle", "ticket", "claim")
    }
    assert pages(shop, SEARCH, limit=3) == everything


def test_an_entry_says_what_history_says(shop: Shop) -> None:
    ticket = shop.ticket()
    done(shop.delete(f"/v1/tickets/{ticket}?reason=twice", headers={"X-Request-Id": "desk-1"}))
    shop.settle()
    told: Any = items(shop.get(f"/v1/tickets/{ticket}/history"))[-1]

    entry = found(shop, "type=ticket.voided")[0]

    assert entry["position"] <= shop.position()
    assert (entry["aggregate"], entry["aggregate_id"]) == ("ticket", ticket)
    assert told.pop("changes")
    assert {name: entry[name] for name in told} == told
    assert (entry["reason"], entry["request_id"]) == ("twice", "desk-1")


def test_events_are_found_by_actor_type_aggregate_and_number(shop: Shop) -> None:
    mechanic = shop.as_("mechanic", mechanic_id=shop.mechanic())
    ticket, other = shop.ticket(), shop.ticket()
    for id in (ticket, other):
        done(mechanic.post(f"/v1/tickets/{id}/start"))
    done(shop.post(f"/v1/tickets/{ticket}/complete"))
    shop.settle()
    me = done(mechanic.get("/v1/me"))["id"]
    number = done(shop.get(f"/v1/tickets/{ticket}"))["ro_number"]

    assert types(found(shop, f"actor={me}")) == ["ticket.started", "ticket.started"]
    assert [e["aggregate_id"] for e in found(shop, "type=ticket.started")] == [other, ticket]
    whole = ["ticket.completed", "ticket.started", "ticket.opened"]
    assert types(found(shop, f"aggregate_id={ticket}")) == whole
    assert types(found(shop, f"ro_number={number}")) == whole
    both = f"ro_number={number}&aggregate_id="
    assert types(found(shop, both + ticket)) == whole
    assert found(shop, both + other) == []
    assert found(shop, "ro_number=999999") == []
    assert found(shop, f"actor={uuid4()}") == []
    assert types(found(shop, f"actor={me}&aggregate_id={other}")) == ["ticket.started"]
    assert found(shop, f"actor={me}&type=ticket.opened") == []
    assert types(found(shop, f"actor={shop.admin_id}&type=ticket.opened")) == ["ticket.opened"] * 2


def test_a_voided_ticket_is_found_by_its_number(shop: Shop) -> None:
    ticket = shop.ticket()
    done(shop.delete(f"/v1/tickets/{ticket}"))
    shop.settle()
    number = done(shop.get(f"/v1/tickets/{ticket}"))["ro_number"]

    assert types(found(shop, f"ro_number={number}")) == ["ticket.voided", "ticket.opened"]


def test_a_stretch_of_time_has_its_first_instant_and_not_its_last(shop: Shop) -> None:
    customer = shop.customer()
    done(shop.patch(f"/v1/customers/{customer}", json={"name": "Changed"}))
    shop.settle()
    of = f"aggregate_id={customer}"
    changed, registered = (entry["recorded_at"] for entry in found(shop, of))
    after = (datetime.fromisoformat(changed) + timedelta(microseconds=1)).isoformat()
    elsewhere = datetime.fromisoformat(registered).astimezone().isoformat()

    def between(first: str, last: str) -> list[str]:
        return types(found(shop, f"{of}&from={quote(first)}&to={quote(last)}"))

    assert between(registered, changed) == ["customer.registered"]
    assert between(elsewhere, changed) == ["customer.registered"]
    assert between(changed, after) == ["customer.details-changed"]
    assert between(after, after) == []
    late, early = quote(changed), quote(registered)
    is_problem(shop.get(f"{SEARCH}?from={late}&to={early}"), 422, "invalid-fields", "/from")


def test_whatever_the_filters_pages_join_without_gap_or_double(shop: Shop) -> None:
    customer = shop.customer()
    for n in range(7):
        done(shop.patch(f"/v1/customers/{customer}", json={"name": f"Number {n}"}))
    shop.settle()
    first = quote(found(shop)[-1]["recorded_at"])

    for query in (
        f"actor={shop.admin_id}",
        "type=customer.details-changed",
        f"aggregate_id={customer}",
        f"actor={shop.admin_id}&type=customer.details-changed&from={first}",
    ):
        whole = items(shop.get(f"{SEARCH}?{query}"))
        url, joined = f"{SEARCH}?{query}&limit=2", list[Any]()
        while url:
            joined += items(answer := shop.get(url))
            url = answer.json["next"]
        assert joined == whole
        assert len(joined) >= 7


def test_events_of_one_instant_are_told_apart(shop: Shop) -> None:
    """All streams of one commit are recorded at the same time."""
    record(
        shop.runtime.store,
        {UUID(int=n): [b.customer_registered(name=f"Number {n}")] for n in range(1, 8)},
    )
    shop.settle()

    one_by_one = pages(shop, SEARCH, limit=1)

    assert one_by_one == found(shop)
    assert len({entry["position"] for entry in one_by_one}) == shop.position()


def test_an_event_no_view_can_take_is_found_all_the_same(shop: Shop) -> None:
    record(shop.runtime.store, {b.CUSTOMER_ID: [b.customer_changed()]})
    shop.settle()

    assert types(found(shop, f"aggregate_id={b.CUSTOMER_ID}")) == ["customer.details-changed"]


def test_bytes_that_make_no_event_are_found_without_an_actor(shop: Shop) -> None:
    customer = shop.customer()
    with shop.runtime.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET state = 'x' WHERE topic LIKE 'customer.%%'")
    shop.settle()

    entry = found(shop, f"aggregate_id={customer}")[0]

    assert entry["type"] == "customer.registered"
    assert entry["actor"] == {"id": None, "role": "", "email": None}


def test_a_search_that_carries_a_token_is_as_fresh_as_it(shop: Shop) -> None:
    made = shop.post("/v1/customers", json={"name": "A", "email": shop.email()})
    token = done(made)["token"]
    wait = {"Prefer": "wait=0"}

    behind = shop.get(SEARCH, token=token, headers=wait)
    shop.runtime.sequencer.step()
    shop.runtime.runner.step(shop.runtime.generations.live())
    views_alone = shop.get(SEARCH, token=token, headers=wait)
    shop.settle()
    answer = shop.get(SEARCH, token=token, headers=wait)

    is_problem(behind, 503, "projection-behind")
    is_problem(views_alone, 503, "projection-behind")
    assert done(made)["id"] in {entry["aggregate_id"] for entry in items(answer)}
    assert answer.headers["feed-position"] == str(shop.position())


def test_all_that_is_wrong_is_named(shop: Shop) -> None:
    wrong = "actor=me&type=ticket.exploded&from=today&aggregate_id=1&ro_number=0&limit=201&x=1"
    fields = ("/actor", "/from", "/aggregate_id", "/ro_number", "/limit", "/x")

    is_problem(shop.get(f"{SEARCH}?{wrong}"), 422, "invalid-fields", *fields)
    is_problem(shop.get(f"{SEARCH}?type=ticket.exploded"), 422, "invalid-fields", "/type")
    for cursor in ("", "x", "WyJoaXN0b3J5IiwxXQ"):
        is_problem(shop.get(f"{SEARCH}?cursor={cursor}"), 422, "invalid-fields", "/cursor")


def test_two_workers_at_once_index_each_event_once(shop: Shop) -> None:
    shop.ticket()
    end = shop.position()
    index = shop.runtime.audit_index

    assert index.add(0, limit=5) == 5
    assert index.add(0) == end - 5
    assert index.add(3) == 0

    assert index.position() == end
    assert index.step() == 0
    assert len(found(shop)) == end


@pytest.mark.usefixtures("remembered")
def test_a_search_takes_few_statements_whatever_it_finds(shop: Shop) -> None:
    def statements() -> int:
        shop.get(SEARCH)
        with counted_statements() as made:
            done(shop.get(SEARCH))
        return len(made)

    shop.customer()
    shop.settle()
    before = statements()
    shop.ticket()
    shop.settle()

    assert statements() == before == 5


FILTERS: list[dict[str, Any]] = [
    dict(zip(("originators", "actor", "topic", "since"), chosen, strict=True))
    for chosen in product(
        (frozenset[UUID](), frozenset({UUID(int=1)})),
        (None, UUID(int=2)),
        (None, "ticket.opened"),
        (None, datetime.fromisoformat("2026-01-01T00:00:00Z")),
    )
]


def test_a_search_reads_one_stretch_of_an_index_and_sorts_nothing(
    shop: Shop, subtests: pytest.Subtests
) -> None:
    moment = datetime.fromisoformat("2026-02-01T00:00:00Z")
    for filters in FILTERS:
        with subtests.test("-".join(name for name in filters if filters[name])):
            plan = _plan(shop.runtime.database, Search(limit=51, **filters, before=(moment, 7)))
            assert "audit_" in plan
            assert "filesort" not in plan.lower().replace('using_filesort": false', "")
            assert "TEMP B-TREE" not in plan


def _plan(database: Database, search: Search) -> str:
    """How the database would look for it."""
    sent = list[Any]()

    def keep(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent[:] = statement, parameters

    explain = "EXPLAIN FORMAT=JSON " if database.is_mysql else "EXPLAIN QUERY PLAN "
    with database.reading() as connection:
        event.listen(connection, "before_cursor_execute", keep)
        connection.execute(page_of(search))
        return str(connection.exec_driver_sql(explain + sent[0], sent[1]).all())


def test_nobody_else_searches_the_log(shop: Shop) -> None:
    for role in Role:
        expected = 200 if role in ("admin", "auditor") else 403
        for path in (SEARCH, "/v1/audit/accesses"):
            assert shop.as_(role).get(path).status_code == expected
