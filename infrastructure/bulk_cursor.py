"""Many rows at once on their way to MySQL, without the driver's detours.

PyMySQL makes the literals of a multi-row INSERT in Python, each through three calls and a look
at what it is not; that cost more than the folds that made the rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pymysql.cursors import RE_INSERT_VALUES, Cursor


def _instant(value: datetime) -> str:
    """As the columns of `Instant` keep it: in UTC."""
    return f"'{value.astimezone(UTC).replace(tzinfo=None)}'" if value.tzinfo else f"'{value}'"


_LITERALS: Mapping[type, Callable[[Any], str]] = {
    int: str,
    bool: lambda value: "1" if value else "0",
    bytes: lambda value: f"X'{value.hex()}'",
    UUID: lambda value: f"X'{value.hex}'",
    datetime: _instant,
    type(None): lambda value: "NULL",
}
"""Text, and whatever else there is, is escaped by the driver."""
ENCODERS = {kind: lambda value, _, kind=kind: _LITERALS[kind](value) for kind in (UUID, datetime)}
"""For the driver, which comes upon those where a statement is not of many rows."""


class BulkCursor(Cursor):
    """Sends the rows of an INSERT in statements of up to `max_stmt_length` bytes, as its parent
    does."""

    def executemany(self, query: str, args: Any) -> int | None:
        insert = RE_INSERT_VALUES.match(query)
        if insert is None or not args:
            return super().executemany(query, args)
        execute: Any = self.execute  # It takes bytes, too.
        self.rowcount = sum([execute(statement) for statement in self._inserts(insert, args)])
        return self.rowcount

    def statements(self, query: str, args: Any) -> Iterator[bytes]:
        """What is to be sent: for a tuple of parameters, or for each of a list of them."""
        connection: Any = self.connection
        insert = RE_INSERT_VALUES.match(query) if type(args) is list else None
        if insert is not None:
            yield from self._inserts(insert, args)
        else:
            for each in args if type(args) is list else [args]:
                yield self.mogrify(query, each).encode(connection.encoding, "surrogateescape")

    def _inserts(self, insert: re.Match[str], args: Any) -> Iterator[bytes]:
        connection: Any = self.connection
        encoding, known, escape = connection.encoding, _LITERALS.get, connection.escape
        head, tail = ((insert[n] or "").replace("%%", "%").encode(encoding) for n in (1, 3))
        values = insert[2]
        waiting, length = list[bytes](), len(head) + len(tail)
        for arg in args:
            if isinstance(arg, Mapping):
                literals: Any = {k: known(type(v), escape)(v) for k, v in arg.items()}
            else:
                literals = tuple([known(type(v), escape)(v) for v in arg])
            row = (values % literals).encode(encoding)
            if waiting and length + len(row) + 1 > self.max_stmt_length:
                yield head + b",".join(waiting) + tail
                waiting, length = [], len(head) + len(tail)
            waiting.append(row)
            length += len(row) + 1
        yield head + b",".join(waiting) + tail
