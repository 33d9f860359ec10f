"""Is this database fit to hold the shop's history, and is the history whole?"""

from __future__ import annotations

from collections.abc import Iterator
from struct import error as StructError
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, literal, select, text
from sqlalchemy.exc import DBAPIError

from infrastructure.database import Database
from infrastructure.event_store.commits import (
    Commit,
    Place,
    decode_runs,
    in_order,
    predecessors,
)
from infrastructure.event_store.tables import feed, metadata, pending
from infrastructure.migrations import pending_migrations
from projections.sql import TABLE_OPTIONS

ID_BYTES = 16
COLLATION = TABLE_OPTIONS["mysql_collate"]


class Unfit(Exception):
    """The shop must not run on this database as it is. The message is one line."""


def check(database: Database) -> list[str]:
    """What an operator should be warned of, one line each. Raises `Unfit`."""
    try:
        if pending_migrations(database):
            raise Unfit("the database schema is not up to date: run `mechanic-shop migrate`")
        with database.reading() as connection:
            return list(_warnings(connection)) if database.is_mysql else []
    except DBAPIError as error:
        where = database.url.render_as_string(hide_password=True)
        reason = str(error.orig).replace("\n", " ")
        raise Unfit(f"cannot use the database at {where}: {reason}") from error


def _warnings(connection: Connection) -> Iterator[str]:
    collations = connection.execute(text(_COLLATIONS), dict(wanted=COLLATION))
    if wrong := sorted(str(name) for (name,) in collations if name in metadata.tables):
        raise Unfit(f"text would be compared wrongly: not {COLLATION}: {', '.join(wrong)}")
    flush = connection.scalar(text("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit"))
    if flush != 1:
        yield (
            f"innodb_flush_log_at_trx_commit is {flush}, not 1: commands that were "
            "acknowledged ARE LOST when the database machine fails"
        )


def verify(database: Database) -> Iterator[str]:
    """Read the whole log and feed as of one moment; a line per fault, none if all is well."""
    patient = database.patient()
    try:
        with patient.snapshot() as connection:
            yield from faults(connection)
    finally:
        patient.close()


def faults(connection: Connection) -> Iterator[str]:
    """`verify` as of the moment that a snapshot shows."""
    for (position,) in connection.execute(text(_HOLES)):
        yield f"feed: positions are missing before {position}"
    for id, first, last, count in connection.execute(text(_STREAMS)):
        yield f"events: {count} of {_uuid(id)} have versions {first} to {last}"
    for (position,) in connection.execute(text(_ORDER)):
        yield f"feed: the event at {position} does not follow the one before it in its stream"
    for (position,) in connection.execute(text(_WITHOUT_EVENT)):
        yield f"feed: the event at {position} does not exist"
    for (commit_id,) in connection.execute(text(_TORN)):
        yield f"feed: the events of commit {_uuid(commit_id)} are not adjacent"
    outside = set[Place]()
    for id, version in connection.execute(text(_OUTSIDE_FEED)):
        if _is_place(id, version):
            outside.add((id, version))
        else:
            yield f"events: {_name(id, version)} is neither in the feed nor the key of an event"
    commits = list[Commit]()
    for row in connection.execute(select(pending.c.id, pending.c.runs).order_by(pending.c.id)):
        try:
            runs = decode_runs(row.runs)
        except (TypeError, StructError):
            runs = ()
        if runs:
            commits.append(Commit(row.id, runs))
        else:
            yield f"pending: commit {row.id!r} does not say which events it has"
    yield from _pending_faults(connection, commits, outside)


def _pending_faults(
    connection: Connection, commits: list[Commit], outside: set[Place]
) -> Iterator[str]:
    waiting = set[Place]()
    for commit in commits:
        places = set(commit.places)
        for id, version in sorted(places - outside):
            yield f"pending: commit {commit.id} has {_name(id, version)}, sequenced or absent"
        for id, version in sorted(places & waiting):
            yield f"pending: commit {commit.id} has {_name(id, version)}, and so has another"
        waiting |= places
    for id, version in sorted(outside - waiting):
        yield f"events: {_name(id, version)} is neither in the feed nor pending"
    known = {place for place in predecessors(commits) if _is_sequenced(connection, place)}
    ready = {commit.id for commit in in_order(commits, known)}
    for commit in commits:
        if commit.id not in ready:
            yield f"pending: commit {commit.id} waits for an event that will never be sequenced"


def _is_sequenced(connection: Connection, place: Place) -> bool:
    parameters = dict(id=UUID(bytes=place[0]), version=place[1])
    return connection.scalar(_sequenced, parameters) is not None


def _is_place(id: Any, version: Any) -> bool:
    """SQLite keeps whatever it is given, of whatever type."""
    return isinstance(id, bytes) and len(id) == ID_BYTES and isinstance(version, int)


def _uuid(raw: Any) -> UUID | str:
    return UUID(bytes=raw) if _is_place(raw, 1) else repr(raw)


def _name(id: Any, version: Any) -> str:
    return f"version {version} of {_uuid(id)}"


_sequenced = select(literal(1)).where(
    feed.c.originator_id == bindparam("id"), feed.c.originator_version == bindparam("version")
)
_COLLATIONS = """\
SELECT table_name FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_collation <> :wanted"""
_HOLES = """\
SELECT position FROM (
    SELECT position, COALESCE(LAG(position) OVER (ORDER BY position), 0) AS previous FROM feed
) f WHERE position <> previous + 1"""
_STREAMS = """\
SELECT originator_id, MIN(originator_version), MAX(originator_version), COUNT(*)
FROM events GROUP BY originator_id
HAVING MIN(originator_version) <> 1 OR MAX(originator_version) <> COUNT(*)"""
_ORDER = """\
SELECT position FROM (
    SELECT position, originator_version, COALESCE(
        LAG(originator_version) OVER (PARTITION BY originator_id ORDER BY position), 0
    ) AS previous FROM feed
) f WHERE originator_version <> previous + 1 ORDER BY position"""
_WITHOUT_EVENT = """\
SELECT f.position FROM feed f LEFT JOIN events e
ON e.originator_id = f.originator_id AND e.originator_version = f.originator_version
WHERE e.originator_id IS NULL ORDER BY f.position"""
_TORN = """\
SELECT e.commit_id FROM feed f JOIN events e
ON e.originator_id = f.originator_id AND e.originator_version = f.originator_version
GROUP BY e.commit_id HAVING MAX(f.position) - MIN(f.position) + 1 <> COUNT(*)"""
_OUTSIDE_FEED = """\
SELECT e.originator_id, e.originator_version FROM events e LEFT JOIN feed f
ON f.originator_id = e.originator_id AND f.originator_version = e.originator_version
WHERE f.position IS NULL"""
