"""The feed in pages: every event once, in order, for those who may read it."""

from __future__ import annotations

import re
import shutil
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import get_args
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import delete, update

from domain.account import Role
from domain.events import AnyEvent
from infrastructure import feed_pages
from infrastructure.database import Database
from infrastructure.event_store.keyring import KeyRing
from infrastructure.event_store.tables import events as event_table
from infrastructure.event_store.tables import feed as feed_table
from infrastructure.feed_cursors import BEGINNING, FeedCursors
from infrastructure.feed_views import PERSONAL, TAGS
from infrastructure.runtime import open_runtime
from tests.api.answers import is_problem
from tests.api.feed import BATCH, LINES, Backup, everything, positions, read, types
from tests.infrastructure.event_store.records import counted_statements
from tests.shop import Shop, done

FOR_REPORTERS = {"ticket", "inventory", "vehicle", "mechanic"}


@pytest.fixture
def busy(shop: Shop) -> Shop:
    """A shop in which something of everything happened."""
    ticket, item, mechanic = shop.ticket(), shop.item(), shop.mechanic(phone="555 0100")
    done(shop.post(f"/v1/tickets/{ticket}/parts", json={"inventory_id": item, "quantity": 2}))
    done(shop.patch(f"/v1/mechanics/{mechanic}", json={"phone": "555 0199"}))
    done(shop.post(f"/v1/tickets/{ticket}/close"))
    shop.as_("auditor"), shop.as_("reporter")
    shop.position()
    return shop


def test_every_event_is_there_once_and_in_order(busy: Shop) -> None:
    shown = everything(busy, "limit=3")

    stored = busy.runtime.feed.read(0, 1000)
    assert [(e["sequence"], e["id"], e["type"]) for e in shown] == [
        (f"{e.position:019}", f"{e.originator_id}.{e.originator_version}", e.topic) for e in stored
    ]
    assert positions(shown) == list(range(1, len(stored) + 1))
    assert len({event["id"] for event in shown}) == len(shown)


def test_an_event_is_a_cloud_event(busy: Shop) -> None:
    for event in everything(busy):
        assert {"specversion", "id", "source", "type"} <= event.keys()
        assert event["specversion"] == "1.0"
        assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)
        assert None not in event.values()
        kind, _, id = event["subject"].partition("/")
        assert event["type"].startswith(f"{kind}.")
        assert str(UUID(id)) == id
        assert datetime.fromisoformat(event["time"]).tzinfo is not None
        assert event["datacontenttype"] == "application/json"
        assert event["source"].startswith("urn:uuid:")
        assert event["data"]["type"] == event["type"]
        assert event["correlationid"]


def test_the_data_is_what_was_recorded(busy: Shop) -> None:
    recorded = busy.runtime.feed.decode(busy.runtime.feed.read(0, 1000))

    for event, fact in zip(everything(busy), recorded, strict=True):
        assert msgspec.convert(event["data"], type(fact.event)) == fact.event
        assert event["aggregateversion"] == fact.originator_version
        assert event.get("actor") == (str(fact.actor) if fact.actor else None)
        assert (event["role"], event["command"]) == (fact.role, fact.command)
        assert event.get("reason") == fact.reason
        assert datetime.fromisoformat(event["time"]) == fact.recorded_at


def test_the_link_leads_to_the_next_page(busy: Shop) -> None:
    answer = busy.get("/v1/events?limit=2&aggregate=inventory")
    link = re.fullmatch('<(.*)>; rel="next"', answer.headers["link"])

    assert link is not None
    following = busy.get(link[1])
    assert positions(following.json) > positions(answer.json)
    assert set(types(following.json)) <= {"inventory.issued"}


def test_one_may_begin_with_what_comes(busy: Shop) -> None:
    page, cursor = read(busy, "after=latest")
    assert page == []
    busy.item(0)
    busy.position()

    page, _ = read(busy, f"after={cursor}")

    assert types(page) == ["inventory.item-added", "claim.taken"]


def test_a_span_ends_where_it_should(busy: Shop) -> None:
    _, first = read(busy, "limit=4")
    _, second = read(busy, f"after={first}&limit=5")

    page, end = read(busy, f"after={first}&until={second}")

    assert positions(page) == [5, 6, 7, 8, 9]
    assert end == second
    page, _ = read(busy, f"after={second}&until={first}")
    assert page == []


