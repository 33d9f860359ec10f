"""Named consumers: nobody falls out of the feed, and nobody goes on in another one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

from domain.account import Role
from infrastructure import consumers as stored
from tests.api.answers import is_problem, items
from tests.api.feed import Backup, positions, read, types
from tests.infrastructure.event_store.records import counted_statements
from tests.shop import Client, Shop, done


@pytest.fixture
def busy(shop: Shop) -> Shop:
    for _ in range(4):
        shop.item(3)
    shop.position()
    return shop


def put(client: Client, name: str, **filter: Any) -> dict[str, Any]:
    shown: dict[str, Any] = done(client.put(f"/v1/consumers/{name}", json=filter))
    return shown


def batch(client: Client, name: str, query: str = "limit=5") -> tuple[list[dict[str, Any]], str]:
    answer = client.get(f"/v1/consumers/{name}/events?{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json, answer.headers["feed-cursor"]


def commit(client: Client, name: str, expected: str, cursor: str) -> dict[str, Any]:
    body = {"expected": expected, "cursor": cursor}
    shown: dict[str, Any] = done(client.put(f"/v1/consumers/{name}/cursor", json=body))
    return shown


def test_a_batch_comes_again_until_it_is_committed(busy: Shop) -> None:
    known = put(busy, "report")["cursor"]
    first, cursor = batch(busy, "report")

    assert batch(busy, "report") == (first, cursor)
    commit(busy, "report", known, cursor)

    second, _ = batch(busy, "report")
    assert positions(first) == [1, 2, 3, 4, 5]
    assert positions(second) == [6, 7, 8, 9, 10]


def test_a_consumer_reads_everything_once_if_it_commits(busy: Shop) -> None:
    known, got = put(busy, "report", aggregates=["inventory"])["cursor"], list[dict[str, Any]]()
    while True:
        page, cursor = batch(busy, "report", "limit=3")
        got += page
        if commit(busy, "report", known, cursor)["lag_events"] == 0:
            break
        known = cursor

    whole, _ = read(busy, "aggregate=inventory&limit=1000")
    assert got == whole


def test_a_consumer_is_made_once_and_then_changed(busy: Shop) -> None:
    answer = busy.put("/v1/consumers/report", json={"aggregates": ["inventory"]})
    assert (answer.status_code, answer.json["position"]) == (201, 0)
    _, cursor = batch(busy, "report")
    commit(busy, "report", "beginning", cursor)

    answer = busy.put("/v1/consumers/report", json={"types": ["claim.taken"], "start": "latest"})

    assert answer.status_code == 200
    assert (answer.json["types"], answer.json["aggregates"]) == (["claim.taken"], [])
    assert answer.json["cursor"] == cursor
    assert set(types(batch(busy, "report")[0])) == {"claim.taken"}


def test_a_consumer_may_begin_anywhere(busy: Shop) -> None:
    _, cursor = read(busy, "limit=4")

    assert put(busy, "late", start="latest")["lag_events"] == 0
    assert put(busy, "middle", start=cursor)["position"] == 4
    assert positions(batch(busy, "middle")[0])[0] == 5


def test_the_lag_is_what_lies_behind_the_cursor(busy: Shop) -> None:
    head = busy.position()
    put(busy, "new")
    put(busy, "done", start="latest")
    oldest = busy.runtime.feed.read(0, 1)[0].recorded_at

    with counted_statements() as statements:
        listed = {item["name"]: item for item in items(busy.get("/v1/consumers"))}

    assert list(listed) == ["done", "new"]
    assert (listed["done"]["lag_events"], listed["done"]["lag_seconds"]) == (0, 0)
    assert listed["new"]["lag_events"] == head
    waited = (busy.runtime.clock() - oldest).total_seconds()
    assert 0 < float(str(listed["new"]["lag_seconds"])) <= waited
    assert len(statements) <= 3


def test_two_processes_do_not_undo_each_other(busy: Shop) -> None:
    put(busy, "report")
    _, first = batch(busy, "report", "limit=2")
    _, further = batch(busy, "report", "limit=4")
    commit(busy, "report", "beginning", further)

    body = {"expected": "beginning", "cursor": first}
    is_problem(busy.put("/v1/consumers/report/cursor", json=body), 409, "cursor-moved")

    assert done(busy.get("/v1/consumers/report"))["cursor"] == further
    answer = busy.get("/v1/consumers/report/events?expected=beginning")
    is_problem(answer, 409, "cursor-moved")
    assert positions(batch(busy, "report", f"expected={further}")[0])[0] == 5


def test_of_many_that_commit_at_once_one_moves_the_cursor(busy: Shop) -> None:
    put(busy, "report")
    cursors = [batch(busy, "report", f"limit={n}")[1] for n in range(1, 9)]

    def move(cursor: str) -> int:
        body = {"expected": "beginning", "cursor": cursor}
        return busy.put("/v1/consumers/report/cursor", json=body).status_code

    with ThreadPoolExecutor(len(cursors)) as pool:
        codes = list(pool.map(move, cursors))

    assert sorted(codes) == [200] + [409] * (len(cursors) - 1)
    assert done(busy.get("/v1/consumers/report"))["cursor"] == cursors[codes.index(200)]


def test_of_many_that_create_at_once_one_does(busy: Shop) -> None:
    def create(_: int) -> int:
        return busy.put("/v1/consumers/report", json={}).status_code

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(create, range(6)))

    assert sorted(codes) == [200] * 5 + [201]


def test_who_creates_many_at_once_gets_no_more_than_there_may_be(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has counted before another adds, unless something makes it wait."""
    monkeypatch.setattr(stored, "CONSUMERS_MAX", 1)
    counted = Barrier(2)

    def hold(_: Any, __: Any, statement: str, *___: object) -> None:
        if "count(" in statement and "FROM consumers" in statement:
            with suppress(BrokenBarrierError):
                counted.wait(0.5)

    sqlalchemy_event.listen(Engine, "after_cursor_execute", hold)
    try:
        with ThreadPoolExecutor(2) as pool:
            paths = ["/v1/consumers/one", "/v1/consumers/two"]
            asking = [pool.submit(shop.put, path, json={}) for path in paths]
            statuses = sorted(each.result().status_code for each in asking)
    finally:
        sqlalchemy_event.remove(Engine, "after_cursor_execute", hold)

    assert statuses == [201, 409]
    assert len(items(shop.get("/v1/consumers"))) == 1


