"""Records and rows for tests of what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

from domain.customer import CustomerRegistered
from domain.kernel import Event, Recorded

ONE, OTHER = UUID(int=1), UUID(int=2)
AT = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)
FIELDS = ("name", "email", "phone", "address")


def recorded(event: Event, id: UUID = ONE, version: int = 1) -> Recorded[Any]:
    return Recorded(
        originator_id=id,
        originator_version=version,
        recorded_at=AT,
        actor=None,
        role="admin",
        command="RegisterCustomer",
        correlation_id="request-1",
        event=event,
    )


def registered(**details: str | None) -> CustomerRegistered:
    return CustomerRegistered(**(dict.fromkeys(FIELDS) | details))


def edited(stored: Any, edit: Callable[[dict[str, Any]], None]) -> Any:
    """The same row with other bytes: `edit` changes the event's JSON object in place."""
    record = msgspec.json.decode(stored.state)
    edit(record["event"])
    return replace(stored, state=msgspec.json.encode(record))


def with_fields(stored: Any, **fields: Any) -> Any:
    """The same row with other values in the event's JSON object."""
    return edited(stored, lambda event: event.update(fields))


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    statements = list[str]()

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sqlalchemy_event.listen(Engine, "before_cursor_execute", count)
    yield statements
    sqlalchemy_event.remove(Engine, "before_cursor_execute", count)
