"""The shape of the shop the examples run against: embedded, or on servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.service import Service, serving
from tests.schema import Schema


@pytest.fixture
def shape(leg: str, request: pytest.FixtureRequest) -> dict[str, str]:
    if leg == "sqlite":
        return {}
    schema: Schema = request.getfixturevalue(f"prepared_{leg}")
    redis_url: str = request.getfixturevalue("redis_url")
    return {"DATABASE_URL": schema.emptied(), "REDIS_URL": redis_url}


@pytest.fixture
def service(shape: dict[str, str], tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path, {"WEB_THREADS": "32", **shape}) as service:
        yield service
