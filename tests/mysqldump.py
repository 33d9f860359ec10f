"""What `mysqldump --single-transaction` does, for machines that lack it: one moment, as SQL."""

from __future__ import annotations

import sys
from typing import Any

import pymysql


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def literal(connection: Any, value: object) -> str:
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return str(connection.literal(value))


def dump(host: str, port: int, user: str, database: str) -> None:
    connection: Any = pymysql.connect(host=host, port=port, user=user, database=database)
    cursor = connection.cursor()
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    cursor.execute("SHOW TABLES")
    say("SET NAMES utf8mb4; SET foreign_key_checks = 0;")
    for (table,) in cursor.fetchall():
        cursor.execute(f"SHOW CREATE TABLE `{table}`")
        say(f"{cursor.fetchone()[1]};")
        cursor.execute(f"SELECT * FROM `{table}`")  # noqa: S608
        for row in cursor.fetchall():
            values = ", ".join(literal(connection, value) for value in row)
            say(f"INSERT INTO `{table}` VALUES ({values});")  # noqa: S608


if __name__ == "__main__":
    said = sys.argv[1:]
    given = {flag: said[said.index(flag) + 1] for flag in ("-h", "-P", "-u")}
    dump(given["-h"], int(given["-P"]), given["-u"], said[-1])