def test_a_commit_that_is_repeated_is_done(busy: Shop) -> None:
    put(busy, "report")
    _, cursor = batch(busy, "report")

    first = commit(busy, "report", "beginning", cursor)
    again = commit(busy, "report", "beginning", cursor)

    assert (first["cursor"], again["cursor"], again["rewinds"]) == (cursor, cursor, [])


def test_going_back_is_allowed_and_recorded(busy: Shop) -> None:
    put(busy, "report")
    page, cursor = batch(busy, "report")
    assert commit(busy, "report", "beginning", cursor)["rewinds"] == []

    shown = commit(busy, "report", cursor, "beginning")

    (rewind,) = shown["rewinds"]
    assert (rewind["from_position"], rewind["to_position"]) == (5, 0)
    assert rewind["account_id"] == busy.admin_id
    assert datetime.fromisoformat(rewind["rewound_at"]).tzinfo is not None
    assert batch(busy, "report")[0] == page
    assert done(busy.get("/v1/consumers/report")) | {"lag_seconds": 0} == shown | {"lag_seconds": 0}


def test_a_deleted_consumer_is_gone_with_what_it_left(busy: Shop) -> None:
    put(busy, "report")
    _, cursor = batch(busy, "report")
    commit(busy, "report", "beginning", cursor)
    commit(busy, "report", cursor, "beginning")

    assert busy.delete("/v1/consumers/report").status_code == 204

    is_problem(busy.get("/v1/consumers/report"), 404, "not-found")
    is_problem(busy.delete("/v1/consumers/report"), 404, "not-found")
    assert put(busy, "report")["rewinds"] == []


def test_consumers_are_their_accounts_own(busy: Shop) -> None:
    auditor, reporter = busy.as_("auditor"), busy.as_("reporter")
    put(auditor, "audit")
    put(busy, "admins")

    assert [item["name"] for item in items(auditor.get("/v1/consumers"))] == ["audit"]
    assert items(reporter.get("/v1/consumers")) == []
    assert [item["name"] for item in items(busy.get("/v1/consumers"))] == ["admins", "audit"]
    body = {"expected": "beginning", "cursor": "beginning"}
    for answer in (
        reporter.get("/v1/consumers/audit"),
        reporter.delete("/v1/consumers/audit"),
        reporter.get("/v1/consumers/audit/events"),
        reporter.put("/v1/consumers/audit/cursor", json=body),
        auditor.get("/v1/consumers/admins"),
    ):
        is_problem(answer, 404, "not-found")
    is_problem(reporter.put("/v1/consumers/audit", json={}), 409, "taken", "/consumer")
    done(busy.put("/v1/consumers/audit", json={"types": ["claim.taken"]}))
    owner = done(auditor.get("/v1/consumers/audit"))
    assert owner["types"] == ["claim.taken"]
    assert owner["account_id"] != busy.admin_id


def test_a_consumer_gets_what_its_account_may_read_now(busy: Shop) -> None:
    account = busy.account(Role.AUDITOR)
    client = busy.as_account(account, "auditor")
    put(client, "audit", aggregates=["claim"])
    put(client, "all")
    assert batch(client, "audit")[0]
    is_problem(
        busy.as_("reporter").put("/v1/consumers/r", json={"aggregates": ["claim"]}),
        403,
        "forbidden",
    )

    done(busy.patch(f"/v1/accounts/{account}", json={"role": "reporter"}))
    busy.runtime.sessions._standings.clear()
    # The token of the role it had has ended.
    is_problem(client.get("/v1/consumers/all/events"), 401, "unauthorized")
    client = busy.with_access_token(busy._tokens.issue(UUID(account), Role.REPORTER, era=1))

    is_problem(client.get("/v1/consumers/audit/events"), 403, "forbidden")
    shown = types(batch(client, "all", "limit=1000")[0])
    assert {type.partition(".")[0] for type in shown} == {"inventory"}
    done(busy.delete(f"/v1/accounts/{account}"))
    busy.runtime.sessions._standings.clear()
    is_problem(client.get("/v1/consumers/all/events"), 401, "unauthorized")


