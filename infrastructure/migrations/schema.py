"""What the revisions are written with. Frozen with the first of them that is released."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

ID = sa.BINARY(16)
DIGEST = sa.BINARY(32)
INSTANT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
BYTES = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql")
COUNTED = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OPTIONS: dict[str, Any] = dict(
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
    mysql_row_format="DYNAMIC",
    sqlite_with_rowid=False,
    # MySQL cannot roll DDL back: what a broken run left is taken up by the next one.
    if_not_exists=True,
)
COUNTING = OPTIONS | dict(sqlite_with_rowid=True)
"""SQLite counts rows up only in tables that have row ids."""


def create_index(name: str, table: str, *columns: str) -> None:
    """MySQL has no CREATE INDEX IF NOT EXISTS."""
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, [*columns])
