"""Gives committed events their positions in the feed.

Writers never wait for one another: a commit leaves one row in `pending`, and this short
transaction, made by whoever comes along, turns such rows into positions 1, 2, 3, ...
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from infrastructure.database import CommitLost, Database
from infrastructure.event_store.commits import (
    Commit,
    Place,
    decode_runs,
    in_order,
    predecessors,
)
from infrastructure.event_store.faults import is_duplicate, is_lost_race

BATCH = 500
WIDER = 4
TERMS_MAX = 500
"""SQLite takes no more of them in a compound SELECT."""

# One statement, so that both are of the same moment: whoever sequences in between takes the
# position after `last`, and our insert of that position fails.
_PENDING = """\
SELECT id, runs, (SELECT MAX(position) FROM feed) AS last FROM pending ORDER BY id LIMIT {mark}"""
_SEQUENCED = """\
SELECT f.originator_id, f.originator_version FROM ({places}) v
{join} feed f ON f.originator_id = v.a AND f.originator_version = v.b"""
_INSERT = "INSERT INTO feed (position, originator_id, originator_version) VALUES "
# Any other shape (WHERE id IN, SKIP LOCKED, row by row) reads rows that writers have not
# committed, and one paused writer would stall the feed.
_DELETE_MYSQL = "DELETE p FROM ({ids}) v STRAIGHT_JOIN pending p ON p.id = v.a"
_DELETE_SQLITE = "DELETE FROM pending WHERE id IN (SELECT a FROM ({ids}) v)"


class Sequencer:
    """One is enough and two are safe: the primary key of the feed lets one of them win."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._join = "STRAIGHT_JOIN" if database.is_mysql else "JOIN"

    def step(self, limit: int = BATCH) -> int:
        """Sequence up to `limit` pending commits; how many events that were.

        0 means that there was nothing to do, or that another sequencer did it.
        """
        last, ordered = self._plan(limit)
        if not ordered:
            return 0
        try:
            return self._write(last, ordered)
        except CommitLost:
            return 0
        except DBAPIError as error:
            if is_lost_race(error) or (is_duplicate(error) and self._last() != last):
                return 0
            raise

    def sequence(self) -> None:
        """`step` as a part of the current transaction, which keeps other writers out."""
        last, ordered = self._plan(BATCH)
        if ordered:
            self._write(last, ordered)

    def _last(self) -> int:
        with self._database.reading() as connection:
            return connection.exec_driver_sql("SELECT MAX(position) FROM feed").scalar() or 0

    def _plan(self, limit: int) -> tuple[int, list[Commit]]:
        with self._database.reading() as connection:
            select = _PENDING.format(mark=self._database.mark)
            rows = connection.exec_driver_sql(select, (limit,)).all()
            commits = [Commit(row.id, decode_runs(row.runs)) for row in rows]
            ordered = in_order(commits, self._sequenced(connection, predecessors(commits)))
        if not ordered and len(rows) == limit:
            return self._plan(limit * WIDER)
        return (rows[0].last or 0) if rows else 0, ordered

    def _sequenced(self, connection: Connection, places: Sequence[Place]) -> set[Place]:
        """Which of these events are in the feed."""
        found = set[Place]()
        for start in range(0, len(places), TERMS_MAX):
            chunk = places[start : start + TERMS_MAX]
            select = _SEQUENCED.format(join=self._join, places=self._rows(len(chunk), 2))
            arguments = tuple(value for place in chunk for value in place)
            rows = connection.exec_driver_sql(select, arguments)
            found.update((bytes(originator), version) for originator, version in rows)
        return found

    def _write(self, last: int, commits: Sequence[Commit]) -> int:
        places = [place for commit in commits for place in commit.places]
        rows = [(position, *place) for position, place in enumerate(places, start=last + 1)]
        ids = [commit.id for commit in commits]
        chunks = [ids[start : start + TERMS_MAX] for start in range(0, len(ids), TERMS_MAX)]
        delete = _DELETE_MYSQL if self._database.is_mysql else _DELETE_SQLITE
        deletes = [delete.format(ids=self._rows(len(chunk), 1)) for chunk in chunks]
        with self._database.transaction() as connection:
            if self._database.is_mysql:
                # With COMMIT: who waits for the positions waits for one round trip.
                insert = _INSERT + ", ".join(["(%s, %s, %s)"] * len(rows))
                values = (*(value for row in rows for value in row), *ids)
                self._database.write_last("; ".join([insert, *deletes]), values)
            else:
                connection.exec_driver_sql(f"{_INSERT} (?, ?, ?)", rows)
                for statement, chunk in zip(deletes, chunks, strict=True):
                    connection.exec_driver_sql(statement, tuple(chunk))
        return len(rows)

    def _rows(self, count: int, width: int) -> str:
        """A derived table of parameters, with columns a, b."""
        names = "ab"[:width]
        first = ", ".join(f"{self._database.mark} AS {name}" for name in names)
        more = ", ".join([self._database.mark] * width)
        return " UNION ALL ".join([f"SELECT {first}"] + [f"SELECT {more}"] * (count - 1))
