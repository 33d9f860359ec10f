"""Who read the past, and the index that searches of the audit log go by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from infrastructure.migrations.schema import BYTES, ID, INSTANT, OPTIONS, create_index

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


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
    create_index("access_records_time", "access_records", "accessed_at", "id")
    create_index("access_records_actor", "access_records", "actor", "accessed_at", "id")
    create_index("access_records_subject", "access_records", "subject", "accessed_at", "id")
    create_index("audit_time", "audit_index", "recorded_at", "position")
    create_index("audit_originator", "audit_index", "originator_id", "recorded_at", "position")
    create_index("audit_actor", "audit_index", "actor", "recorded_at", "position")
    create_index("audit_actor_topic", "audit_index", "actor", "topic", "recorded_at", "position")
    create_index("audit_topic", "audit_index", "topic", "recorded_at", "position")
