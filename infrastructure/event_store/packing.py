"""Events asked for as one row: the driver reads rows in Python, field by field, which costs
more than all else together. For MySQL and MariaDB; SQLite's driver is not in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

P = TypeVar("P", bound=tuple[Any, ...])

# The feed first, then its events by key: never the other way round. There are no holes, so
# that a range needs no LIMIT, which would take a table in between.
_PACKED = """\
SELECT
  GROUP_CONCAT(CONCAT_WS('","', f.position, {columns}, LENGTH(e.state))
    SEPARATOR '"],["') AS places,
  GROUP_CONCAT(e.state SEPARATOR '') AS states
FROM feed f STRAIGHT_JOIN events e
  ON e.originator_id = f.originator_id AND e.originator_version = f.originator_version
WHERE """


def packed(columns: str) -> str:
    """A SELECT of feed `f` and events `e` as far as its WHERE, which may not be ordered: the
    feed is read along its positions."""
    return _PACKED.format(columns=columns)


def unpacked(
    connection: Connection,
    statement: str,
    arguments: Sequence[object],
    decoder: msgspec.json.Decoder[list[P]],
) -> list[tuple[P, bytes]] | None:
    """Each place (position, columns, length of the state) with its state. Columns come as text,
    so the decoder is not a strict one; TO_BASE64 makes `bytes` of what is none.

    `None` if they do not come whole and in order: there may be more of them than the server
    puts into one value.
    """
    row = connection.exec_driver_sql(statement, tuple(arguments)).one()
    if row.states is None:
        return []
    try:
        places = decoder.decode(f'[["{row.places}"]]')
    except msgspec.DecodeError:
        return None
    found, start, before = list[tuple[P, bytes]](), 0, 0
    for place in places:
        if place[0] <= before:
            return None
        before = place[0]
        end = start + place[-1]
        found.append((place, row.states[start:end]))
        start = end
    return found if start == len(row.states) else None
