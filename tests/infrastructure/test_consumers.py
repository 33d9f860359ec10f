"""Two who work on one consumer at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event
from typing import Any
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

from infrastructure.consumers import Consumers, Filter
from infrastructure.database import Database
from infrastructure.feed_cursors import BEGINNING, Cursor
from tests.infrastructure.event_store.legs import on_mysql

ACCOUNT = UUID(int=1)
FURTHER = Cursor(5, bytes(16))


@on_mysql
def test_a_consumer_that_goes_back_while_it_is_deleted_leaves_nothing(database: Database) -> None:
    consumers = Consumers(database, lambda: datetime.now(UTC))
    consumers.put("report", ACCOUNT, Filter(), FURTHER, of_anybody=False)
    locked, deleting = Event(), Event()

    def hold(_: Any, __: Any, statement: str, *___: object) -> None:
        if "FOR UPDATE" in statement:
            locked.set()
            deleting.wait(30)

    def tell(_: Any, __: Any, statement: str, *___: object) -> None:
        if "DELETE FROM consumers" in statement:
            deleting.set()

    sqlalchemy_event.listen(Engine, "after_cursor_execute", hold)
    sqlalchemy_event.listen(Engine, "before_cursor_execute", tell)
    try:
        with ThreadPoolExecutor(2) as pool:
            going_back = pool.submit(consumers.commit, "report", FURTHER, BEGINNING, ACCOUNT)
            assert locked.wait(30)
            deleted = pool.submit(consumers.delete, "report")
            assert (going_back.result(), deleted.result()) == (True, True)
    finally:
        sqlalchemy_event.remove(Engine, "after_cursor_execute", hold)
        sqlalchemy_event.remove(Engine, "before_cursor_execute", tell)

    assert consumers.find("report") is None
    assert consumers.rewinds("report") == []
