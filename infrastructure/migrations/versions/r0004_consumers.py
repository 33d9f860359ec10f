"""Named consumers of the feed, and where their cursors went back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BINARY(16)
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
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("rewound_at", INSTANT, nullable=False),
        sa.Column("from_position", sa.BigInteger, nullable=False),
        sa.Column("to_position", sa.BigInteger, nullable=False),
        **(OPTIONS | dict(sqlite_with_rowid=True)),
    )
    create_index("consumers_account", "consumers", "account_id")
    create_index("consumer_rewinds_name", "consumer_rewinds", "name")


def create_index(name: str, table: str, column: str) -> None:
    """MySQL has no CREATE INDEX IF NOT EXISTS."""
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, [column])
