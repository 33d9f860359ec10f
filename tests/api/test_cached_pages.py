"""First pages and the ranking come from the cache, and never show less than they should."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import event

from infrastructure import sessions
from infrastructure.database import Database
from infrastructure.runtime import Runtime
from projections import generations
from projections.queries import ProjectionBehind, Queries
from projections.tokens import NOTHING_SEEN, Token
from projections.views import KIND_OF
from tests import builders as b
from tests.api.answers import ids, is_problem, items
from tests.process import wait_until
from tests.projections.folding import rows
from tests.projections.test_bodies import FIRST
from tests.projections.views import contents
from tests.shop import Shop, done

PAGES = (
    "/v1/tickets",
    "/v1/tickets?status=open&limit=2",
    "/v1/vehicles",
    "/v1/mechanics?sort=name",
    "/v1/mechanics",
    "/v1/inventory?include=archived",
    "/v1/stock-levels?low=false",
    "/v1/assignments",
    "/v1/mechanics/leaderboard",
)
NEW = {"name": "New", "email": "new@shop.example", "labor_rate_cents": 9_000}


@contextmanager
def sql(database: Database) -> Iterator[list[str]]:
    """The statements that are executed."""
    seen = list[str]()

    def note(_: Any, __: Any, statement: str, *___: object) -> None:
        seen.append(statement)

    engines = database._reads, database._writes
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


@pytest.fixture(autouse=True)
def _remember(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered for seconds is remembered for the whole test, however slow."""
    monkeypatch.setattr(generations, "REMEMBERED_SECONDS", 3600.0)
    monkeypatch.setattr(sessions, "STANDING_SECONDS", 3600.0)
    monkeypatch.setattr("infrastructure.redis_cache.MARK_SECONDS", 3600)


@pytest.fixture
def full(shop: Shop) -> Shop:
    for _ in range(3):
        ticket = shop.ticket()
        done(shop.put(f"/v1/tickets/{ticket}/mechanics/{shop.mechanic()}"))
        shop.item()
    shop.settle()
    return shop


def test_what_is_cached_is_read_without_a_statement(full: Shop, subtests: pytest.Subtests) -> None:
    ticket = f"/v1/tickets/{full.ticket()}"
    full.settle()
    for path in (ticket, *PAGES):
        with subtests.test(path):
            first = full.get(path)
            token = first.headers["consistency-token"]
            with sql(full.runtime.database) as statements:
                again = full.get(path, token=token)

            assert statements == []
            assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
            assert again.headers.get("link") == first.headers.get("link")
            assert again.headers["feed-position"] == first.headers["feed-position"]


def test_a_page_that_did_not_change_is_not_sent_again(full: Shop) -> None:
    etag = full.get("/v1/tickets").headers["etag"]

    for known in (etag, f'"other", W/{etag}', "*"):
        assert full.get("/v1/tickets", headers={"If-None-Match": known}).status_code == 304


def test_a_change_of_its_kind_ends_a_page(full: Shop) -> None:
    before = ids(full.get("/v1/mechanics"))
    vehicles = full.get("/v1/vehicles")

    made = full.mechanic()
    full.settle()

    assert ids(full.get("/v1/mechanics")) == [made, *before]
    with sql(full.runtime.database) as statements:
        assert full.get("/v1/vehicles").content == vehicles.content
    assert statements == []


def test_a_cached_page_is_not_shown_to_who_has_seen_more(full: Shop) -> None:
    full.get("/v1/mechanics")

    token = done(full.post("/v1/mechanics", json=NEW))["token"]
    behind = full.get("/v1/mechanics", token=token, headers={"Prefer": "wait=0"})
    is_problem(behind, 503, "projection-behind")
    full.settle()

    assert items(full.get("/v1/mechanics", token=token))[0]["name"] == "New"