WRONG = {
    "limit=0": ["/limit"],
    "limit=1001": ["/limit"],
    "limit=ten": ["/limit"],
    "type=ticket.exploded": ["/type"],
    "aggregate=boat": ["/aggregate"],
    "type=x&aggregate=y": ["/type", "/aggregate"],
    "type=": ["/type"],
    "type=ticket.opened,": ["/type"],
    "after=nonsense": ["/after"],
    "after=": ["/after"],
    "after=%E2%82%AC": ["/after"],
    "after=" + "A" * 88: ["/after"],
    "after=" + "x" * 201: ["/after"],
    "until=nonsense": ["/until"],
    "colour=red&limit=0": ["/colour", "/limit"],
}


def test_what_is_wrong_is_named(shop: Shop, subtests: pytest.Subtests) -> None:
    for query, pointers in WRONG.items():
        with subtests.test(query):
            is_problem(shop.get(f"/v1/events?{query}"), 422, "invalid-fields", *pointers)


def test_no_cursor_can_be_made_up_or_altered(busy: Shop, subtests: pytest.Subtests) -> None:
    _, cursor = read(busy, "limit=5")

    for place in range(12, len(cursor)):
        altered = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        with subtests.test(altered):
            is_problem(busy.get(f"/v1/events?after={altered}"), 422, "invalid-fields", "/after")
    for odd in (cursor + "=", cursor + "A", cursor[:-1]):
        is_problem(busy.get(f"/v1/events?after={odd}"), 422, "invalid-fields", "/after")


def test_who_reads_which_aggregate(busy: Shop, subtests: pytest.Subtests) -> None:
    for aggregate in sorted({tag.partition(".")[0] for tag in TAGS}):
        tags = [tag for tag in TAGS if tag.startswith(f"{aggregate}.")]
        for role, query in product(Role, (f"aggregate={aggregate}", f"type={','.join(tags)}")):
            with subtests.test(f"{role} {query}"):
                answer = busy.as_(role).get(f"/v1/events?{query}")
                if role in ("admin", "auditor") or (
                    role == "reporter" and aggregate in FOR_REPORTERS
                ):
                    assert answer.json
                    assert set(types(answer.json)) <= set(tags)
                else:
                    is_problem(answer, 403, "forbidden")


def test_types_and_aggregates_add_up(busy: Shop) -> None:
    page = everything(busy, "type=ticket.opened,ticket.closed&aggregate=mechanic")

    assert set(types(page)) == {
        *("ticket.opened", "ticket.closed"),
        *("mechanic.hired", "mechanic.details-changed"),
    }
    assert positions(page) == sorted(positions(page))


def test_reporters_read_what_concerns_them_and_nothing_personal(busy: Shop) -> None:
    shown = everything(busy.as_("reporter"), "limit=4")

    everybody = everything(busy, "limit=1000")
    theirs = [e for e in everybody if e["type"].partition(".")[0] in FOR_REPORTERS]
    assert [e["id"] for e in shown] == [e["id"] for e in theirs]
    for ours, one in zip(theirs, shown, strict=True):
        if one["type"] in PERSONAL:
            for name in ("name", "email", "phone", "address"):
                assert one["data"][name] is None
            assert ours["data"]["name"] == "A Mechanic"
            assert one["data"]["labor_rate_cents"] == ours["data"]["labor_rate_cents"]
        else:
            assert one == ours
    assert PERSONAL & set(types(shown))


def test_an_erased_person_is_nobody_in_the_feed(shop: Shop) -> None:
    customer = shop.customer(name="Somebody To Forget", phone="555 0123")
    shop.position()
    before, _ = read(shop, "type=customer.registered")
    done(shop.post(f"/v1/customers/{customer}/erase"))
    shop.position()

    for client in (shop, shop.as_("auditor")):
        (registered,) = everything(client, "type=customer.registered")
        assert (registered["data"]["name"], registered["data"]["phone"]) == (None, None)
        assert registered["id"] == before[0]["id"]
    assert before[0]["data"]["name"] == "Somebody To Forget"
    assert types(everything(shop, "aggregate=customer"))[-1] == "customer.erased"


