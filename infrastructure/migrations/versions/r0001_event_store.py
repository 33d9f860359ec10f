"""The event store, its keys, credentials and refresh tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from infrastructure.migrations.schema import (
    BYTES,
    COUNTED,
    COUNTING,
    DIGEST,
    ID,
    INSTANT,
    OPTIONS,
    create_index,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


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
        sa.Column("id", COUNTED, primary_key=True, autoincrement=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("runs", BYTES, nullable=False),
        **COUNTING,
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