def test_a_page_whose_end_the_cache_never_heard_of_is_not_shown_either(
    full: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ids(full.get("/v1/mechanics"))
    monkeypatch.setattr(full.runtime.runner._cache, "publish", lambda *_, **__: None)
    made = full.mechanic()
    full.settle()

    assert ids(full.get("/v1/mechanics")) == before
    seen = str(Token(full.position()))
    assert ids(full.get("/v1/mechanics", token=seen)) == [made, *before]


def test_after_a_list_the_position_is_all_there_is_to_remember(full: Shop) -> None:
    token = done(full.post("/v1/mechanics", json=NEW))["token"]
    full.settle()

    token = full.get("/v1/mechanics", token=token).headers["consistency-token"]
    with sql(full.runtime.database) as statements:
        full.get("/v1/mechanics", token=token)

    assert statements == []


def test_customers_share_no_page(full: Shop) -> None:
    one, other = full.customer(), full.customer()
    for customer in (one, other):
        full.ticket(customer)
    readers = [full.as_("customer", customer_id=customer) for customer in (one, other)]
    full.settle()

    for _ in range(2):
        for customer, reader in zip((one, other), readers, strict=True):
            assert {t["customer_id"] for t in items(reader.get("/v1/tickets"))} == {customer}
        assert len(items(full.get("/v1/tickets"))) == 5


def test_what_is_searched_for_is_not_kept(full: Shop) -> None:
    for path in ("/v1/mechanics?q=a", "/v1/mechanics?updated_after=2020-01-01T00:00:00Z"):
        full.get(path)
        with sql(full.runtime.database) as statements:
            full.get(path)
        assert len(statements) == 1


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/accounts?role=admin"])
def test_pages_of_people_who_may_be_erased_are_not_kept(full: Shop, path: str) -> None:
    full.get(path)

    with sql(full.runtime.database) as statements:
        full.get(path)
    assert len(statements) == 1


def test_an_empty_page_claims_no_more_than_it_shows(shop: Shop) -> None:
    """Somebody may be quicker between the page and its position."""
    shop.settle()
    made: list[str] = []

    def meanwhile(_: Any, __: Any, statement: str, *___: object) -> None:
        if statement.startswith("SELECT customers_") and not made:
            made.append("")
            made[0] = shop.customer()
            shop.settle()

    engine = shop.runtime.database._reads
    event.listen(engine, "after_cursor_execute", meanwhile)
    try:
        answer = shop.get("/v1/customers")
    finally:
        event.remove(engine, "after_cursor_execute", meanwhile)

    assert ids(answer) == made
    assert int(answer.headers["feed-position"]) == shop.position()


def test_who_waits_in_vain_leaves_threads_for_the_others(runtime: Runtime) -> None:
    queries: Queries = runtime.queries
    queries._places = type(queries._places)(1)
    waiting, never = Event(), Token(2**62)
    position = queries.position

    def told() -> int:
        waiting.set()
        return position()

    queries.position = told  # type: ignore[method-assign]
    refused = list[str]()

    def wait() -> None:
        with pytest.raises(ProjectionBehind):
            queries.wait_for(never, 3.0)
        refused.append("after its time")

    first = Thread(target=wait)
    first.start()
    waiting.wait(30)
    wait_until(lambda: not queries._places._value)
    with pytest.raises(ProjectionBehind):
        queries.wait_for(never, 10.0)
    refused.append("at once")
    first.join()

    assert refused == ["at once", "after its time"]
    assert queries.wait_for(NOTHING_SEEN, 0.0) == 0


def test_every_row_of_a_list_comes_from_the_kind_that_ends_its_pages(full: Shop) -> None:
    shown = {table for table, made in contents(full.runtime.database).items() if made}
    pasts = {kind: [first] for kind, (first, *_) in FIRST.items()}
    pasts["ticket"].append(b.mechanic_assigned())
    seen = set[str]()

    for kind, past in pasts.items():
        for table, _ in rows(kind, *past):
            assert KIND_OF.get(table, kind) == kind
            seen.add(table)

    assert KIND_OF.keys() & shown <= seen | {"stock_movements"}
