"""The database that is measured: a private MariaDB or, with TEST_MYSQLD, MySQL."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infrastructure.preparing import prepare
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from tests.servers import MariaDB, Valkey

# The servers of the tests are as small as they can be; a log of 8 MB would make every
# benchmark one of checkpoints.
ROOMY = {
    "innodb_buffer_pool_size": 512 << 20,
    "innodb_log_file_size": 256 << 20,
    "innodb_redo_log_capacity": 256 << 20,
}


JWT_KEY = "a key of benchmarks, and of benchmarks only"
MASTER_KEY = bytes(range(32))


class Subject:
    """One server, in its ordinary (`durable`) or its careless way of committing."""

    def __init__(self, server: MariaDB) -> None:
        self._server = server
        self.name = "MariaDB" if server.is_mariadb else "MySQL"
        version = str(server.execute("SELECT VERSION()")[0][0]).split("-")[0]
        self.version = f"{self.name} {version}"
        known = {str(row[0]) for row in server.execute("SHOW GLOBAL VARIABLES LIKE 'innodb%'")}
        for variable in ROOMY.keys() & known:
            if not (variable == "innodb_log_file_size" and not server.is_mariadb):
                server.execute(f"SET GLOBAL {variable} = {ROOMY[variable]}")

    def prepared(self, name: str) -> str:
        """The URL of a new database with everything the service needs in it."""
        url = self.empty(name)
        runtime = runtime_on(url)
        prepare(runtime)
        runtime.close()
        return url

    def empty(self, name: str) -> str:
        return self._server.create_database(name)

    @property
    def pid(self) -> int:
        return self._server.pid

    def execute(self, sql: str) -> tuple[tuple[object, ...], ...]:
        return self._server.execute(sql)

    def durable(self, is_on: bool) -> None:
        """Whether COMMIT waits for the disk (the promise) or for the operating system only."""
        self.execute(f"SET GLOBAL innodb_flush_log_at_trx_commit = {1 if is_on else 2}")


def runtime_on(url: str, redis_url: str | None = None) -> Runtime:
    return open_runtime(
        Settings(
            database_url=url,
            redis_url=redis_url,
            jwt_secret_key=JWT_KEY,
            master_key=MASTER_KEY,
            rate_limit_enabled=False,
        )
    )


@contextmanager
def subject() -> Iterator[Subject]:
    """The server to measure: MySQL where TEST_MYSQLD names it, else MariaDB."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        binary = os.environ.get("TEST_MYSQLD") or None
        server = MariaDB.start(Path(directory, "database"), mysqld=binary, durable=True)
        try:
            yield Subject(server)
        finally:
            server.kill()


@contextmanager
def valkey() -> Iterator[str]:
    """The URL of a private Redis."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        server = Valkey.start(Path(directory, "valkey"))
        try:
            yield server.url
        finally:
            server.kill()
