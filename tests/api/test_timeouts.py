"""Nobody waits for ever: what each limit of the database does to a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from uuid import UUID

import pymysql
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from commands import execution
from domain.inventory import InventoryItem
from infrastructure.database import Database
from infrastructure.event_store.faults import is_cut
from infrastructure.runtime import Runtime, open_runtime
from tests.infrastructure.event_store.legs import on_mysql
from tests.infrastructure.event_store.stores import append, send_early
from tests.shop import Shop

ENDLESS = "SELECT COUNT(*) FROM t a, t b, t c, t d, t e".replace(
    "t ", "information_schema.collations "
)


@pytest.fixture
def hurried(runtime: Runtime) -> Iterator[Shop]:
    """A shop whose database has a second for each statement."""
    settings = replace(runtime.settings, read_seconds=1, lock_wait_seconds=1)
    other = open_runtime(settings)
    yield Shop(other)
    other.close()


@on_mysql
def test_the_server_ends_a_statement_that_reads_for_too_long(database: Database) -> None:
    hurried = Database(database.url, read_seconds=1)
    with hurried.reading() as connection:
        before = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()

        with pytest.raises(OperationalError) as ended:
            connection.exec_driver_sql(ENDLESS)

        after = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
    assert is_cut(ended.value)
    assert after == before
    hurried.close()


@on_mysql
def test_what_may_take_long_and_what_writes_has_no_such_end(database: Database) -> None:
    hurried = Database(database.url, read_seconds=1, lock_wait_seconds=2)
    patient = hurried.patient()
    limits = (
        "SHOW VARIABLES WHERE variable_name IN "
        "('lock_wait_timeout', 'max_statement_time', 'max_execution_time')"
    )

    def ends(connection: Connection) -> list[float]:
        return [float(value) for _, value in sorted(connection.exec_driver_sql(limits).all())]

    with hurried.reading() as one, hurried.transaction() as two, patient.reading() as three:
        assert ends(one) in ([2, 1], [2, 1000])
        assert ends(two) == [2, 0]
        assert ends(three)[0] > 2
        assert ends(three)[1] == 0
    hurried.close()
    patient.close()


@on_mysql
def test_a_read_that_takes_too_long_is_told_to_come_back(hurried: Shop, runtime: Runtime) -> None:
    with held_tables(runtime, "feed"):
        answer = hurried.get("/v1/events")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json["type"] == "/docs/problems/too-slow"
    assert hurried.get("/v1/events").status_code == 200


@on_mysql
def test_a_write_that_waits_too_long_for_another_is_a_conflict_and_leaves_nothing(
    hurried: Shop, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "ATTEMPTS_SECONDS_MAX", 0.5)
    item = hurried.item(on_hand=5)
    receipts = f"/v1/inventory/{item}/receipts"
    before = hurried.position()
    with runtime.store.transaction() as other:
        held = other.load(InventoryItem, UUID(item))
        held.receive(1, 0)
        append(other, held)
        send_early(runtime.database)

        answer = hurried.post(receipts, json={"quantity": 1})

    assert answer.status_code == 409
    assert answer.json["type"] == "/docs/problems/conflict"
    assert b'retries_total{command="ReceiveStock"} 0.0' in hurried.runtime.metrics.exposed()
    assert hurried.position() == before + 1
    assert hurried.post(receipts, json={"quantity": 1}).status_code == 200


@contextmanager
def held_tables(runtime: Runtime, table: str) -> Iterator[None]:
    """As somebody who changes the schema holds it."""
    url = runtime.database.url
    other = pymysql.connect(
        host=url.host, port=url.port or 0, user=url.username, database=url.database
    )
    with closing(other):
        other.cursor().execute(f"LOCK TABLES {table} WRITE")
        yield
