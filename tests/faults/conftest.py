"""One deployment for all faults: each finds it as the one before left it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TEST_MYSQLD, _directory, _running
from tests.faults.deployment import HEADING, Deployment, Outcome
from tests.servers import MariaDB, Valkey

LINES: list[Outcome] = []


@pytest.fixture(scope="module")
def deployment(servers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    def start() -> MariaDB:
        """TEST_MYSQLD in the place of MariaDB: both would take twice as long."""
        return MariaDB.start(_directory(servers, "mariadb"), mysqld=TEST_MYSQLD, durable=True)

    for mariadb in _running(start):
        for redis in _running(lambda: Valkey.start(_directory(servers, "valkey"))):
            made = Deployment(mariadb, redis, tmp_path_factory.mktemp("service"))
            yield made
            made.close()


@pytest.fixture
def table() -> list[Outcome]:
    """Where every fault leaves its line; printed at the end."""
    return LINES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LINES:
        terminalreporter.section("faults")
        for line in (HEADING, *LINES):
            terminalreporter.write_line(str(line))
