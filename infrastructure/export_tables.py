"""The tables of exports: the queue, and the files in chunks."""

from __future__ import annotations

from sqlalchemy import BINARY, BigInteger, Boolean, Column, Integer, String, Table, false

from infrastructure.event_store.tables import metadata
from projections.sql import TABLE_OPTIONS, Bytes, Id, Instant

exports = Table(
    "exports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("role", String(16), nullable=False),
    Column("wanted", Bytes, nullable=False),
    Column("idempotency_key", BINARY(32), unique=True),
    Column("fingerprint", BINARY(32)),
    Column("status", String(16), nullable=False),
    Column("attempt", Id),
    Column("failures", Integer, nullable=False),
    Column("position", BigInteger),
    Column("rows_done", BigInteger, nullable=False),
    Column("rows_total", BigInteger),
    Column("size", BigInteger),
    Column("sha256", BINARY(32)),
    Column("requested_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    # Personal text is in the clear in its file, so whoever erases a person removes it.
    Column("personal", Boolean, nullable=False, server_default=false()),
    # The attempt that began the file, and where another goes on with it.
    Column("file", Id),
    Column("mark", Bytes),
    **TABLE_OPTIONS,
)
chunks = Table(
    "export_chunks",
    metadata,
    Column("attempt", Id, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("data", Bytes, nullable=False),
    **TABLE_OPTIONS,
)
