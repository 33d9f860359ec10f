"""Commands run in this process, with nothing of the developer's settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from tests.process import KEYS
from tests.schema import Schema
from tests.server_process import free_port
from tests.shop import prepare_url

Ask = Callable[..., Result]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """`ask("accounts", "create-admin", settings={...}, typed="...")`."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name not in ("PATH", "HOME"):
            monkeypatch.delenv(name)

    def ask(*arguments: str, settings: Mapping[str, str], typed: str | None = None) -> Result:
        runner = CliRunner(env={"LOG_LEVEL": "ERROR", "PORT": str(free_port()), **settings})
        return runner.invoke(main, arguments, input=typed, prog_name="mechanic-shop")

    return ask


@pytest.fixture
def embedded(tmp_path: Path) -> dict[str, str]:
    """Settings of an empty, prepared shop on SQLite."""
    data = tmp_path / "data"
    data.mkdir()
    prepare_url(f"sqlite:///{data / 'shop.db'}")
    return {"DATA_DIR": str(data), **KEYS}


@pytest.fixture
def runtime(embedded: dict[str, str]) -> Iterator[Runtime]:
    """The shop of `embedded`, from inside."""
    runtime = open_runtime(Settings.read(embedded))
    yield runtime
    runtime.close()


@pytest.fixture
def create_admin(ask: Ask, embedded: dict[str, str]) -> Ask:
    return partial(ask, "accounts", "create-admin", settings=embedded)


@pytest.fixture
def prepared(prepared_mysql: Schema) -> Callable[[], str]:
    """The URL of an empty shop on MariaDB."""
    return prepared_mysql.emptied
