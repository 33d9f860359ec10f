"""What each process may do in MySQL or MariaDB: least privilege, table by table.

The api and the workers have users of their own; the schema belongs to a third, who migrates,
rebuilds and grants. Tables of views come and go with their generations, and no pattern of
table names can be granted: so whoever makes them grants them, before they are served.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from infrastructure.event_store.faults import is_table_missing
from infrastructure.setting_values import Account
from infrastructure.settings import Settings


class Rights(NamedTuple):
    api: str = ""
    worker: str = ""


class Grant(NamedTuple):
    privileges: str
    table: str
    account: Account

    def __str__(self) -> str:
        return f"GRANT {self.privileges} ON {self.table} TO {self.account};"


READ = "SELECT"
ADD = "SELECT, INSERT"
KEEP = "SELECT, INSERT, UPDATE"
ALL = "SELECT, INSERT, UPDATE, DELETE"

RIGHTS = {
    "alembic_version": Rights(READ, READ),
    # What happened: nobody changes it and nobody takes it away.
    "events": Rights(ADD, READ),
    "feed": Rights(READ, ADD),
    "pending": Rights(ADD, "SELECT, DELETE"),
    "audit_index": Rights(READ, ADD),
    "access_records": Rights(ADD, "SELECT, DELETE"),
    "log_head": Rights(READ, KEEP),
    "log_keys": Rights(READ, ADD),
    # A tile that is not full yet is replaced by a fuller one.
    "log_tiles": Rights(READ, "SELECT, INSERT, DELETE"),
    # An erasure empties the key of a person and leaves its row.
    "subject_keys": Rights(KEEP, READ),
    "store_secrets": Rights(ADD, ADD),
    "snapshots": Rights("SELECT, INSERT, DELETE"),
    "idempotency_keys": Rights(KEEP, "SELECT (scope, expires_at), DELETE"),
    "running_numbers": Rights(KEEP),
    "contended": Rights(KEEP),
    "credentials": Rights(KEEP),
    "refresh_tokens": Rights(ALL, "SELECT (expires_at), DELETE"),
    "consumers": Rights(ALL),
    "consumer_rewinds": Rights("SELECT, INSERT, DELETE"),
    "exports": Rights("SELECT, INSERT, DELETE", "SELECT, UPDATE, DELETE"),
    "export_chunks": Rights("SELECT, DELETE", "SELECT, INSERT, DELETE"),
    "view_generations": Rights(READ, "SELECT, UPDATE, DELETE"),
}
VIEW = Rights(READ, f"{ALL}, DROP")
_VIEW_NAME = re.compile(r"[a-z_]+_[0-9]+")


def rights(table: str) -> Rights:
    """None for a table that is not ours."""
    known = VIEW if _VIEW_NAME.fullmatch(table) else Rights()
    return RIGHTS.get(table, known)


def grants(connection: Connection, settings: Settings) -> Iterator[Grant]:
    """For every table there is, what the users that the settings name are to be granted."""
    for table in sorted(inspect(connection).get_table_names()):
        api, worker = rights(table)
        for privileges, account in (
            (api, settings.api_database_user),
            (worker, settings.worker_database_user),
        ):
            if privileges and account is not None:
                yield Grant(privileges, table, account)


def grant(connection: Connection, settings: Settings) -> None:
    """Carry them out. Adds what is missing, and takes nothing away."""
    if connection.dialect.name == "sqlite":
        return
    for privileges, table, account in grants(connection, settings):
        try:
            connection.exec_driver_sql(f"GRANT {privileges} ON {table} TO %s@%s", tuple(account))
        except DBAPIError as error:
            # A worker has just dropped views that are served no more.
            if not is_table_missing(error):
                raise
