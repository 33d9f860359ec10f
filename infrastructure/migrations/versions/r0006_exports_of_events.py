"""Exports of events: whether persons are in them, and where another attempt goes on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from infrastructure.migrations.schema import BYTES, ID

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("exports")}
    for column in (
        sa.Column("personal", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("file", ID),
        sa.Column("mark", BYTES),
    ):
        if column.name not in there:
            op.add_column("exports", column)
