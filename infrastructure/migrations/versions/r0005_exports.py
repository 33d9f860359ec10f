"""Exports and the chunks of their files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from infrastructure.migrations.schema import BYTES, DIGEST, ID, INSTANT, OPTIONS

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("id", ID, primary_key=True),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("wanted", BYTES, nullable=False),
        sa.Column("idempotency_key", DIGEST, unique=True),
        sa.Column("fingerprint", DIGEST),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt", ID),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.Column("rows_done", sa.BigInteger, nullable=False),
        sa.Column("rows_total", sa.BigInteger),
        sa.Column("size", sa.BigInteger),
        sa.Column("sha256", DIGEST),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "export_chunks",
        sa.Column("attempt", ID, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("data", BYTES, nullable=False),
        **OPTIONS,
    )
