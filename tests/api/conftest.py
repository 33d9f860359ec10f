"""What tests of the API share."""

from __future__ import annotations

import pytest


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered for seconds is remembered for good: statements can be counted."""
    monkeypatch.setattr("projections.generations.REMEMBERED_SECONDS", 1e9)
    monkeypatch.setattr("infrastructure.sessions.STANDING_SECONDS", 1e9)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account's standing is looked up each time."""
    monkeypatch.setattr("infrastructure.sessions.STANDING_SECONDS", -1.0)
