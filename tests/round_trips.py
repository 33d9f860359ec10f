"""What is sent to the database, each time it is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymysql.connections import Connection


@contextmanager
def database_round_trips() -> Iterator[list[str]]:
    sent: list[str] = []
    execute: Any = vars(Connection)["_execute_command"]

    def noting(self: Connection, command: int, sql: str | bytes) -> Any:
        sent.append(sql if isinstance(sql, str) else sql.decode())
        return execute(self, command, sql)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Connection, "_execute_command", noting)
        yield sent
