"""Given events, then what is served: folds alone, without a database."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from projections.kernel import Row
from projections.views import FOLDS
from tests.given import SOME_ID, history


def folded(kind: str, *events: Any, id: UUID = SOME_ID) -> Any:
    """The state of a stream of that kind after these events."""
    state = None
    for recorded in history(*events, id=id):
        state = FOLDS[kind].evolve(state, recorded)
    return state


def rows(kind: str, *events: Any, id: UUID = SOME_ID) -> list[Row]:
    return list(FOLDS[kind].rows(folded(kind, *events, id=id)))


def body(kind: str, *events: Any) -> dict[str, Any]:
    """The resource as it is served."""
    _, row = rows(kind, *events)[0]
    decoded: dict[str, Any] = msgspec.json.decode(row["body"])
    return decoded


def of_table(name: str, given: list[Row]) -> list[dict[str, Any]]:
    """The rows of one table, bodies decoded."""
    return [
        {column: _decoded(column, value) for column, value in row.items()}
        for table, row in given
        if table == name
    ]


def _decoded(column: str, value: Any) -> Any:
    return msgspec.json.decode(value) if column == "body" else value
