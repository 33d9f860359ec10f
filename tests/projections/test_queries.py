"""Reads by id, lists page by page, and what a token makes them wait for."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from infrastructure.runtime import Runtime
from projections.listing import Listing
from projections.queries import ProjectionBehind
from projections.tables import tables
from projections.tokens import NOTHING_SEEN, Token
from projections.views import FOLDS, TABLE_OF
from tests import builders as b
from tests.projections.folding import rows
from tests.projections.test_bodies import FIRST
from tests.projections.views import contents, record, settle
from tests.shop import Shop, done

ID = b.CUSTOMER_ID


def registered(runtime: Runtime) -> None:
    record(runtime.store, {ID: [b.customer_registered()]})
    settle(runtime)


def version(runtime: Runtime, token: Token) -> int:
    served = runtime.queries.get("customer", ID, token)
    assert served is not None
    assert served.version == _version(served.body)
    return served.version


def _version(body: bytes) -> int:
    return int(body.partition(b'"version":')[2].partition(b",")[0])


def test_without_a_token_the_view_is_good_enough(runtime: Runtime) -> None:
    registered(runtime)
    record(runtime.store, {ID: [b.customer_changed(name="New")]})

    assert version(runtime, NOTHING_SEEN) == 1


def test_a_view_behind_the_token_is_not_waited_for(runtime: Runtime) -> None:
    """The stream itself is folded: right while no worker runs at all."""
    registered(runtime)
    assert version(runtime, NOTHING_SEEN) == 1
    record(runtime.store, {ID: [b.customer_changed(name="New")]})

    assert version(runtime, Token(0, {ID: 2})) == 2
    assert version(runtime, Token(runtime.queries.position() + 1)) == 2


def test_the_folded_body_is_the_one_the_view_will_show(runtime: Runtime) -> None:
    record(runtime.store, {ID: [b.customer_registered(), b.customer_changed(phone="123")]})
    folded = runtime.queries.get("customer", ID, NOTHING_SEEN)
    settle(runtime)

    viewed = runtime.queries.get("customer", ID, NOTHING_SEEN)

    assert folded is not None
    assert viewed is not None
    assert folded.body == viewed.body
    assert (folded.position, viewed.position) == (0, 2)


def test_what_was_just_made_is_found_before_any_view_shows_it(runtime: Runtime) -> None:
    record(runtime.store, {ID: [b.customer_registered()]})

    assert version(runtime, NOTHING_SEEN) == 1


@pytest.mark.parametrize("kind", sorted(set(FOLDS) - {"customer"}))
def test_an_id_of_another_kind_is_not_found(runtime: Runtime, kind: str) -> None:
    registered(runtime)

    assert runtime.queries.get(kind, ID, NOTHING_SEEN) is None
    assert runtime.queries.get(kind, ID, Token(0, {ID: 1})) is None


def test_an_id_of_nothing_is_not_found(runtime: Runtime) -> None:
    assert runtime.queries.get("customer", uuid4(), NOTHING_SEEN) is None
    assert runtime.queries.get("customer", uuid4(), Token(5)) is None


def test_reads_tell_how_much_they_reflect(runtime: Runtime) -> None:
    registered(runtime)
    by_view = runtime.queries.get("customer", ID, NOTHING_SEEN)
    by_cache = runtime.queries.get("customer", ID, NOTHING_SEEN)
    listed = runtime.queries.list(Listing("customers", sort="created_at", limit=1))
    nothing = runtime.queries.list(Listing("tickets", sort="created_at", limit=1))

    for served in (by_view, by_cache, listed, nothing):
        assert served is not None
        assert served.position == 1


def test_waiting_ends_when_the_views_have_come_as_far(runtime: Runtime) -> None:
    registered(runtime)
    record(runtime.store, {ID: [b.customer_changed(name="New")]})
    seen = Token(0, {ID: 2})

    with pytest.raises(ProjectionBehind):
        runtime.queries.wait_for(seen, 0.05)
    later = threading.Timer(0.2, settle, [runtime])
    later.start()
    runtime.queries.wait_for(seen, 30)
    later.join()

    assert version(runtime, NOTHING_SEEN) == 2
    runtime.queries.wait_for(Token(2), 0)
    with pytest.raises(ProjectionBehind):
        runtime.queries.wait_for(Token(3), 0)


@pytest.mark.parametrize("kind", FOLDS)
def test_bodies_of_several_come_at_once(runtime: Runtime, kind: str) -> None:
    event, _ = FIRST[kind]
    record(runtime.store, {UUID(int=1): [event], UUID(int=2): [event]})
    settle(runtime)

    found = runtime.queries.bodies(kind, [UUID(int=1), UUID(int=2), UUID(int=3)])

    assert found.keys() == {UUID(int=1), UUID(int=2)}
    assert found[UUID(int=1)][0] == next(
        row["body"] for name, row in rows(kind, event) if name == TABLE_OF[kind]
    )


def test_the_leaderboard_is_never_older_than_its_mark(shop: Shop) -> None:
    """Cached, and still never stale once a batch is published."""
    mechanic = shop.mechanic(name="Ada")
    shop.settle()
    for tickets in range(1, 4):
        shop.put(f"/v1/tickets/{shop.ticket()}/mechanics/{mechanic}")
        shop.settle()
        for _ in range(2):
            items = done(shop.get("/v1/mechanics/leaderboard"))["items"]
            assert [(item["name"], item["tickets"]) for item in items] == [("Ada", tickets)]
    assert shop.patch(f"/v1/mechanics/{mechanic}", json={"name": "Eve"}).status_code == 200
    shop.settle()

    assert done(shop.get("/v1/mechanics/leaderboard"))["items"][0]["name"] == "Eve"


moments = st.integers(0, 3)
archived = st.booleans()


def test_pages_show_every_row_once_and_in_order(runtime: Runtime) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    table = tables(1)["customers"]
    _, first = rows("customer", b.customer_registered())[0]

    @settings(max_examples=30, deadline=None)
    @given(
        st.lists(st.tuples(moments, archived), max_size=12),
        st.integers(1, 5),
        st.booleans(),
        st.booleans(),
    )
    def check(
        shown: list[tuple[int, bool]], limit: int, descending: bool, with_archived: bool
    ) -> None:
        made: list[dict[str, Any]] = [
            first
            | dict(
                id=uuid4(),
                created_at=start + timedelta(microseconds=moment),
                archived=gone,
                body=b"%d" % n,
            )
            for n, (moment, gone) in enumerate(shown)
        ]
        with runtime.database.transaction() as connection:
            connection.execute(delete(table))
            if made:
                connection.execute(insert(table), made)
        listing = Listing(
            "customers",
            sort="created_at",
            limit=limit,
            descending=descending,
            archived=with_archived,
        )
        seen, pages = [], 0
        while True:
            page = runtime.queries.list(listing)
            assert len(page.items) <= limit
            seen += list(page.items)
            pages += 1
            assert pages <= len(made) + 1
            if page.next_key is None:
                break
            assert len(page.items) == limit
            listing = listing._replace(after=page.next_key)

        wanted = [row for row in made if with_archived or not row["archived"]]
        wanted.sort(key=lambda row: (row["created_at"], row["id"].bytes), reverse=descending)
        assert seen == [row["body"] for row in wanted]
        assert pages == max(1, -(-len(wanted) // limit))

    check()


def test_what_is_inserted_meanwhile_moves_no_page(shop: Shop) -> None:
    names = [f"Customer {n}" for n in range(4)]
    for name in names[:3]:
        shop.customer(name=name)
    shop.settle()
    listing = Listing("customers", sort="created_at", limit=2)
    page = shop.runtime.queries.list(listing)
    shop.customer(name=names[3])
    shop.settle()

    after = shop.runtime.queries.list(listing._replace(after=page.next_key))

    assert len(page.items) + len(after.items) == 4
    assert len(contents(shop.runtime.database)["customers"]) == 4


def test_a_read_that_finds_the_view_ahead_of_its_token_is_fresh(runtime: Runtime) -> None:
    registered(runtime)
    record(runtime.store, {ID: [b.customer_changed(name="New")]})
    settle(runtime)

    assert version(runtime, Token(1, {ID: 1})) == 2
