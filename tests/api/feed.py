"""The feed as its readers ask for it, and what becomes of it when a backup is put back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from falcon.testing import Result, create_environ

from infrastructure.database import Database
from tests.shop import Client

BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"
STREAM = "text/event-stream"
SILENCE_MAX = 60
"""Messages; the streams of the tests beat twice a second."""
TABLES = ("events", "feed", "pending")


def read(client: Client, query: str = "", **sent: Any) -> tuple[list[dict[str, Any]], str]:
    """A page of events, and the cursor behind it."""
    answer = client.get(f"/v1/events?{query}", **sent)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == BATCH
    return answer.json, answer.headers["feed-cursor"]


def everything(client: Client, query: str = "") -> list[dict[str, Any]]:
    return [event for page in pages(client, query) for event in page]


def pages(client: Client, query: str = "") -> Iterator[list[dict[str, Any]]]:
    """One after the other until the cursor stays where it is."""
    cursor, before = "beginning", ""
    while cursor != before:
        before = cursor
        page, cursor = read(client, f"{query}&after={cursor}".lstrip("&"))
        yield page


def parsed(lines: Result) -> list[dict[str, Any]]:
    assert lines.status_code == 200, lines.text
    assert lines.headers["content-type"] == LINES
    return [json.loads(line) for line in lines.text.splitlines()]


def positions(events: list[dict[str, Any]]) -> list[int]:
    return [int(event["sequence"]) for event in events]


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


class Backup:
    """What the event tables hold now."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.reading() as connection:
            self._rows = {
                table: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]  # noqa: S608
                for table in TABLES
            }

    def put_back(self) -> None:
        mark = self._database.mark
        with self._database.transaction() as connection:
            for table, rows in self._rows.items():
                connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608
                for row in rows:
                    marks = ", ".join([mark] * len(row))
                    connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608


class Stream:
    """An answer without an end, taken piece by piece from the application itself."""

    def __init__(self, client: Client, query: str = "", **headers: str) -> None:
        sent = {"Accept": STREAM, "Authorization": client.authorization_header}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        environ = create_environ("/v1/events", query_string=query, headers=sent)
        self.status, self.headers = "", dict[str, str]()
        self._body = client.app(environ, self._begin)
        self._pieces = iter(self._body)
        self._buffer = b""

    def _begin(self, status: str, headers: list[tuple[str, str]], *_: object) -> None:
        self.status, self.headers = status, {name.lower(): value for name, value in headers}

    def piece(self) -> bytes:
        piece: bytes = next(self._pieces)
        return piece

    def rest(self) -> bytes:
        return b"".join(self._pieces)

    def message(self) -> dict[str, str]:
        """The next server-sent event; a comment is one called "" here. Waits for it."""
        while b"\n\n" not in self._buffer:
            self._buffer += self.piece()
        text, _, self._buffer = self._buffer.partition(b"\n\n")
        fields = [line.partition(": ") for line in text.decode().split("\n")]
        return {name: value for name, _, value in fields}

    def events(self, count: int) -> list[dict[str, Any]]:
        """The next events, whatever is said between them."""
        found: list[dict[str, Any]] = []
        silence = 0
        while len(found) < count:
            message = self.message()
            assert "event" not in message, message
            silence = 0 if "data" in message else silence + 1
            assert silence < SILENCE_MAX, f"{len(found)} events came, not {count}"
            if "data" in message:
                found.append(json.loads(message["data"]))
                self.last_id = message["id"]
        return found

    def ending(self) -> str:
        """Why it ended; the events before it do not count."""
        for _ in range(SILENCE_MAX):
            message = self.message()
            if message.get("event") == "end":
                assert self.rest() == b""
                return str(json.loads(message["data"])["reason"])
        raise AssertionError("it does not end")

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
