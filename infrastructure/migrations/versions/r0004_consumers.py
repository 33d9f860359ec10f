"""Named consumers of the feed, and where their cursors went back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from infrastructure.migrations.schema import (
    BYTES,
    COUNTED,
    COUNTING,
    ID,
    INSTANT,
    OPTIONS,
    create_index,
)

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consumers",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("filter", BYTES, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("event", sa.BINARY(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("committed_at", INSTANT),
        **OPTIONS,
    )
    op.create_table(
        "consumer_rewinds",
        sa.Column("id", COUNTED, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("rewound_at", INSTANT, nullable=False),
        sa.Column("from_position", sa.BigInteger, nullable=False),
        sa.Column("to_position", sa.BigInteger, nullable=False),
        **COUNTING,
    )
    create_index("consumers_account", "consumers", "account_id")
    create_index("consumer_rewinds_name", "consumer_rewinds", "name")
