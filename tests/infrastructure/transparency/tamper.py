"""Ways to falsify a database by hand, and to cover it up.

Each falsification says which position it touches first. All are plain SQL: whoever does this
has every right there is on the database.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from infrastructure.runtime import Runtime
from infrastructure.transparency.log import TransparencyLog


class Row(NamedTuple):
    position: int
    originator_id: bytes
    originator_version: int
    topic: str
    recorded_at: Any
    commit_id: bytes
    state: bytes


class Forger:
    """`upto`: falsify at this position or before."""

    def __init__(self, connection: Connection, chance: Random, upto: int) -> None:
        self._connection, self._chance, self._upto = connection, chance, upto

    def do(self, statement: str, **values: Any) -> None:
        self._connection.execute(text(statement), values)

    def victim(self, *, topics: str = "%") -> Row:
        statement = (
            "SELECT f.position, e.originator_id, e.originator_version, e.topic, e.recorded_at, "
            "e.commit_id, e.state FROM feed f JOIN events e ON e.originator_id = f.originator_id "
            "AND e.originator_version = f.originator_version "
            "WHERE f.position <= :upto AND e.topic LIKE :topics ORDER BY f.position"
        )
        rows = self._connection.execute(text(statement), dict(upto=self._upto, topics=topics))
        return Row(*self._chance.choice(rows.all()))

    def pair(self) -> tuple[Row, Row]:
        first = second = self.victim()
        while first.position == second.position:
            second = self.victim()
        return (first, second) if first.position < second.position else (second, first)

    def set(self, row: Row, **columns: Any) -> int:
        assigned = ", ".join(f"{name} = :{name}" for name in columns)
        self.do(
            f"UPDATE events SET {assigned} WHERE originator_id = :id "  # noqa: S608
            "AND originator_version = :version",
            id=row.originator_id,
            version=row.originator_version,
            **columns,
        )
        return row.position

    def shift(self, after: int, by: int) -> None:
        """Move what follows in the feed; through negative numbers, which are free."""
        self.do("UPDATE feed SET position = -position WHERE position > :after", after=after)
        self.do("UPDATE feed SET position = -position + :by WHERE position < 0", by=by)

    def forget(self, row: Row) -> None:
        key = dict(id=row.originator_id, version=row.originator_version)
        of = "WHERE originator_id = :id AND originator_version = :version"
        self.do(f"DELETE FROM events {of}", **key)  # noqa: S608
        self.do(f"DELETE FROM feed {of}", **key)  # noqa: S608

    def byte(self, data: bytes) -> bytes:
        at = self._chance.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << self._chance.randrange(7)]) + data[at + 1 :]


def edit_bytes(forger: Forger) -> int:
    row = forger.victim()
    return forger.set(row, state=forger.byte(row.state))


def edit_a_number(forger: Forger) -> int:
    row = forger.victim(topics="inventory.%")
    return forger.set(row, state=row.state.replace(b'":', b'":1', 1))


def edit_topic(forger: Forger) -> int:
    return forger.set(forger.victim(), topic="ticket.voided")


def edit_time(forger: Forger) -> int:
    return forger.set(forger.victim(), recorded_at="2001-01-01 00:00:00.000000")


def edit_commit(forger: Forger) -> int:
    row = forger.victim()
    return forger.set(row, commit_id=forger.byte(row.commit_id))


def delete_event(forger: Forger) -> int:
    row = forger.victim()
    key = dict(id=row.originator_id, version=row.originator_version)
    forger.do(
        "DELETE FROM events WHERE originator_id = :id AND originator_version = :version", **key
    )
    return row.position


def delete_and_leave_a_hole(forger: Forger) -> int:
    row = forger.victim()
    forger.forget(row)
    return row.position


def delete_and_close_the_hole(forger: Forger) -> int:
    row = forger.victim()
    forger.forget(row)
    forger.shift(row.position, -1)
    return row.position


def insert(forger: Forger) -> int:
    row = forger.victim()
    forger.shift(row.position - 1, 1)
    new = dict(id=b"forged-forged-fo", topic=row.topic, at=row.recorded_at, state=row.state)
    forger.do(
        "INSERT INTO events (originator_id, originator_version, topic, recorded_at, commit_id, "
        "state) VALUES (:id, 1, :topic, :at, :id, :state)",
        **new,
    )
    forger.do(
        "INSERT INTO feed (position, originator_id, originator_version) VALUES (:position, :id, 1)",
        position=row.position,
        id=new["id"],
    )
    return row.position


def reorder(forger: Forger) -> int:
    first, second = forger.pair()
    for at, to in (
        (first.position, -1),
        (second.position, first.position),
        (-1, second.position),
    ):
        forger.do("UPDATE feed SET position = :to WHERE position = :at", at=at, to=to)
    return first.position


def truncate(forger: Forger) -> int:
    row = forger.victim()
    forger.do(
        "DELETE FROM events WHERE (originator_id, originator_version) IN (SELECT originator_id, "
        "originator_version FROM feed WHERE position >= :from)",
        **{"from": row.position},
    )
    forger.do("DELETE FROM feed WHERE position >= :from", **{"from": row.position})
    return row.position


def swap_bytes(forger: Forger) -> int:
    first, second = forger.pair()
    forger.set(second, state=first.state)
    return forger.set(first, state=second.state)


def swap_metadata(forger: Forger) -> int:
    first, second = forger.pair()
    while (first.topic, first.recorded_at) == (second.topic, second.recorded_at):
        first, second = forger.pair()
    names = ("topic", "recorded_at", "commit_id")
    forger.set(second, **{name: getattr(first, name) for name in names})
    return forger.set(first, **{name: getattr(second, name) for name in names})


def give_to_another_stream(forger: Forger) -> int:
    row = forger.victim()
    for table in ("events", "feed"):
        forger.do(
            f"UPDATE {table} SET originator_id = :other WHERE originator_id = :id "  # noqa: S608
            "AND originator_version = :version",
            other=b"forged-forged-fo",
            id=row.originator_id,
            version=row.originator_version,
        )
    return row.position


FALSIFICATIONS: list[Callable[[Forger], int]] = [
    edit_bytes,
    edit_a_number,
    edit_topic,
    edit_time,
    edit_commit,
    delete_event,
    delete_and_leave_a_hole,
    delete_and_close_the_hole,
    insert,
    reorder,
    truncate,
    swap_bytes,
    swap_metadata,
    give_to_another_stream,
]


def nothing(runtime: Runtime) -> None:
    """Hope that nobody looks."""


def build_the_log_anew(runtime: Runtime) -> None:
    """With the shop's own key and name: whoever has the master key can do this."""
    log = runtime.transparency_log
    with runtime.database.transaction() as connection:
        empty = "UPDATE log_head SET size = 0, root = :root"
        connection.execute(text("DELETE FROM log_tiles"))
        connection.execute(text(empty), dict(root=EMPTY))
    _close_holes(runtime)
    while log.extend():
        continue


