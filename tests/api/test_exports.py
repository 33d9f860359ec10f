"""Exports: the views row for row at one position, whole or not there, one's own and for a time."""

from __future__ import annotations

import csv
import hashlib
import json
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy import event as sqlalchemy_event

from domain.account import Role
from infrastructure import exporting, exports
from infrastructure.export_tables import chunks as chunk_table
from infrastructure.export_tables import exports as export_table
from infrastructure.exports import Lost
from projections import exported
from projections.spreadsheet import plain
from tests.api.answers import is_problem, items
from tests.shop import Client, Shop, done

TODAY = datetime.now(UTC).date()
ALL = {"from": str(TODAY - timedelta(days=1)), "to": str(TODAY + timedelta(days=1))}
KINDS = ("tickets", "stock_movements", "daily_figures")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pages and chunks of little."""
    monkeypatch.setattr(exported, "PAGE", 2)
    monkeypatch.setattr(exports, "CHUNK_BYTES", 100)
    monkeypatch.setattr(exporting, "CHUNK_BYTES", 100)
    monkeypatch.setattr("api.exports.CHUNK_BYTES", 100)


@pytest.fixture
def full(shop: Shop) -> Shop:
    for n in range(5):
        item = shop.item(10 + n, name="=A part")
        ticket = shop.ticket(description='=SUM("x")\r\nand more', customer_concerns=["a", "b"])
        part = {"inventory_id": item, "quantity": 1 + n}
        done(shop.post(f"/v1/tickets/{ticket}/parts", json=part))
    done(shop.post(f"/v1/tickets/{ticket}/close"))
    shop.settle()
    return shop


def asked(client: Client, kind: str = "tickets", format: str = "ndjson", **sent: Any) -> str:
    answer = client.post("/v1/exports", json=ALL | {"kind": kind, "format": format}, **sent)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/exports/{answer.json['id']}"
    return answer.headers["location"]


def made(shop: Shop, *asking: str) -> str:
    url = asked(shop, *asking)
    while shop.runtime.exporter.step():
        continue
    return url


def shown(client: Client, url: str) -> Any:
    return done(client.get(url))


def views(shop: Shop, kind: str) -> list[dict[str, Any]]:
    """What the API shows of the same."""
    if kind == "tickets":
        return items(shop.get("/v1/tickets?sort=created_at&include=voided&limit=200"))
    if kind == "daily_figures":
        query = f"from={ALL['from']}&to={ALL['to']}"
        return items(shop.get(f"/v1/reports/daily?{query}"))
    found = []
    for item in sorted(str(each["id"]) for each in items(shop.get("/v1/inventory?limit=200"))):
        found += items(shop.get(f"/v1/inventory/{item}/movements"))[::-1]
    return found


def stopping_at(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, page: int, error: BaseException
) -> None:
    """The worker meets `error` when it has written so many pages."""
    progress, seen = shop.runtime.exports.progress, iter(range(page))

    def struck(*given: Any, **more: Any) -> None:
        progress(*given, **more)
        if next(seen, None) is None:
            raise error

    monkeypatch.setattr(shop.runtime.exports, "progress", struck)


def chunks(shop: Shop) -> int:
    with shop.runtime.database.reading() as connection:
        return len(connection.execute(select(chunk_table.c.number)).all())


@pytest.mark.parametrize("kind", KINDS)
def test_lines_equal_the_views_row_for_row(full: Shop, kind: str) -> None:
    url = made(full, kind, "ndjson")

    answer = full.get(f"{url}/file")

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.content.splitlines()] == views(full, kind)
    assert len(views(full, kind)) >= 3
    state = shown(full, url)
    assert (state["status"], state["percent"]) == ("finished", 100)
    assert state["rows_done"] == state["rows_total"] == len(views(full, kind))
    assert state["position"] == full.position()


@pytest.mark.parametrize("kind", KINDS)
def test_tables_equal_the_views_cell_by_cell(full: Shop, kind: str) -> None:
    answer = full.get(f"{made(full, kind, 'csv')}/file")

    text = answer.content.decode("utf-8-sig")
    found = list(csv.DictReader(StringIO(text, newline=""), strict=True))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    for line, body in zip(found, views(full, kind), strict=True):
        for name, cell in line.items():
            match body[name]:
                case None:
                    assert cell == ""
                case str() as value:
                    assert plain(cell) == value
                    assert not cell.startswith("=")
                case value:
                    assert json.loads(cell) == value
        assert list(line) == list(body)


def test_an_export_shows_one_position_though_the_shop_goes_on(
    full: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, position = views(full, "tickets"), full.position()
    begin = full.runtime.exports.begin

    def meanwhile(*given: Any) -> None:
        begin(*given)
        full.ticket()
        full.settle()

    monkeypatch.setattr(full.runtime.exports, "begin", meanwhile)
    url = made(full)

    lines = full.get(f"{url}/file").content.splitlines()
    assert [json.loads(line) for line in lines] == before
    assert shown(full, url)["position"] == position


def test_a_period_has_its_days_and_no_other(full: Shop) -> None:
    yesterday = ALL | {"to": ALL["from"], "kind": "tickets", "format": "ndjson"}
    url = full.post("/v1/exports", json=yesterday).headers["location"]
    full.runtime.exporter.step()

    assert shown(full, url)["rows_total"] == 0
    answer = full.get(f"{url}/file")
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_digest_is_of_the_file(full: Shop) -> None:
    url = made(full)

    answer = full.get(f"{url}/file")

    digest = hashlib.sha256(answer.content)
    told = f"sha-256=:{b64encode(digest.digest()).decode()}:"
    assert answer.headers["repr-digest"] == answer.headers["content-digest"] == told
    assert answer.headers["etag"] == f'"{digest.hexdigest()}"'
    state = shown(full, url)
    assert (state["sha256"], state["size"]) == (digest.hexdigest(), len(answer.content))
    assert answer.headers["content-length"] == str(state["size"])
    assert "attachment" in answer.headers["content-disposition"]
    again = full.get(f"{url}/file", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_parts_of_a_file_are_the_bytes_of_the_whole(full: Shop, subtests: pytest.Subtests) -> None:
    url = f"{made(full)}/file"
    answer = full.get(url)
    whole, etag = answer.content, answer.headers["etag"]
    size = len(whole)
    assert size > 500
    cases = {
        "bytes=0-0": (0, 0),
        "bytes=0-99": (0, 99),
        "bytes=99-100": (99, 100),
        "bytes=150-449": (150, 449),
        "bytes=100-": (100, size - 1),
        f"bytes={size - 1}-99999999": (size - 1, size - 1),
        "bytes=-7": (size - 7, size - 1),
        "bytes=-99999999": (0, size - 1),
    }
    for asked, (first, last) in cases.items():
        with subtests.test(asked):
            part = full.get(url, headers={"Range": asked, "If-Range": etag})
            assert part.status_code == 206
            assert part.content == whole[first : last + 1]
            assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
            assert part.headers["repr-digest"] == answer.headers["repr-digest"]
            assert "content-digest" not in part.headers
    for ignored in ({"Range": "bytes=0-1,3-4"}, {"Range": "lines=1-2"}, {"Range": "bytes=5-2"}):
        assert full.get(url, headers=ignored).content == whole
    other = full.get(url, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole)


def test_a_range_beyond_the_end_is_refused(full: Shop) -> None:
    url = made(full)
    size = shown(full, url)["size"]

    for asked in (f"bytes={size}-", "bytes=-0"):
        answer = full.get(f"{url}/file", headers={"Range": asked})
        is_problem(answer, 416, "range-not-satisfiable")
        assert answer.headers["content-range"] == f"bytes */{size}"


def test_what_is_not_finished_has_no_file(full: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    url = asked(full)
    is_problem(full.get(f"{url}/file"), 409, "refused")
    assert shown(full, url)["status"] == "queued"

    stopping_at(full, monkeypatch, 1, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        full.runtime.exporter.step()

    state = shown(full, url)
    assert (state["status"], state["file"], state["sha256"]) == ("running", None, None)
    assert 0 < state["percent"] < 100
    is_problem(full.get(f"{url}/file"), 409, "refused")


def test_a_worker_that_dies_is_followed_by_one_that_begins_anew(
    full: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = asked(full)
    with monkeypatch.context() as struck:
        stopping_at(full, struck, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            full.runtime.exporter.step()
    assert chunks(full) > 0
    assert not full.runtime.exporter.step(), "it may be at work still"
    full.ticket()
    full.settle()
    unheard(full)

    assert full.runtime.exporter.step()

    lines = full.get(f"{url}/file").content.splitlines()
    assert [json.loads(line) for line in lines] == views(full, "tickets")
    full.runtime.chores.sweep()
    assert chunks(full) == -(-shown(full, url)["size"] // 100)


def unheard(shop: Shop) -> None:
    """Whoever was at work has not been heard of for long."""
    with shop.runtime.database.transaction() as connection:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        connection.execute(update(export_table).values(seen_at=long_ago))


def test_an_export_whose_workers_keep_dying_fails(
    full: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = asked(full)
    stopping_at(full, monkeypatch, 0, KeyboardInterrupt())
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            full.runtime.exporter.step()
        unheard(full)

    assert not full.runtime.exporter.step()
    assert shown(full, url)["status"] == "failed"
    is_problem(full.get(f"{url}/file"), 409, "refused")


def test_an_export_that_keeps_failing_fails(full: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    url = asked(full)
    stopping_at(full, monkeypatch, 0, ValueError("planted"))

    for status in ("queued", "queued", "failed"):
        assert full.runtime.exporter.step()
        assert shown(full, url)["status"] == status
    assert not full.runtime.exporter.step()


def test_who_was_taken_for_dead_cannot_spoil_the_file(full: Shop) -> None:
    url = asked(full)
    slow = full.runtime.exports.take()
    assert slow is not None
    unheard(full)
    assert full.runtime.exporter.step()
    whole = full.get(f"{url}/file").content

    with pytest.raises(Lost):
        full.runtime.exports.progress(slow, 1, [(0, b"stale")])
    with pytest.raises(Lost):
        full.runtime.exports.finish(slow, 1, (0, b"stale"), 5, bytes(32))

    assert full.get(f"{url}/file").content == whole


def test_one_that_is_removed_while_it_runs_is_given_up(
    full: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = asked(full)
    begin = full.runtime.exports.begin

    def removed(*given: Any) -> None:
        begin(*given)
        assert full.delete(url).status_code == 204

    monkeypatch.setattr(full.runtime.exports, "begin", removed)
    assert full.runtime.exporter.step()

    is_problem(full.get(url), 404, "not-found")
    assert not full.runtime.exporter.step()
    assert chunks(full) == 0


def test_what_is_removed_is_gone_with_its_file(full: Shop) -> None:
    url = made(full)

    assert full.delete(url).status_code == 204

    for gone in (full.get(url), full.get(f"{url}/file"), full.delete(url)):
        is_problem(gone, 404, "not-found")
    assert chunks(full) == 0


def test_exports_expire(full: Shop) -> None:
    url, other = made(full), made(full)
    with full.runtime.database.transaction() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        this = export_table.c.id == UUID(url.rpartition("/")[2])
        connection.execute(update(export_table).where(this).values(expires_at=past))

    is_problem(full.get(f"{url}/file"), 404, "not-found")
    assert [each["id"] for each in items(full.get("/v1/exports"))] == [other.rpartition("/")[2]]
    before = chunks(full)
    full.runtime.chores.sweep()

    assert chunks(full) == before // 2
    assert full.get(f"{other}/file").status_code == 200


def test_the_same_key_asks_for_one_export(full: Shop) -> None:
    url = asked(full, key="once")

    assert asked(full, key="once") == url
    assert asked(full.as_("auditor"), key="once") != url
    is_problem(
        full.post("/v1/exports", json=ALL | {"kind": "tickets", "format": "csv"}, key="once"),
        422,
        "key-reused",
    )
    assert asked(full, key="twice") != url


def test_the_same_key_at_once_asks_for_one_export_though_it_is_the_last_there_may_be(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has looked for the key before another adds, unless something makes it wait."""
    monkeypatch.setattr(exports, "EXPORTS_MAX", 1)
    looked = Barrier(2)

    def hold(_: Any, __: Any, statement: str, *___: object) -> None:
        if "FROM exports" in statement and "idempotency_key =" in statement:
            with suppress(BrokenBarrierError):
                looked.wait(0.5)

    sqlalchemy_event.listen(Engine, "after_cursor_execute", hold)
    try:
        with ThreadPoolExecutor(2) as pool:
            urls = list(pool.map(lambda _: asked(shop, key="once"), range(2)))
    finally:
        sqlalchemy_event.remove(Engine, "after_cursor_execute", hold)

    assert len(set(urls)) == 1


