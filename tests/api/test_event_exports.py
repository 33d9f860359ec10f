"""Exports of events: the feed row for row, for whoever may read it, gone on with after a crash."""

from __future__ import annotations

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, update
from sqlalchemy import event as sqlalchemy_event

import api.exports
from domain.account import Role
from infrastructure import exported_events, exporting, exports
from infrastructure.audit_index import audit_index
from infrastructure.event_store.tables import events as event_table
from infrastructure.feed_pages import FeedPages
from projections.spreadsheet import plain
from tests.api.answers import is_problem, items
from tests.api.feed import everything, positions
from tests.api.test_exports import ALL, chunks, made, shown, unheard
from tests.shop import Client, Shop, done

CHUNK = 2000


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pages and chunks of little; not every page fills a chunk."""
    monkeypatch.setattr(exported_events, "PAGE", 3)
    chunked(monkeypatch, CHUNK)


def chunked(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for module in (exports, exporting, api.exports):
        monkeypatch.setattr(module, "CHUNK_BYTES", size)


@pytest.fixture
def full(shop: Shop) -> Shop:
    shop.item(7, name="=A part")
    ticket, mechanic = shop.ticket(), shop.mechanic(phone="555 0100")
    done(shop.patch(f"/v1/mechanics/{mechanic}", json={"phone": "555 0199"}))
    done(shop.delete(f"/v1/tickets/{ticket}?reason=%3DSUM%28%22x%22%29%2C+and+more"))
    shop.as_("auditor"), shop.as_("reporter")
    shop.settle()
    return shop


def asked(client: Client, format: str = "ndjson") -> str:
    wanted = ALL | {"kind": "events", "format": format}
    answer = client.post("/v1/exports", json=wanted)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


def worked_off(shop: Shop) -> None:
    while shop.runtime.exporter.step():
        continue


def lines(client: Client, url: str) -> list[dict[str, Any]]:
    answer = client.get(f"{url}/file")
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.splitlines()]


def stopping_at(shop: Shop, monkeypatch: pytest.MonkeyPatch, page: int) -> list[int]:
    """The worker is gone after it has read so many pages; where the pages begin that it reads."""
    reading, begun = FeedPages.page, list[int]()

    def page_or_end(self: FeedPages, after: Any, *given: Any, **more: Any) -> Any:
        if len(begun) == page:
            raise KeyboardInterrupt
        begun.append(after.position)
        return reading(self, after, *given, **more)

    monkeypatch.setattr(FeedPages, "page", page_or_end)
    return begun


@pytest.mark.parametrize("role", ["admin", "auditor", "reporter"])
def test_lines_are_the_feed_as_the_one_who_asks_reads_it(full: Shop, role: str) -> None:
    client = full if role == "admin" else full.as_(role)
    url = asked(client)
    worked_off(full)

    found = lines(client, url)

    assert found == everything(client, "limit=1000")
    assert len(found) > 8
    state = shown(client, url)
    assert (state["rows_done"], state["rows_total"]) == (len(found), len(found))
    assert state["position"] == full.position()
    named = [event for event in found if event["type"] == "mechanic.hired"]
    assert {event["data"]["phone"] for event in named} == (
        {None} if role == "reporter" else {"555 0100"}
    )


def test_a_table_has_what_the_lines_have(full: Shop) -> None:
    url = asked(full, "csv")
    worked_off(full)

    text = full.get(f"{url}/file").content.decode("utf-8-sig")

    found = list(csv.DictReader(StringIO(text, newline=""), strict=True))
    shown_events = everything(full, "limit=1000")
    assert len(found) == len(shown_events)
    for line, event in zip(found, shown_events, strict=True):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in line.values())
        assert json.loads(line.pop("data")) == event["data"]
        assert int(line.pop("aggregateversion")) == event["aggregateversion"]
        assert line.pop("unreadable") == ""
        assert {name: plain(cell) for name, cell in line.items()} == {
            name: event.get(name, "") for name in line
        }
    assert any("'=SUM" in line["reason"] for line in found)


def test_events_of_other_days_are_not_in_it_though_they_lie_between(full: Shop) -> None:
    others = {2, 5, 6}
    with full.runtime.database.transaction() as connection:
        long_ago = datetime.now(UTC) - timedelta(days=9)
        of_others = update(audit_index).where(audit_index.c.position.in_(others))
        connection.execute(of_others.values(recorded_at=long_ago))
    url = asked(full)
    worked_off(full)

    found = lines(full, url)

    assert positions(found) == [n for n in positions(everything(full)) if n not in others]
    assert shown(full, url)["rows_total"] == len(found)


def test_a_period_without_events_is_an_empty_file(full: Shop) -> None:
    day = {"from": "2020-01-01", "to": "2020-01-01", "kind": "events", "format": "ndjson"}
    url = full.post("/v1/exports", json=day).headers["location"]
    worked_off(full)

    assert lines(full, url) == []


@pytest.mark.parametrize("format", ["ndjson", "csv"])
def test_another_worker_goes_on_where_one_died(
    full: Shop, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    """Whenever it dies: no page behind the mark is read again, and progress never goes back."""
    whole = full.get(f"{made(full, 'events', format)}/file").content
    pages = -(-full.position() // 3)
    for page in range(pages):
        url = asked(full, format)
        told = list[int]()
        with monkeypatch.context() as struck:
            first = stopping_at(full, struck, page)
            with pytest.raises(KeyboardInterrupt):
                full.runtime.exporter.step()
        told.append(shown(full, url)["rows_done"])
        unheard(full)
        with monkeypatch.context() as watched:
            second = stopping_at(full, watched, 1000)
            take = full.runtime.exports.take

            def taken(take: Any = take, told: list[int] = told, url: str = url) -> Any:
                held = take()
                if held is not None:
                    told.append(shown(full, url)["rows_done"])
                return held

            watched.setattr(full.runtime.exports, "take", taken)
            worked_off(full)

        state = shown(full, url)
        assert full.get(f"{url}/file").content == whole
        assert told == sorted([*told, state["rows_done"]])[: len(told)]
        assert second[0] >= told[0]
        assert not set(first[: first.index(second[0])] if second[0] in first else first) & {*second}
        full.delete(url)
    assert second[0] > 0


def test_who_keeps_dying_at_the_same_place_fails_and_who_gets_further_does_not(
    full: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunked(monkeypatch, 500)
    url = asked(full)
    for page in (1, 1, 1, 1):
        with monkeypatch.context() as struck:
            stopping_at(full, struck, page)
            with pytest.raises(KeyboardInterrupt):
                full.runtime.exporter.step()
        unheard(full)
    assert shown(full, url)["failures"] == 0

    for _ in range(3):
        with monkeypatch.context() as struck:
            stopping_at(full, struck, 0)
            if shown(full, url)["failures"] < 2:
                with pytest.raises(KeyboardInterrupt):
                    full.runtime.exporter.step()
            else:
                assert not full.runtime.exporter.step()
        unheard(full)

    assert shown(full, url)["status"] == "failed"


@pytest.mark.parametrize("change", ["role", "end"])
def test_it_fails_for_who_may_not_read_that_any_more(full: Shop, change: str) -> None:
    account = full.account(Role.AUDITOR)
    url = asked(full.as_account(account, "auditor"))
    if change == "role":
        done(full.patch(f"/v1/accounts/{account}", json={"role": "reporter"}))
    else:
        done(full.delete(f"/v1/accounts/{account}"))

    worked_off(full)

    assert shown(full, url)["status"] == "failed"
    assert chunks(full) == 0


def test_whoever_is_erased_is_in_no_file_any_more(full: Shop) -> None:
    customer = full.customer(name="Somebody To Forget", phone="555 0123")
    full.settle()
    reporter = full.as_("reporter")
    named, nobody, tickets = asked(full), asked(reporter), made(full, "tickets", "csv")
    running = asked(full.as_("auditor"))
    worked_off(full)
    assert b"Somebody To Forget" in full.get(f"{named}/file").content
    assert b"Somebody To Forget" not in reporter.get(f"{nobody}/file").content

    done(full.post(f"/v1/customers/{customer}/erase"))

    for url in (named, running):
        is_problem(full.get(f"{url}/file"), 404, "not-found")
    assert reporter.get(f"{nobody}/file").status_code == 200
    assert full.get(f"{tickets}/file").status_code == 200
    full.runtime.chores.sweep()
    kept = sum(-(-shown(full, url)["size"] // CHUNK) for url in (nobody, tickets))
    assert chunks(full) == kept
    full.settle()
    again = asked(full)
    worked_off(full)
    assert b"Somebody To Forget" not in full.get(f"{again}/file").content


def test_what_cannot_be_read_keeps_its_place(full: Shop) -> None:
    with full.runtime.database.transaction() as connection:
        spoilt = update(event_table).where(event_table.c.topic == "ticket.opened")
        connection.execute(spoilt.values(state=b"?"))
    for format in ("ndjson", "csv"):
        url = made(full, "events", format)
        assert shown(full, url)["rows_done"] == full.position()
    rows = list(csv.DictReader(StringIO(full.get(f"{url}/file").content.decode("utf-8-sig"))))
    assert [row["type"] for row in rows if row["unreadable"]] == ["ticket.opened"]


def test_a_feed_that_was_put_back_fails_the_export_that_was_begun(
    full: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = asked(full)
    with monkeypatch.context() as struck:
        stopping_at(full, struck, 5)
        with pytest.raises(KeyboardInterrupt):
            full.runtime.exporter.step()
    unheard(full)
    with full.runtime.database.transaction() as connection:
        connection.execute(update(event_table).values(commit_id=UUID(int=1)))

    worked_off(full)

    assert shown(full, url)["status"] == "failed"


def test_who_asks_for_many_at_once_gets_no_more_than_there_may_be(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has counted before another adds, unless something makes it wait."""
    monkeypatch.setattr(exports, "EXPORTS_MAX", 1)
    wanted = ALL | {"kind": "tickets", "format": "csv"}
    counted = Barrier(2)

    def hold(_: Any, __: Any, statement: str, *___: object) -> None:
        if "count(" in statement and "FROM exports" in statement:
            with suppress(BrokenBarrierError):
                counted.wait(0.5)

    sqlalchemy_event.listen(Engine, "after_cursor_execute", hold)
    try:
        with ThreadPoolExecutor(2) as pool:
            asking = [pool.submit(shop.post, "/v1/exports", json=wanted) for _ in range(2)]
            statuses = sorted(each.result().status_code for each in asking)
    finally:
        sqlalchemy_event.remove(Engine, "after_cursor_execute", hold)

    assert statuses == [202, 409]
    assert len(items(shop.get("/v1/exports"))) == 1
