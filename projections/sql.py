"""Column types and statements that MySQL, MariaDB and SQLite spell differently, said once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BINARY,
    DateTime,
    Dialect,
    Insert,
    LargeBinary,
    Table,
    TypeDecorator,
    insert,
)
from sqlalchemy.dialects import mysql

TABLE_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_row_format": "DYNAMIC",
    "sqlite_with_rowid": False,
}
"""Every table: clustered on its primary key, text compared byte by byte."""

Bytes = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql")
"""Up to 16 MiB, kept exactly as given."""


class Id(TypeDecorator[UUID]):
    """A UUID in 16 bytes; UUIDv7 values sort by the time they were made."""

    impl = BINARY(16)
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> bytes | None:
        return None if value is None else value.bytes

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> UUID | None:
        return None if value is None else UUID(bytes=bytes(value))


class Instant(TypeDecorator[datetime]):
    """A moment in UTC to the microsecond; timezone-aware outside, naive in the database."""

    impl = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def insert_if_absent(table: Table) -> Insert:
    """Waits for a transaction that is inserting the same key; `rowcount` says who did it."""
    ignoring = insert(table).prefix_with("OR IGNORE", dialect="sqlite")
    return ignoring.prefix_with("IGNORE", dialect="mysql")


def parameter_mark(dialect: Dialect) -> str:
    """What stands for a parameter in a statement that the driver gets as it is."""
    return "?" if dialect.name == "sqlite" else "%s"
