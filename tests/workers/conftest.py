"""A shop on servers, whose worker is a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infrastructure.runtime import Runtime, open_runtime
from infrastructure.settings import Settings
from tests.process import distributed
from tests.schema import Schema
from tests.servers import Valkey


@pytest.fixture
def settings(prepared_mysql: Schema, own_valkey: Valkey) -> dict[str, str]:
    return distributed(prepared_mysql.emptied(), own_valkey.url)


@pytest.fixture
def runtime(settings: dict[str, str]) -> Iterator[Runtime]:
    """The side that writes and reads; it moves no view by itself."""
    runtime = open_runtime(Settings.read(settings))
    yield runtime
    runtime.close()