def build_the_log_anew_with_another_key(runtime: Runtime) -> None:
    """Under the old name, signed by a key of the forger's own."""
    origin = runtime.transparency_log.head().origin
    with runtime.database.transaction() as connection:
        connection.execute(text("DELETE FROM log_keys"))
    TransparencyLog(runtime.database, runtime.keyring, runtime.clock).signers.add(origin)
    build_the_log_anew(runtime)


def begin_a_new_log(runtime: Runtime) -> None:
    """As if there had never been one."""
    with runtime.database.transaction() as connection:
        for table in ("log_tiles", "log_keys", "log_head"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    _close_holes(runtime)
    while runtime.transparency_log.extend():
        continue


def _close_holes(runtime: Runtime) -> None:
    """A forger who builds the log anew leaves nothing in the feed that would stop it."""
    with runtime.database.transaction() as connection:
        connection.execute(text(_WITHOUT_EVENT))
        positions = connection.scalars(text("SELECT position FROM feed ORDER BY position")).all()
        for right, position in enumerate(positions, start=1):
            move = "UPDATE feed SET position = :right WHERE position = :position"
            if right != position:
                connection.execute(text(move), dict(right=right, position=position))


EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
_WITHOUT_EVENT = """\
DELETE FROM feed WHERE NOT EXISTS (
    SELECT 1 FROM events e WHERE e.originator_id = feed.originator_id
    AND e.originator_version = feed.originator_version
)"""
COVER_UPS: list[Callable[[Runtime], None]] = [
    nothing,
    build_the_log_anew,
    build_the_log_anew_with_another_key,
    begin_a_new_log,
]
