"""What the log keeps: its tree as tiles, its signed head, its public keys."""

from __future__ import annotations

from sqlalchemy import BINARY, BigInteger, Column, Integer, String, Table

from infrastructure.event_store.tables import DIGEST_BYTES, metadata
from projections.sql import TABLE_OPTIONS, Bytes, Instant

log_tiles = Table(
    "log_tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", Bytes, nullable=False),
    **TABLE_OPTIONS,
)
"""C2SP tlog-tiles: up to 256 hashes each. A full one never changes again."""

log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("origin", String(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", BINARY(DIGEST_BYTES), nullable=False),
    Column("note", Bytes, nullable=False),
    **TABLE_OPTIONS,
)
"""One row: how much of the feed is in the log, and the checkpoint that says so."""

log_keys = Table(
    "log_keys",
    metadata,
    Column("key_id", BINARY(4), primary_key=True),
    Column("public_key", String(512), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("retired_at", Instant),
    **TABLE_OPTIONS,
)
"""Every key that ever signed. The private ones lie in `store_secrets` until they retire."""
