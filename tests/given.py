"""Given this past: an aggregate that lived it, and has emitted nothing since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.kernel import A, Recorded, replay

SOME_ID = UUID(int=1)
SOME_DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


def history(*events: Any, id: UUID = SOME_ID) -> list[Recorded[Any]]:
    """The events as one stream from its beginning, a second between them."""
    return [
        Recorded(
            originator_id=id,
            originator_version=version,
            recorded_at=SOME_DAY + timedelta(seconds=version),
            actor=None,
            role="system",
            command="Given",
            correlation_id="given",
            event=event,
        )
        for version, event in enumerate(events, start=1)
    ]


def given(kind: type[A], *past: Any, id: UUID = SOME_ID) -> A:
    return replay(kind(id=id), history(*past, id=id))