def test_an_account_has_so_many_exports(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "EXPORTS_MAX", 2)
    first = [asked(shop), asked(shop)][0]

    wanted = ALL | {"kind": "tickets", "format": "csv"}
    is_problem(shop.post("/v1/exports", json=wanted), 409, "refused")

    asked(shop.as_("auditor"))
    shop.delete(first)
    asked(shop)


def test_exports_are_their_owners_and_the_admins(full: Shop) -> None:
    auditor, reporter = full.as_("auditor"), full.as_("reporter")
    url = asked(auditor)
    full.runtime.exporter.step()

    assert items(auditor.get("/v1/exports"))
    assert items(full.get("/v1/exports"))
    assert items(reporter.get("/v1/exports")) == []
    for path, method in ((url, "GET"), (f"{url}/file", "GET"), (url, "DELETE")):
        is_problem(reporter.request(method, path), 404, "not-found")
    assert full.get(f"{url}/file").content == auditor.get(f"{url}/file").content
    assert auditor.delete(url).status_code == 204


def test_an_export_ends_with_the_role_it_was_made_in(full: Shop) -> None:
    account = full.account(Role.AUDITOR)
    url = asked(full.as_account(account, "auditor"))
    full.runtime.exporter.step()
    done(full.patch(f"/v1/accounts/{account}", json={"role": "reporter"}))

    era = full.runtime.sessions.standing(UUID(account)).era
    full.runtime.sessions._standings.clear()
    reporter = full.with_access_token(full._tokens.issue(UUID(account), Role.REPORTER, era))

    assert reporter.get("/v1/exports").json["items"] == []
    is_problem(reporter.get(f"{url}/file"), 404, "not-found")


