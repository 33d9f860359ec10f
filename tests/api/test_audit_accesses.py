"""Whoever reads the past leaves a record, and where none can be left nothing is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.answers import is_problem, items
from tests.api.test_history_replay import pages
from tests.shop import Shop, done

ACCESSES = "/v1/audit/accesses"


def records(shop: Shop, query: str = "") -> list[Any]:
    """Without those of reading the records."""
    everything: list[Any] = items(shop.get(f"{ACCESSES}?{query}"))
    return [one for one in everything if not one["operation"].endswith(ACCESSES)]


def test_reading_the_past_of_anything_is_recorded(shop: Shop) -> None:
    auditor = shop.as_("auditor")
    ids = {"customers": shop.customer(), "tickets": shop.ticket(), "accounts": shop.admin_id}
    ids |= {"mechanics": shop.mechanic(), "vehicles": shop.vehicle(), "inventory": shop.item()}
    moment = "9999-01-01T00:00:00Z"
    me = done(auditor.get("/v1/me"))["id"]

    for collection, id in ids.items():
        path = f"/v1/{collection}/{id}"
        for rest in ("?version=1", f"?as_of={moment}", "/history?limit=5", "/diff?from=1&to=1"):
            done(auditor.get(path + rest, headers={"X-Request-Id": "visit-1"}))
        last = records(shop, f"subject={id}")
        name = {"inventory": "inventory"}.get(collection, collection[:-1])
        route = f"GET /v1/{collection}/{{{name}_id}}"
        assert [(one["operation"], one["query"]) for one in last] == [
            (f"{route}/diff", {"from": 1, "to": 1}),
            (f"{route}/history", {"limit": 5}),
            (route, {"as_of": moment}),
            (route, {"version": 1}),
        ]
        whole = {(one["actor"], one["role"], one["request_id"]) for one in last}
        assert whole == {(me, "auditor", "visit-1")}
        assert {one["subject"] for one in last} == {id}


def test_searching_and_looking_at_the_records_is_recorded(shop: Shop) -> None:
    done(shop.get("/v1/audit/search?type=ticket.opened"))
    done(shop.get(ACCESSES))

    second, first = items(shop.get(ACCESSES))

    assert second["operation"] == f"GET {ACCESSES}"
    assert first["operation"] == "GET /v1/audit/search"
    assert first["query"] == {"limit": 50, "type": "ticket.opened"}
    assert first["subject"] is None


def test_what_is_read_now_or_not_read_at_all_is_not_recorded(shop: Shop) -> None:
    ticket, customer = f"/v1/tickets/{shop.ticket()}", f"/v1/customers/{shop.customer()}"

    done(shop.get(ticket))
    done(shop.get(f"{ticket}/parts"))
    done(shop.get("/v1/customers"))
    is_problem(shop.get(f"{customer}?version=9"), 404, "not-found", "/version")
    is_problem(shop.get(f"{customer}/diff?from=2&to=1"), 422, "invalid-fields", "/from")
    is_problem(shop.as_("mechanic").get(f"{customer}/history"), 403, "forbidden")
    is_problem(shop.get("/v1/audit/search?type=x"), 422, "invalid-fields", "/type")

    assert records(shop) == []


def test_a_304_is_an_answer_too(shop: Shop) -> None:
    path = f"/v1/customers/{shop.customer()}?version=1"
    etag = shop.get(path).headers["etag"]

    assert shop.get(path, headers={"If-None-Match": etag}).status_code == 304

    assert len(records(shop)) == 2


def test_records_are_found_by_who_about_whom_and_when(shop: Shop) -> None:
    customer, ticket = shop.customer(), shop.ticket()
    mechanic = shop.as_("mechanic")
    me = done(mechanic.get("/v1/me"))["id"]
    done(shop.get(f"/v1/customers/{customer}/history"))
    done(mechanic.get(f"/v1/tickets/{ticket}/history"))
    done(shop.get(f"/v1/tickets/{ticket}/history"))

    assert [one["subject"] for one in records(shop)] == [ticket, ticket, customer]
    assert [one["role"] for one in records(shop, f"actor={me}")] == ["mechanic"]
    assert len(records(shop, f"subject={ticket}")) == 2
    assert len(records(shop, f"subject={ticket}&actor={me}")) == 1
    last, middle, first = (quote(one["accessed_at"]) for one in records(shop))
    assert len(records(shop, f"from={first}&to={last}")) == 2
    assert len(records(shop, f"subject={ticket}&from={middle}&to={last}")) == 1
    assert records(shop, f"to={first}") == []


def test_records_are_paged_without_gap_or_double(shop: Shop) -> None:
    path = f"/v1/customers/{shop.customer()}?version=1"
    for n in range(7):
        done(shop.get(path, headers={"X-Request-Id": f"visit-{n}"}))

    one_by_one = [r for r in pages(shop, ACCESSES, limit=2) if "accesses" not in r["operation"]]

    assert [one["request_id"] for one in one_by_one] == [f"visit-{n}" for n in range(6, -1, -1)]
    for wrong, field in (("cursor=x", "/cursor"), ("limit=0", "/limit"), ("actor=x", "/actor")):
        is_problem(shop.get(f"{ACCESSES}?{wrong}"), 422, "invalid-fields", field)
    later = "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"
    is_problem(shop.get(f"{ACCESSES}?{later}"), 422, "invalid-fields", "/from")


def test_records_of_one_instant_are_told_apart(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    now = shop.runtime.clock()
    monkeypatch.setattr(shop.runtime.accesses, "_clock", lambda: now)
    path = f"/v1/customers/{shop.customer()}?version=1"
    visits = [f"visit-{n}" for n in range(5)]
    for visit in visits:
        done(shop.get(path, headers={"X-Request-Id": visit}))

    found = [
        r["request_id"] for r in pages(shop, ACCESSES, limit=1) if "accesses" not in r["operation"]
    ]

    assert sorted(found) == visits


@pytest.mark.parametrize("rest", ["?version=1", "/history", "/diff?from=1&to=1"])
def test_what_cannot_be_recorded_is_not_read(shop: Shop, rest: str) -> None:
    path = f"/v1/customers/{shop.customer(name='A Person')}"
    done(shop.get(path + rest))
    with shop.runtime.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE access_records RENAME TO elsewhere")

    for url in (path + rest, "/v1/audit/search"):
        refused = shop.get(url)
        is_problem(refused, 503, "unavailable")
        assert refused.headers["retry-after"]
        assert "A Person" not in refused.text
        assert not {"etag", "link"} & refused.headers.keys()
    done(shop.get(path))


def test_records_are_swept_once_they_are_old_enough(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    accesses, path = shop.runtime.accesses, f"/v1/customers/{shop.customer()}?version=1"
    monkeypatch.setattr("infrastructure.accesses.SWEEP_MAX", 2)
    for _ in range(5):
        done(shop.get(path))
    now = shop.runtime.clock()
    kept = timedelta(days=shop.runtime.settings.access_log_days)

    monkeypatch.setattr(accesses, "_clock", lambda: now + kept - timedelta(hours=1))
    shop.runtime.chores.sweep()
    assert len(records(shop)) == 5
    monkeypatch.setattr(accesses, "_clock", lambda: now + kept + timedelta(hours=1))
    shop.runtime.chores.sweep()
    monkeypatch.undo()

    assert records(shop) == []
