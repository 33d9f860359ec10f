"""The event store, its keys, credentials and refresh tokens."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BINARY(16)
DIGEST = sa.BINARY(32)
INSTANT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
OPTIONS: dict[str, Any] = dict(
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
    mysql_row_format="DYNAMIC",
    mariadb_engine="InnoDB",
    mariadb_charset="utf8mb4",
    mariadb_collate="utf8mb4_bin",
    mariadb_row_format="DYNAMIC",
    sqlite_with_rowid=False,
    # MySQL cannot roll DDL back: what a broken run left is taken up by the next one.
    if_not_exists=True,
)


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("originator_id", ID, primary_key=True),
        sa.Column("originator_version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("topic", sa.String(255), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("commit_id", ID, nullable=False),
        sa.Column("state", BYTES, nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "pending",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("runs", BYTES, nullable=False),
        **(OPTIONS | dict(sqlite_with_rowid=True)),
    )
    op.create_table(
        "feed",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("originator_id", ID, nullable=False),
        sa.Column("originator_version", sa.Integer, nullable=False),
        sa.UniqueConstraint("originator_id", "originator_version", name="feed_event"),
        **OPTIONS,
    )
    op.create_table(
        "snapshots",
        sa.Column("originator_id", ID, primary_key=True),
        sa.Column("originator_version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("topic", sa.String(255), nullable=False),
        sa.Column("state", BYTES, nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", DIGEST, primary_key=True),
        sa.Column("fingerprint", DIGEST, nullable=False),
        sa.Column("outcome", BYTES),
        sa.Column("expires_at", INSTANT, nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "running_numbers",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "contended",
        sa.Column("originator_id", ID, primary_key=True),
        **OPTIONS,
    )
    op.create_table(
        "subject_keys",
        sa.Column("subject_id", ID, primary_key=True),
        sa.Column("wrapped", BYTES),
        sa.Column("master_kid", sa.String(16)),
        **OPTIONS,
    )
    op.create_table(
        "store_secrets",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("wrapped", BYTES, nullable=False),
        sa.Column("master_kid", sa.String(16), nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "credentials",
        sa.Column("account_id", ID, primary_key=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", DIGEST, primary_key=True),
        sa.Column("family", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
        **OPTIONS,
    )
    create_index("idempotency_keys_expiry", "idempotency_keys", "expires_at")
    create_index("ix_refresh_tokens_family", "refresh_tokens", "family")
    create_index("ix_refresh_tokens_account_id", "refresh_tokens", "account_id")


def create_index(name: str, table: str, column: str) -> None:
    """MySQL has no CREATE INDEX IF NOT EXISTS."""
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, [column])
