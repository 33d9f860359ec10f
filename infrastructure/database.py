"""One database: its engines, and how a thread reads and writes through them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Protocol

from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from infrastructure.bulk_cursor import ENCODERS, BulkCursor
from infrastructure.packets import begin, connect, keep, renew
from projections.sql import parameter_mark

CONNECT_TIMEOUT_SECONDS = 3
READ_SECONDS = 10
LOCK_WAIT_SECONDS = 5
SILENCE_SECONDS = 5
"""A server that has said nothing for so long after it should have is believed gone."""
PATIENCE_SECONDS = 300
POOL_WAIT_SECONDS = 5
CONNECTION_AGE_MAX_SECONDS = 3600
CONCATENATED_MAX = 16 << 20


class Write(NamedTuple):
    """A statement as the server got it, and how many rows it touched."""

    statement: str
    parameters: Any
    rowcount: int


class Use(Protocol):
    """Who wants to know what is in use."""

    def count_connections(self, pool: str, engine: Engine) -> None: ...

    def snapshot(self) -> AbstractContextManager[None]: ...


class CommitLost(Exception):
    """The connection broke during COMMIT: nobody here knows whether it was carried out.

    The same `writes`, made again in another transaction, find out: they meet the locks or the
    rows of the first one where a mere look would miss a commit that is still under way.
    """

    def __init__(self, writes: Sequence[Write]) -> None:
        super().__init__("the connection broke during COMMIT")
        self.writes = writes


class Database:
    """Reads go through autocommitting connections (one round trip each), writes through
    READ COMMITTED transactions that the threads of this process share from a pool.

    `pool_size` is the number of threads that may talk to the database at once. The server ends
    what is read after `read_seconds` and a wait for others' locks after `lock_wait_seconds`
    (`event_store.faults` knows the errors), so that nobody hangs and nothing runs on for
    somebody who is gone. `read_seconds=None`: a statement may take as long as it needs.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        pool_size: int = 8,
        read_seconds: int | None = READ_SECONDS,
        lock_wait_seconds: int = LOCK_WAIT_SECONDS,
        use: Use | None = None,
    ) -> None:
        self.url = make_url(url)
        self.is_mysql = self.url.get_backend_name() == "mysql"
        self._read_seconds, self._lock_wait_seconds = read_seconds, lock_wait_seconds
        self._current = ContextVar[Connection | None]("current_transaction", default=None)
        self._written = ContextVar[list[Write]]("written")
        self._reads = self._engine(pool_size, autocommit=True)
        self._writes = self._engine(pool_size, autocommit=False)
        self.mark = parameter_mark(self._reads.dialect)
        self._use = use
        if use is not None:
            use.count_connections("reads", self._reads)
            use.count_connections("writes", self._writes)

    def _engine(self, pool_size: int, *, autocommit: bool) -> Engine:
        options: dict[str, Any] = dict(
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            pool_recycle=CONNECTION_AGE_MAX_SECONDS,
            # Every path below ends its transaction itself: a ROLLBACK at check-in would be
            # one more round trip per request.
            pool_reset_on_return=None,
            # Errors are logged, and parameters are people's names and addresses.
            hide_parameters=True,
            connect_args=self._driver_options(autocommit),
        )
        if autocommit:
            options["isolation_level"] = "AUTOCOMMIT"
            options["skip_autocommit_rollback"] = True
        engine = create_engine(self.url, **options)
        session = self._session(autocommit)
        event.listen(engine, "connect", lambda connection, _: _prepare(connection, session))
        if self.is_mysql:
            event.listen(engine, "do_connect", connect)
            event.listen(engine, "checkout", renew)
        if not autocommit and self.is_mysql:
            event.listen(engine, "begin", begin)
            event.listen(engine, "after_cursor_execute", self._remember)
        elif not autocommit:
            event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine

    def _driver_options(self, autocommit: bool) -> dict[str, Any]:
        if not self.is_mysql:
            return dict(
                timeout=self._lock_wait_seconds, check_same_thread=False, isolation_level=None
            )
        return dict(
            charset="utf8mb4",
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=self._silence_seconds(),
            write_timeout=self._silence_seconds(),
            autocommit=autocommit,
            cursorclass=BulkCursor,
            client_flag=0 if autocommit else CLIENT.MULTI_STATEMENTS,
            conv={**conversions, **ENCODERS, FIELD_TYPE.DATETIME: datetime.fromisoformat},
        )

    def _silence_seconds(self) -> int | None:
        """How long a socket may say nothing: the server's own limits strike first."""
        if self._read_seconds is None:
            return None
        return max(self._read_seconds, self._lock_wait_seconds) + SILENCE_SECONDS

    def _session(self, autocommit: bool) -> tuple[str, ...]:
        """What a new connection is told."""
        if not self.is_mysql:
            return _SQLITE_SESSION
        settings = f"{_MYSQL_SETTINGS}, innodb_lock_wait_timeout = {self._lock_wait_seconds}"
        if self._read_seconds is not None:
            settings += f", lock_wait_timeout = {self._lock_wait_seconds}"
            settings += _READS_END.format(seconds=self._read_seconds) if autocommit else ""
        return _MYSQL_ISOLATION, settings

    def _remember(
        self, _: Connection, cursor: Any, statement: str, parameters: Any, *unused: object
    ) -> None:
        # Of several statements in one packet only the first has raised its error yet.
        while cursor.nextset():
            continue
        if cursor.description is None:
            self._written.get().append(Write(statement, parameters, cursor.rowcount))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The transaction this thread is in, else an autocommitting connection."""
        if (current := self._current.get()) is not None:
            yield current
            return
        with self._reads.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Every read inside sees the database as it was at one moment."""
        held = self._use.snapshot() if self._use else nullcontext()
        with held, self._reads.connect() as connection:
            for statement in _MYSQL_SNAPSHOT if self.is_mysql else ("BEGIN",):
                connection.exec_driver_sql(statement)
            token = self._current.set(connection)
            try:
                yield connection
            finally:
                self._current.reset(token)
                if not connection.invalidated:
                    connection.exec_driver_sql("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Join the transaction this thread is in, or begin one and commit it at the end.

        On SQLite a transaction takes the one write lock at its start. Raises `CommitLost`.
        """
        if (current := self._current.get()) is not None:
            yield current
            return
        writes: list[Write] = []
        written = self._written.set(writes)
        try:
            with self._writes.connect() as connection:
                begun = connection.begin()
                token = self._current.set(connection)
                try:
                    yield connection
                except BaseException:
                    begun.rollback()
                    raise
                finally:
                    self._current.reset(token)
                try:
                    begun.commit()
                except DBAPIError as error:
                    if error.connection_invalidated:
                        raise CommitLost(writes) from error
                    begun.rollback()
                    raise
        finally:
            self._written.reset(written)

    def write_last(self, statement: str, parameters: Any) -> None:
        """A write of the current transaction that MySQL gets with COMMIT, in one packet: what the
        server finds wrong with it is raised there. Parameters are a tuple, or a list of them
        for many rows. Of lost writes that are made again each must touch one row."""
        with self.transaction() as connection:
            if self.is_mysql:
                keep(connection, statement, parameters)
                self._written.get().append(Write(statement, parameters, 1))
            else:
                connection.exec_driver_sql(statement, parameters)

    def patient(self) -> Database:
        """The same database for one thread whose statements may take long, and that gets to
        see what is broken, too: text that is no UTF-8 (SQLite) has U+FFFD in it."""
        # A file has one writer at a time, who may be a patient one, too.
        lock_wait_seconds = self._lock_wait_seconds if self.is_mysql else PATIENCE_SECONDS
        patient = Database(
            self.url, pool_size=1, read_seconds=None, lock_wait_seconds=lock_wait_seconds
        )
        if not self.is_mysql:
            event.listen(patient._reads, "connect", _read_all)
        return patient

    def ping(self, seconds: float) -> None:
        """One round trip on a connection of its own, which neither waits for the pool nor
        longer than the seconds given. Raises what the driver raises."""
        options: dict[str, Any] = {"poolclass": NullPool}
        if self.is_mysql:
            timeouts = ("connect_timeout", "read_timeout", "write_timeout")
            # The driver takes whole seconds to connect.
            options["connect_args"] = dict.fromkeys(timeouts, max(1, round(seconds)))
        engine = create_engine(self.url, **options)
        if self.is_mysql:
            event.listen(engine, "do_connect", connect)
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    def close(self) -> None:
        self._reads.dispose()
        self._writes.dispose()


def _read_all(dbapi_connection: Any, _: object) -> None:
    dbapi_connection.text_factory = partial(str, encoding="utf-8", errors="replace")


def _prepare(dbapi_connection: Any, session: Sequence[str]) -> None:
    cursor = dbapi_connection.cursor()
    for statement in session:
        cursor.execute(statement)
    cursor.close()


_MYSQL_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
_MYSQL_SETTINGS = (
    # The feed is read as one value (feed.py); no more than this, or than a packet holds.
    f"SET SESSION group_concat_max_len = {CONCATENATED_MAX}, time_zone = '+00:00', "
    # What does not fit must be an error, never a silently shortened value.
    "sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES')"
)
# The first comment is read by MariaDB only, the second by MySQL (and TiDB) only.
_READS_END = (
    "/*M! , max_statement_time = {seconds} */ /*!50708 , max_execution_time = {seconds}000 */"
)
_MYSQL_SNAPSHOT = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_SQLITE_SESSION = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # A destroyed key must not linger in free pages.
    "PRAGMA secure_delete = ON",
)
