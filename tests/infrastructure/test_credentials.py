"""A new password ends every session, also one that is renewed at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy import event as sqlalchemy_event

from infrastructure.credentials import Credentials, InvalidToken, refresh_tokens
from infrastructure.database import Database
from tests.infrastructure.event_store.legs import on_mysql
from tests.process import wait_until

SOMEBODY_WAITS = "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"


@on_mysql
@pytest.mark.parametrize("attempt", range(6))
def test_a_token_renewed_while_the_password_changes_is_worth_nothing(
    database: Database, attempt: int
) -> None:
    """Tokens lie by their digests, so what comes after the one that a change waits for, and what
    comes before it, is a matter of chance."""
    credentials, account = Credentials(database, lambda: datetime.now(UTC)), uuid4()
    credentials.set_password(account, "a hash")
    token, spent = credentials.issue(account, "a hash"), Event()

    def hold(_: Any, __: Any, statement: str, *___: object) -> None:
        if "UPDATE refresh_tokens" in statement:
            spent.set()
            wait_until(somebody_waits)

    def somebody_waits() -> bool:
        with closing(Database(database.url)) as other, other.reading() as connection:
            return connection.exec_driver_sql(SOMEBODY_WAITS).first() is not None

    sqlalchemy_event.listen(Engine, "after_cursor_execute", hold)
    try:
        with ThreadPoolExecutor(2) as pool:
            renewed = pool.submit(credentials.rotate, token)
            assert spent.wait(30)
            pool.submit(credentials.set_password, account, "another hash").result()
    finally:
        sqlalchemy_event.remove(Engine, "after_cursor_execute", hold)

    with pytest.raises(InvalidToken):
        credentials.rotate(renewed.result())
    with database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(refresh_tokens)) == 0