def test_a_consumer_has_a_plain_name(shop: Shop, subtests: pytest.Subtests) -> None:
    for name in ("A", "-a", "a b", "a" * 65, "%C3%A4", ".."):
        with subtests.test(name):
            answer = shop.put(f"/v1/consumers/{name}", json={})
            is_problem(answer, 422, "invalid-fields", "/consumer")
            is_problem(shop.get(f"/v1/consumers/{name}"), 404, "not-found")


WRONG: list[tuple[str, str, dict[str, Any] | None, list[str]]] = [
    ("PUT", "", {"types": ["x"]}, ["/types"]),
    ("PUT", "", {"aggregates": ["x"], "types": ["y"]}, ["/aggregates", "/types"]),
    ("PUT", "", {"types": "ticket.opened"}, ["/types"]),
    ("PUT", "", {"start": "nonsense"}, ["/start"]),
    ("PUT", "", {"colour": "red"}, ["/colour"]),
    ("PUT", "/cursor", {}, ["/cursor", "/expected"]),
    ("PUT", "/cursor", {"cursor": "x", "expected": "beginning"}, ["/cursor"]),
    ("PUT", "/cursor", {"cursor": "beginning", "expected": "x"}, ["/expected"]),
    ("GET", "/events?limit=0", None, ["/limit"]),
    ("GET", "/events?expected=x", None, ["/expected"]),
    ("GET", "/events?type=ticket.opened", None, ["/type"]),
    ("GET", "?limit=1", None, ["/limit"]),
]


def test_what_is_wrong_is_named(shop: Shop, subtests: pytest.Subtests) -> None:
    put(shop, "report")

    for method, path, body, pointers in WRONG:
        with subtests.test(f"{method} {path} {body}"):
            sent: dict[str, Any] = {} if body is None else {"json": body}
            answer = shop.request(method, f"/v1/consumers/report{path}", **sent)
            is_problem(answer, 422, "invalid-fields", *pointers)


def test_an_account_has_only_so_many(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "CONSUMERS_MAX", 2)
    put(shop, "one"), put(shop, "two")

    is_problem(shop.put("/v1/consumers/three", json={}), 409, "refused")
    put(shop, "one", types=["claim.taken"])
    put(shop.as_("auditor"), "three")


def test_a_consumer_of_a_feed_that_is_no_more_is_told_so(busy: Shop) -> None:
    put(busy, "report")
    _, early = batch(busy, "report", "limit=3")
    backup = Backup(busy.runtime.database)
    busy.item(3)
    head = busy.position()
    _, cursor = batch(busy, "report", "limit=1000")
    commit(busy, "report", "beginning", cursor)

    backup.put_back()
    for _ in range(2):
        is_problem(busy.get("/v1/consumers/report/events"), 409, "feed-fork")
        body = {"expected": early, "cursor": cursor}
        is_problem(busy.put("/v1/consumers/report/cursor", json=body), 409, "feed-fork")
        while busy.position() <= head:
            busy.item(3)

    assert done(busy.get("/v1/consumers/report"))["position"] == head
    (rewind,) = commit(busy, "report", cursor, early)["rewinds"]
    assert (rewind["from_position"], rewind["to_position"]) == (head, 3)
    assert positions(batch(busy, "report")[0])[0] == 4


def test_a_consumer_put_back_with_the_backup_finds_out_by_what_it_expects(busy: Shop) -> None:
    """Its cursor was put back as well, so the shop alone would not notice."""
    put(busy, "report")
    backup = Backup(busy.runtime.database)
    busy.item(3)
    busy.position()
    _, theirs = batch(busy, "report", "limit=1000")
    backup.put_back()
    busy.item(3)
    busy.position()

    answer = busy.get(f"/v1/consumers/report/events?expected={theirs}")

    is_problem(answer, 409, "feed-fork")


def test_what_waits_for_sequencing_is_not_lag(busy: Shop) -> None:
    put(busy, "report", start="latest")
    head = busy.runtime.feed.position()

    busy.item(3)

    shown = done(busy.get("/v1/consumers/report"))
    sequenced = busy.runtime.feed.position() - head
    assert shown["lag_events"] == sequenced


def test_a_consumer_may_wait_for_its_next_batch(busy: Shop) -> None:
    put(busy, "report", start="latest")
    busy.runtime.tailer.close_when(lambda: True)

    answer = busy.get("/v1/consumers/report/events", headers={"Prefer": "wait=3"})

    assert (answer.json, answer.headers["preference-applied"]) == ([], "wait=3")
