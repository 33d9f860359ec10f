"""Servers, once per test process; an empty, migrated database, once per test and leg."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from infrastructure.database import Database
from tests.leaks import pytest_configure as pytest_configure
from tests.leaks import pytest_sessionfinish as pytest_sessionfinish
from tests.programs import MUST_BE_HERE, NOT_WALKED
from tests.schema import Schema
from tests.server_process import Server
from tests.servers import MariaDB, Unavailable, Valkey
from tests.shop import prepared_mysql as prepared_mysql
from tests.shop import prepared_mysql9 as prepared_mysql9
from tests.shop import prepared_sqlite as prepared_sqlite
from tests.shop import runtime as runtime
from tests.shop import shop as shop

TEST_MYSQLD = os.environ.get("TEST_MYSQLD")
LEGS = ("sqlite", "mysql", "mysql9") if TEST_MYSQLD else ("sqlite", "mysql")
WORKERS_MAX = 8
NOT_RUN = "THE MYSQL LEG DID NOT RUN: there is no MariaDB here. `make test-servers` installs it."


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers of all test processes of this run keep their data."""
    base = tmp_path_factory.getbasetemp()
    servers = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "servers"
    servers.mkdir(exist_ok=True)
    return servers


@pytest.fixture(scope="session")
def mariadb(servers: Path) -> Iterator[MariaDB]:
    """For all tests of this process: make databases in it, do not strike it down."""
    yield from _running(lambda: MariaDB.start(_directory(servers, "mariadb")))


@pytest.fixture(scope="session")
def mysql9(servers: Path) -> Iterator[MariaDB]:
    yield from _running(lambda: MariaDB.start(_directory(servers, "mysql9"), mysqld=TEST_MYSQLD))


@pytest.fixture(scope="session")
def valkey(servers: Path) -> Iterator[Valkey]:
    """For all tests of this process, so it may hold what another test left: see `redis_url`."""
    yield from _running(lambda: Valkey.start(_directory(servers, "valkey")))


@pytest.fixture
def own_mariadb(servers: Path) -> Iterator[MariaDB]:
    """One that waits for the disk and that the test may kill, pause and restart."""
    yield from _running(lambda: MariaDB.start(_directory(servers, "own-mariadb"), durable=True))


@pytest.fixture
def own_valkey(servers: Path) -> Iterator[Valkey]:
    """One that the test may kill, pause and restart."""
    yield from _running(lambda: Valkey.start(_directory(servers, "own-valkey")))


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    """An empty Redis."""
    with valkey.client() as client:
        client.flushall()
    return valkey.url


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on: it runs once on each."""
    return str(request.param)


@pytest.fixture
def database_url(leg: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database that holds what the migrations put there."""
    if leg == "sqlite":
        file = tmp_path / "shop.sqlite"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), file)
        return f"sqlite:///{file}"
    schema: Schema = request.getfixturevalue(f"migrated_{leg}")
    return schema.emptied()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "shop.sqlite"
    migrate_url(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_mysql(mariadb: MariaDB) -> Schema:
    return Schema(mariadb, migrate_url)


@pytest.fixture(scope="session")
def migrated_mysql9(mysql9: MariaDB) -> Schema:
    return Schema(mysql9, migrate_url)


def migrate_url(url: str) -> None:
    from infrastructure.migrations import migrate

    database = Database(url)
    migrate(database)
    database.close()


def _directory(servers: Path, name: str) -> Path:
    """A fresh one, whichever process asks."""
    return servers / f"{name}-{os.getpid()}-{len(list(servers.iterdir()))}"


def _running(start: Callable[[], Any]) -> Iterator[Any]:
    try:
        server: Server = start()
    except Unavailable:
        if MUST_BE_HERE:
            pytest.fail(NOT_RUN)
        pytest.skip(NOT_RUN)
    yield server
    server.destroy()


def pytest_xdist_auto_num_workers() -> int:
    """One more than processors, as tests wait for servers and processes a good deal; two at
    least, so that tests that disturb one another are noticed everywhere."""
    ours = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    return min(len(ours(0)) + 1, WORKERS_MAX)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded stays: to look for garbage among it would be a tenth of the run."""
    gc.disable()
    result = yield
    gc.freeze()
    gc.enable()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """The last thing one reads, after everybody else's summaries."""
    yield
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    for said in (NOT_RUN, NOT_WALKED):
        if skipped := [reason for reason in reasons if said in reason]:
            terminalreporter.write_sep("!", f"{len(skipped)} tests left out", red=True, bold=True)
            terminalreporter.write_line(said, red=True, bold=True)