@pytest.mark.parametrize("role", ["mechanic", "customer"])
def test_others_make_no_exports(shop: Shop, role: str) -> None:
    wanted = ALL | {"kind": "tickets", "format": "csv"}

    is_problem(shop.as_(role).post("/v1/exports", json=wanted), 403, "forbidden")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/from", "/to", "/kind", "/format"]),
        (
            {"kind": "people", "format": "pdf", "from": 1, "to": "x", "more": 1},
            ["/from", "/to", "/kind", "/format", "/more"],
        ),
        ({"kind": "tickets", "format": "csv", "from": "2026-03-02", "to": "2026-03-01"}, ["/to"]),
        (
            {"kind": "tickets", "format": "csv", "from": "0001-01-01", "to": "9999-01-01"},
            ["/from", "/to"],
        ),
        ({"kind": "tickets", "format": "csv", "from": "2000-01-01", "to": "2026-01-01"}, ["/to"]),
    ],
)
def test_every_wrong_field_is_named(shop: Shop, body: dict[str, Any], pointers: list[str]) -> None:
    is_problem(shop.post("/v1/exports", json=body), 422, "invalid-fields", *pointers)


def test_there_is_no_export_that_nobody_asked_for(shop: Shop) -> None:
    is_problem(shop.get(f"/v1/exports/{uuid4()}"), 404, "not-found")


def test_nobody_personal_is_in_a_file(shop: Shop) -> None:
    customer = shop.customer(
        name="Somebody Special", email="special@shop.example", phone="555 0123"
    )
    shop.ticket(customer)
    shop.settle()

    for kind in KINDS:
        file = shop.get(f"{made(shop, kind)}/file").content
        assert not any(told in file for told in (b"Special", b"special@", b"555 0123"))
