"""docs/features.md names routes and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from api.app import operations

HERE = Path(__file__).parent
PAGE = (HERE.parent.parent / "docs" / "features.md").read_text()


def test_every_route_of_a_feature_exists() -> None:
    named = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", PAGE))

    there_are = {f"{one.method} {one.path}" for one in operations() if one.path.startswith("/v1")}
    assert len(named) > 50
    assert named <= there_are


def test_every_walk_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)

    assert len(named) > 30
    for file, test in named:
        assert f"def {test}(" in (HERE / file).read_text(), f"{file}::{test}"
