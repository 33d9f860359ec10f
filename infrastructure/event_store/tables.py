"""The tables of the event store."""

from __future__ import annotations

from sqlalchemy import (
    BINARY,
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from projections.sql import TABLE_OPTIONS, Bytes, Id, Instant

TOPIC_LENGTH_MAX = 255
DIGEST_BYTES = 32

metadata = MetaData()
"""Of every table but those of views."""

events = Table(
    "events",
    metadata,
    Column("originator_id", Id, primary_key=True),
    Column("originator_version", Integer, primary_key=True, autoincrement=False),
    Column("topic", String(TOPIC_LENGTH_MAX), nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("commit_id", Id, nullable=False),
    Column("state", Bytes, nullable=False),
    **TABLE_OPTIONS,
)
"""Insert-only: nothing in this program updates or deletes an event."""

pending = Table(
    "pending",
    metadata,
    Column(
        "id",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("recorded_at", Instant, nullable=False),
    Column("runs", Bytes, nullable=False),
    # SQLite counts rows up only in tables that have row ids.
    **(TABLE_OPTIONS | {"sqlite_with_rowid": True}),
)
"""Commits that have no place in the feed yet; `runs` says which events (see commits.py)."""

feed = Table(
    "feed",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("originator_id", Id, nullable=False),
    Column("originator_version", Integer, nullable=False),
    UniqueConstraint("originator_id", "originator_version", name="feed_event"),
    **TABLE_OPTIONS,
)
"""Every sequenced event's position: 1, 2, 3, ... without holes."""

sequenced_events = feed.join(
    events,
    (feed.c.originator_id == events.c.originator_id)
    & (feed.c.originator_version == events.c.originator_version),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("originator_id", Id, primary_key=True),
    Column("originator_version", Integer, primary_key=True, autoincrement=False),
    Column("topic", String(TOPIC_LENGTH_MAX), nullable=False),
    Column("state", Bytes, nullable=False),
    **TABLE_OPTIONS,
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", BINARY(DIGEST_BYTES), primary_key=True),
    Column("fingerprint", BINARY(DIGEST_BYTES), nullable=False),
    Column("outcome", Bytes),
    Column("expires_at", Instant, nullable=False),
    Index("idempotency_keys_expiry", "expires_at"),
    **TABLE_OPTIONS,
)
"""`outcome` is NULL only inside the transaction that claims the key."""

running_numbers = Table(
    "running_numbers",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
    **TABLE_OPTIONS,
)

contended = Table(
    "contended",
    metadata,
    Column("originator_id", Id, primary_key=True),
    **TABLE_OPTIONS,
)
"""Rows to queue at: held by transactions that lost a race for that aggregate before."""
