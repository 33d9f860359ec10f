"""Who read the past, and the index that searches of the audit log go by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from infrastructure.migrations.versions.r0001_event_store import BYTES, ID, INSTANT, OPTIONS

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEXES = {
    "access_records": {
        "access_records_time": ["accessed_at", "id"],
        "access_records_actor": ["actor", "accessed_at", "id"],
        "access_records_subject": ["subject", "accessed_at", "id"],
    },
    "audit_index": {
        "audit_time": ["recorded_at", "position"],
        "audit_originator": ["originator_id", "recorded_at", "position"],
        "audit_actor": ["actor", "recorded_at", "position"],
        "audit_actor_topic": ["actor", "topic", "recorded_at", "position"],
        "audit_topic": ["topic", "recorded_at", "position"],
    },
}


def upgrade() -> None:
    op.create_table(
        "access_records",
        sa.Column("id", ID, primary_key=True),
        sa.Column("accessed_at", INSTANT, nullable=False),
        sa.Column("actor", ID, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("operation", sa.String(255), nullable=False),
        sa.Column("subject", ID),
        sa.Column("query", BYTES, nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "audit_index",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("originator_id", ID, nullable=False),
        sa.Column("originator_version", sa.Integer, nullable=False),
        sa.Column("topic", sa.String(255), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("actor", ID),
        **OPTIONS,
    )
    for table, indexes in INDEXES.items():
        # MySQL has no CREATE INDEX IF NOT EXISTS.
        known = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
        for name, columns in indexes.items():
            if name not in known:
                op.create_index(name, table, columns)
