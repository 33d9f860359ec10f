"""A connection that breaks during COMMIT: what was acknowledged happened, and happened once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Thread

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from commands.store import Collision
from infrastructure.database import CommitLost, Database
from infrastructure.event_store.checks import verify
from infrastructure.event_store.sequencer import Sequencer
from infrastructure.event_store.store import EventStore
from tests.infrastructure.event_store.legs import on_mysql
from tests.infrastructure.event_store.proxy import Proxy
from tests.infrastructure.event_store.stores import BOLT, add_item, event_store, on_hand, receive
from tests.infrastructure.event_store.test_idempotency import KEY

pytestmark = on_mysql


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    proxy = Proxy(make_url(database.url).port or 0)
    yield proxy
    proxy.close()


@pytest.fixture
def through_proxy(database: Database, proxy: Proxy) -> Iterator[Database]:
    """Another client of the same database, on the wire that will be cut."""
    in_clear = database.url.update_query_dict({"ssl_disabled": "true"})
    through = Database(in_clear.set(port=proxy.port))
    yield through
    through.close()


@pytest.fixture
def cut_store(through_proxy: Database) -> EventStore:
    return event_store(through_proxy)


@pytest.mark.parametrize(
    ("forward", "after_seconds"),
    [
        pytest.param(True, 0, id="the server commits, its answer is lost"),
        pytest.param(True, 0.3, id="the server commits later"),
        pytest.param(False, 0, id="the server never hears of it"),
        pytest.param(False, 0.3, id="the server holds the locks for a while, then rolls back"),
    ],
)
def test_the_commit_happens_once(
    database: Database,
    cut_store: EventStore,
    proxy: Proxy,
    forward: bool,
    after_seconds: float,
) -> None:
    add_item(cut_store)
    proxy.cut_next_commit(forward=forward, after_seconds=after_seconds)

    receive(cut_store, 5, times=2)

    assert on_hand(cut_store) == 10
    assert [r.originator_version for r in cut_store.events(BOLT)] == [1, 2, 3]
    while Sequencer(database).step():
        pass
    assert list(verify(database)) == []


def test_a_commit_that_another_one_overtook_collides(
    database: Database, store: EventStore, cut_store: EventStore, proxy: Proxy
) -> None:
    add_item(store)
    proxy.cut_next_commit(forward=False, then=lambda: receive(store, 7))

    with pytest.raises(Collision):
        receive(cut_store, 1)

    assert on_hand(store) == 7


def test_an_answer_without_events_is_found_by_the_next_attempt(
    database: Database, cut_store: EventStore, proxy: Proxy
) -> None:
    proxy.cut_next_commit(forward=True)

    def refuse() -> bytes | None:
        with cut_store.transaction() as transaction:
            stored = transaction.claim_key(KEY)
            if stored is None:
                transaction.answer(KEY, b"refused")
        return stored

    with pytest.raises(Collision):
        refuse()

    assert refuse() == b"refused"


def test_a_transaction_that_wrote_nothing_needs_no_answer(
    database: Database, cut_store: EventStore, proxy: Proxy
) -> None:
    add_item(cut_store)
    proxy.cut_next_commit(forward=False)
    proxy.refuse()

    assert on_hand(cut_store) == 0


def test_other_writers_are_told(through_proxy: Database, proxy: Proxy) -> None:
    def write() -> None:
        with through_proxy.transaction() as connection:
            connection.exec_driver_sql("INSERT INTO running_numbers VALUES ('ticket', 1)")

    proxy.cut_next_commit(forward=False)

    with pytest.raises(CommitLost) as lost:
        write()

    assert [(w.statement, w.rowcount) for w in lost.value.writes] == [
        ("INSERT INTO running_numbers VALUES ('ticket', 1)", 1)
    ]
    write()


@pytest.mark.parametrize("listens", [False, True])
def test_a_server_that_cannot_be_connected_to_is_no_lost_race(
    database: Database, listens: bool
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    gone = Database(database.url.set(port=listener.getsockname()[1]))

    def hang_up() -> None:
        while True:
            listener.accept()[0].close()

    if listens:
        Thread(target=hang_up, daemon=True).start()
    else:
        listener.close()

    with pytest.raises(OperationalError):
        add_item(event_store(gone))
