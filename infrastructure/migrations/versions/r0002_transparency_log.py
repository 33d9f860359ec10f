"""The transparency log: tiles of its tree, its signed head, its public keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from infrastructure.migrations.schema import BYTES, DIGEST, INSTANT, OPTIONS

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hashes", BYTES, nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("origin", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", DIGEST, nullable=False),
        sa.Column("note", BYTES, nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "log_keys",
        sa.Column("key_id", sa.BINARY(4), primary_key=True),
        sa.Column("public_key", sa.String(512), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("retired_at", INSTANT),
        **OPTIONS,
    )
