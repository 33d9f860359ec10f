"""One database: its engines, and how a thread reads and writes through them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_SECONDS = 15
LOCK_WAIT_SECONDS = 5
POOL_WAIT_SECONDS = 5

_current: ContextVar[Connection | None] = ContextVar("current_transaction", default=None)


class Database:
    """Reads go through autocommitting connections (one round trip each), writes through
    READ COMMITTED transactions that the threads of this process share from a pool.

    `pool_size` is the number of threads that may talk to the database at once.
    """

    def __init__(self, url: str | URL, *, pool_size: int = 8) -> None:
        self.url = make_url(url)
        self.is_mysql = self.url.get_backend_name() in ("mysql", "mariadb")
        self._reads = self._engine(pool_size, autocommit=True)
        self._writes = self._engine(pool_size, autocommit=False)

    def _engine(self, pool_size: int, *, autocommit: bool) -> Engine:
        options: dict[str, Any] = dict(
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            # Every path below ends its transaction itself: a ROLLBACK at check-in would be
            # one more round trip per request.
            pool_reset_on_return=None,
        )
        if self.is_mysql:
            options["connect_args"] = dict(
                charset="utf8mb4",
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=STATEMENT_TIMEOUT_SECONDS,
                write_timeout=STATEMENT_TIMEOUT_SECONDS,
                autocommit=autocommit,
            )
        else:
            options["connect_args"] = dict(
                timeout=LOCK_WAIT_SECONDS, check_same_thread=False, isolation_level=None
            )
        if autocommit:
            options["isolation_level"] = "AUTOCOMMIT"
        engine = create_engine(self.url, **options)
        event.listen(engine, "connect", self._prepare)
        if not self.is_mysql and not autocommit:
            event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine

    def _prepare(self, dbapi_connection: Any, _: object) -> None:
        with_cursor = dbapi_connection.cursor()
        for statement in _MYSQL_SESSION if self.is_mysql else _SQLITE_SESSION:
            with_cursor.execute(statement)
        with_cursor.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The transaction this thread is in, else an autocommitting connection."""
        if (current := _current.get()) is not None:
            yield current
            return
        with self._reads.connect() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Join the transaction this thread is in, or begin one and commit it at the end.

        On SQLite a transaction takes the one write lock at its start.
        """
        if (current := _current.get()) is not None:
            yield current
            return
        with self._writes.connect() as connection:
            begun = connection.begin()
            token = _current.set(connection)
            try:
                yield connection
            except BaseException:
                begun.rollback()
                raise
            else:
                begun.commit()
            finally:
                _current.reset(token)

    def close(self) -> None:
        self._reads.dispose()
        self._writes.dispose()


_MYSQL_SESSION = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, time_zone = '+00:00'",
)
_SQLITE_SESSION = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)