def test_a_filter_that_fits_little_gets_on_all_the_same(
    busy: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_pages, "SCAN_MAX", 3)
    head = busy.position()
    cursor, cursors, found = "beginning", list[str](), list[str]()
    for _ in range(-(-head // 3)):
        page, cursor = read(busy, f"type=ticket.closed&after={cursor}")
        cursors.append(cursor)
        found += types(page)

    assert found == ["ticket.closed"]
    assert len(set(cursors)) == -(-head // 3)


def test_a_page_costs_few_statements_however_long_it_is(busy: Shop) -> None:
    read(busy, "limit=1000")

    for query, most in (("limit=1", 3), ("limit=1000", 4), ("aggregate=ticket&limit=1000", 2)):
        with counted_statements() as statements:
            read(busy, query)
        # A page with personal fields looks for the keys, all of them at once.
        assert len([s for s in statements if "select" in s.lower()]) <= most


def test_a_filter_looks_further_until_a_page_is_full(busy: Shop) -> None:
    """Each look goes twice as far as the one before, and no event is lost where two meet."""
    everybody = everything(busy, "limit=1000")
    for aggregate in ("ticket", "inventory", "mechanic", "vehicle"):
        theirs = [e for e in everybody if e["subject"].startswith(f"{aggregate}/")]
        for limit in (1, 2, 3):
            assert everything(busy, f"aggregate={aggregate}&limit={limit}") == theirs

    with counted_statements() as statements:
        page, _ = read(busy, "type=ticket.closed&limit=1")
    assert types(page) == ["ticket.closed"]
    looks = [s for s in statements if "e.topic IN" in s]
    assert 1 < len(looks) <= 6


def test_a_page_is_the_same_where_the_server_does_not_give_it_as_one_row(busy: Shop) -> None:
    """What is missing may be states alone, or places as well."""
    database, pages = busy.runtime.database, busy.runtime.feed_pages
    topics = frozenset(tag for tag in TAGS if tag.startswith("ticket."))
    with counted_statements() as statements:
        questions = ((3, None), (1000, None), (1000, topics))
        wholes = [pages.page(BEGINNING, limit, topics=which) for limit, which in questions]
    assert any("ORDER BY" in s for s in statements) != database.is_mysql
    for (limit, which), whole in zip(questions, wholes, strict=True):
        with counted_statements() as statements, database.snapshot() as connection:
            if database.is_mysql:
                connection.exec_driver_sql("SET SESSION group_concat_max_len = 700")
            assert pages.page(BEGINNING, limit, topics=which) == whole
        packed = [s for s in statements if "GROUP_CONCAT" in s]
        assert bool(packed) == database.is_mysql
        assert any("ORDER BY f.position" in s for s in statements)


def test_a_full_page_of_the_past_is_kept_for_ever(busy: Shop) -> None:
    query = "/v1/events?aggregate=inventory&limit=2"
    first = busy.get(query)
    known = {"If-None-Match": first.headers["etag"]}

    assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert first.headers["vary"] == "Authorization, Accept"
    again = busy.get(query, headers=known)
    assert (again.status_code, again.text) == (304, "")
    assert again.headers["feed-cursor"] == first.headers["feed-cursor"]
    busy.item()
    busy.position()
    assert busy.get(query).text == first.text
    assert busy.get(query, headers=known).status_code == 304


def test_an_etag_is_that_of_one_question(busy: Shop) -> None:
    known = {"If-None-Match": busy.get("/v1/events?aggregate=inventory&limit=2").headers["etag"]}

    for other in ("aggregate=inventory&limit=1", "aggregate=ticket&limit=2"):
        assert busy.get(f"/v1/events?{other}", headers=known).status_code == 200
    theirs = busy.as_("reporter").get("/v1/events?aggregate=inventory&limit=2", headers=known)
    assert theirs.status_code == 200
    lines = {**known, "Accept": LINES}
    path = "/v1/events?aggregate=inventory&limit=2"
    assert busy.get(path, headers=lines).status_code == 200
    odd = {"If-None-Match": '"x.0123456789abcdef", W/"y", *'}
    assert busy.get(path, headers=odd).status_code == 200


def test_what_may_change_or_must_be_forgotten_is_not_kept(busy: Shop) -> None:
    latest = "aggregate=ticket&until=latest"
    for query in ("", "aggregate=ticket", "aggregate=mechanic&limit=1", "limit=1", latest):
        answer = busy.get(f"/v1/events?{query}")
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
    hidden = busy.as_("reporter").get("/v1/events?aggregate=mechanic&limit=1")
    assert "immutable" in hidden.headers["cache-control"]


def test_a_restored_feed_is_noticed(busy: Shop) -> None:
    backup = Backup(busy.runtime.database)
    _, old = read(busy, "limit=1000")
    busy.item(3)
    head = busy.position()
    page, cursor = read(busy, f"after={old}")
    assert page

    backup.put_back()

    is_problem(busy.get(f"/v1/events?after={cursor}"), 409, "feed-fork")
    is_problem(busy.get(f"/v1/events?until={cursor}"), 409, "feed-fork")
    assert read(busy, f"after={old}") == ([], old)
    # It grows past the cursor with other events.
    while busy.position() <= head:
        busy.item(3)
    is_problem(busy.get(f"/v1/events?after={cursor}"), 409, "feed-fork")
    is_problem(busy.get(f"/v1/events?after={cursor}&aggregate=ticket"), 409, "feed-fork")
    page, _ = read(busy, f"after={old}")
    assert positions(page)[0] == positions(everything(busy))[-1] - len(page) + 1


def test_a_restored_feed_with_the_same_aggregates_and_versions_is_noticed(shop: Shop) -> None:
    item = shop.item(0)
    shop.position()
    backup = Backup(shop.runtime.database)
    for quantity in (1, 2):
        done(shop.post(f"/v1/inventory/{item}/receipts", json={"quantity": quantity}))
        shop.position()
        page, cursor = read(shop, "aggregate=inventory&limit=1000")
        if quantity == 1:
            mirror, theirs = page, cursor
            backup.put_back()

    assert [event["id"] for event in page] == [event["id"] for event in mirror]
    assert page != mirror
    is_problem(shop.get(f"/v1/events?after={theirs}"), 409, "feed-fork")


def test_a_page_that_is_no_more_is_not_said_to_be_unchanged(busy: Shop) -> None:
    backup = Backup(busy.runtime.database)
    _, old = read(busy, "limit=1000")
    busy.item(3), busy.item(3)
    busy.position()
    query = f"/v1/events?aggregate=inventory&limit=2&after={old}"
    known = {"If-None-Match": busy.get(query).headers["etag"]}
    assert busy.get(query, headers=known).status_code == 304

    backup.put_back()

    assert busy.get(query, headers=known).status_code == 200


def test_the_cursor_of_another_shop_is_of_another_feed(
    busy: Shop, migrated_sqlite: Path, tmp_path: Path
) -> None:
    _, cursor = read(busy, "limit=5")
    other = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'other.db')}")
    foreign = FeedCursors(KeyRing(other, busy.runtime.settings.master_keys))
    theirs = foreign.text(busy.runtime.feed_cursors.read(cursor))
    other.close()

    is_problem(busy.get(f"/v1/events?after={theirs}"), 409, "feed-fork")
    assert positions(read(busy, f"after={cursor}")[0])[0] == 6


def test_a_cursor_outlives_the_process(busy: Shop) -> None:
    _, cursor = read(busy, "limit=5")
    again = open_runtime(busy.runtime.settings)
    try:
        assert again.feed_cursors.read(cursor).position == 5
        again.feed_pages.verify(again.feed_cursors.read(cursor))
    finally:
        again.close()


def test_what_cannot_be_read_keeps_its_place(busy: Shop) -> None:
    database = busy.runtime.database
    whole = everything(busy)
    with database.transaction() as connection:
        spoilt = update(event_table).values(state=b"?")
        for tag in ("ticket.closed", "mechanic.hired", "customer.registered"):
            connection.execute(spoilt.where(event_table.c.topic == tag))
        strange = update(event_table).where(event_table.c.topic == "ticket.part-issued")
        connection.execute(strange.values(topic="ticket.exploded"))

    shown = everything(busy)

    assert positions(shown) == positions(whole)
    unreadable = [event for event in shown if event.get("unreadable")]
    assert {event["type"] for event in unreadable} == {
        *("ticket.closed", "mechanic.hired", "customer.registered", "ticket.exploded"),
    }
    known = {event["id"]: event for event in whole}
    for event in unreadable:
        assert "data" not in event
        assert event["subject"] == known[event["id"]]["subject"]
    assert [e for e in shown if e not in unreadable] == [
        known[e["id"]] for e in shown if e not in unreadable
    ]


def test_a_feed_with_a_hole_is_not_read_past(busy: Shop) -> None:
    """Nobody makes one; who looks at position 5 from 5 finds that it is not there."""
    _, cursor = read(busy, "limit=5")
    with busy.runtime.database.transaction() as connection:
        connection.execute(delete(feed_table).where(feed_table.c.position == 5))

    is_problem(busy.get(f"/v1/events?after={cursor}"), 409, "feed-fork")


def test_what_a_client_accepts_decides_the_form(busy: Shop) -> None:
    for accept in (None, "*/*", "application/json", BATCH, "text/html, */*;q=0.1"):
        answer = busy.get("/v1/events?limit=2", headers={"Accept": accept})
        assert answer.headers["content-type"] == BATCH


def test_every_type_there_is_can_be_asked_for(shop: Shop) -> None:
    assert len(TAGS) == len(get_args(AnyEvent))
    for tag in TAGS:
        assert shop.get(f"/v1/events?type={tag}").status_code == 200
